/** quantize, dequantize, abs and activations of elements that have more than 256 values. */
import { rangeOfType } from '../../ir/dtypes.js';
import { elementCount, type NodeView } from '../../ir/graph.js';
import { mapsBytes } from '../../ops/arithmetic/lookup.js';
import {
  activationRange,
  type Multiplier,
  quantizeMultiplier,
} from '../../ops/arithmetic/quant.js';
import { elementQuant, elementRatio, type RatioAttrs } from '../../ops/arithmetic/rescale.js';
import { type DequantizeAttrs, dequantization, dequantize } from '../../ops/dequantize.js';
import { type LeakyReluAttrs, leakyRatios } from '../../ops/leaky_relu.js';
import { type QuantizeAttrs, quantizeTypes, requantizationOf } from '../../ops/quantize.js';
import type { Relu6Attrs } from '../../ops/relu6.js';
import { inputOf, outputOf } from '../../ops/shape/operands.js';
import type { Kernel, KernelCall, KernelVariant, Table } from '../variant.js';

/** Integers to integers, by one multiplier. */
export const requantizeVariant: KernelVariant<QuantizeAttrs> = {
  template: 'portable/rescale',
  needs: [],
  types: quantizeTypes,
  match(view) {
    const { multiplier, ...rest } = requantizationOf(view);
    if (multiplier === null || mapsBytes(view)) return null;
    const zeroPoints = { in_zero_point: rest.inputZeroPoint, out_zero_point: rest.outputZeroPoint };
    const numbers = { ...zeroPoints, ...rangeNumbers(rest), ...above(multiplier) };
    return kernelOf(view, 30, {
      flags: { ...plainly, absolute: false },
      numbers,
    });
  },
};

/** float32 to integers. */
export const quantizeVariant: KernelVariant<QuantizeAttrs> = {
  template: 'portable/quantize',
  needs: [],
  types: quantizeTypes,
  match(view) {
    const { multiplier, scale, low, high, outputZeroPoint } = requantizationOf(view);
    if (multiplier !== null) return null;
    const numbers = { low, high, out_zero_point: outputZeroPoint };
    return kernelOf(view, 300, { flags: {}, numbers, tables: { scale: scaleTable(scale) } });
  },
};

export const dequantizeVariant: KernelVariant<DequantizeAttrs> = {
  template: 'portable/dequantize',
  needs: [],
  types: dequantize.types,
  match(view) {
    const { scale, zeroPoint } = dequantization(view);
    const numbers = { in_zero_point: zeroPoint };
    return kernelOf(view, 100, { flags: {}, numbers, tables: { scale: scaleTable(scale) } });
  },
};

export const wideLeakyRelu: KernelVariant<LeakyReluAttrs> = {
  template: 'portable/rescale',
  needs: [],
  types: ['int16'],
  match(view) {
    const { inputZeroPoint, outputZeroPoint } = elementQuant(view);
    const [up, down] = leakyRatios(view).map(quantizeMultiplier) as [Multiplier, Multiplier];
    const [low, high] = rangeOfType(outputOf(view).dtype);
    const isNegative = Math.fround(view.attrs.alpha) < 0;
    const isMagnitude = view.attrs.algorithm === 'magnitude';
    return kernelOf(view, 35, {
      flags: {
        leaky: true,
        absolute: false,
        negated: isNegative,
        magnitude: isNegative && isMagnitude,
      },
      numbers: {
        ...{ in_zero_point: inputZeroPoint, out_zero_point: outputZeroPoint },
        ...{ ...rangeNumbers({ low, high }), ...above(up) },
        ...{ below_multiplier: down.multiplier, below_shift: down.shift },
      },
    });
  },
};

const plainly = { leaky: false, negated: false, magnitude: false };

/** Without a change of the integers: 2x · 2^30 / 2^31. */
const identity: Multiplier = { multiplier: 2 ** 30, shift: 1 };

interface Clamping<A extends RatioAttrs> {
  /** Whether the sign goes. */
  readonly absolute?: boolean;
  /** Whether elements change their scale. */
  readonly scales?: (view: NodeView<A>) => boolean;
}

const always = () => true;

/** int16 in the output's scale, clamped. */
function clampingVariant<A extends RatioAttrs>(
  rangeOf: (view: NodeView<A>) => readonly [low: number, high: number],
  { absolute = false, scales = always }: Clamping<A> = {},
): KernelVariant<A> {
  return {
    template: 'portable/rescale',
    needs: [],
    types: ['int16'],
    match(view) {
      const ratio = quantizeMultiplier(elementRatio(view));
      const [low, high] = rangeOf(view);
      return kernelOf(view, 30, {
        flags: { ...plainly, absolute },
        numbers: {
          ...{ in_zero_point: 0, out_zero_point: 0, low, high },
          ...above(scales(view) ? ratio : identity),
        },
      });
    },
  };
}

export const wideAbs = clampingVariant<RatioAttrs>((view) => rangeOfType(outputOf(view).dtype), {
  absolute: true,
});

export const wideRelu = clampingVariant<RatioAttrs>((view) =>
  activationRange('relu', outputOf(view)),
);

/** Without rescaling the range is that of the input's scale. */
export const wideRelu6 = clampingVariant<Relu6Attrs>(
  (view) => activationRange('relu6', rescales(view) ? outputOf(view) : inputOf(view, 0)),
  { scales: rescales },
);

function rescales({ attrs }: NodeView<Relu6Attrs>): boolean {
  return attrs.algorithm === 'rescale';
}

const rangeNumbers = ({ low, high }: { readonly low: number; readonly high: number }) => ({
  low,
  high,
});

const above = ({ multiplier, shift }: Multiplier) => ({ multiplier, shift });

/** A constant array of one float: numbers of a call are integers. */
const scaleTable = (scale: number): Table => ({ data: Float32Array.of(scale), role: 'table' });

function kernelOf(
  view: NodeView<object>,
  cycles: number,
  call: Pick<KernelCall, 'flags' | 'numbers'> & Partial<Pick<KernelCall, 'tables'>>,
): Kernel {
  const count = elementCount(outputOf(view).shape);
  const types = { from: inputOf(view, 0).dtype, to: outputOf(view).dtype };
  return {
    scratchBytes: 0,
    work: () => ({ outputs: { count, cycles } }),
    calls: () => [
      {
        ...{ inputs: [0], outputs: [0], types, tables: {} },
        ...{ ...call, numbers: { ...call.numbers, count } },
      },
    ],
  };
}
