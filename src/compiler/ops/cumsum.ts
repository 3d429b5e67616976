/** cumsum (CUMSUM): sums of the elements so far, along one dimension. */
import { allocate, at, type DType, elementCount, isConstant, type NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import {
  clamp,
  type Multiplier,
  multiplyByQuantizedMultiplier,
  perTensor,
  quantizeMultiplier,
} from './arithmetic/quant.js';
import { badRatio } from './arithmetic/rescale.js';
import { lineStarts, linesOf, requireDimension } from './shape/lines.js';
import { inputOf, outputOf, requireOneType } from './shape/operands.js';

/** TFLM has kernels of int8 and float32, desktop TFLite of int32 and float32. */
export interface CumsumAttrs {
  readonly axis: number;
  /** Whether an element is no part of its own sum. */
  readonly exclusive: boolean;
  /** Whether it begins at the end. */
  readonly reverse: boolean;
}

/** One type for input and output. */
export const cumsumTypes: readonly DType[] = ['int8', 'int32', 'float32'];

/** int8 are summed in units of the input's scale / 2^19. */
export const cumsumUnit = 2 ** 19;

/** Arithmetic of int8: out = (sum of (x − zero point) · 2^19) · multiplier + zero point. */
export interface CumsumScaling {
  readonly inputZeroPoint: number;
  readonly outputZeroPoint: number;
  readonly multiplier: Multiplier;
}

/**
 * CalculateOpData of TFLM's kernels/cumsum.cc: x · 2^20 · ½ is exact.
 *
 * @throws BonsaiError 'bad-quantization' for a ratio of scales with which TFLM aborts
 */
export function cumsumScalingOf(view: NodeView<object>): CumsumScaling {
  const input = perTensor(inputOf(view, 0), at(view.node));
  const output = perTensor(outputOf(view), at(view.node));
  const [from, to] = [Math.fround(input.scale), Math.fround(output.scale)];
  const real = (2 * from) / (2 * cumsumUnit * to);
  const multiplier = quantizeMultiplier(real);
  if (real >= 1 || multiplier.shift > 0) {
    throw badRatio(view, `the input's scale is ${(from / to).toPrecision(3)} times the output's`);
  }
  return { inputZeroPoint: input.zeroPoint, outputZeroPoint: output.zeroPoint, multiplier };
}

export const cumsum = {
  name: 'cumsum',
  types: cumsumTypes,
  infer(view) {
    requireDimension(view, view.attrs.axis);
    return [inputOf(view, 0).shape];
  },
  check(view) {
    if (requireOneType(view, cumsumTypes) === 'int8') cumsumScalingOf(view);
  },
  evaluate(view, [input]) {
    const { dtype, shape } = outputOf(view);
    const lines = linesOf(view);
    const { extent, inner } = lines;
    const { exclusive, reverse } = view.attrs;
    const { begin, add, result } = arithmeticOf(view);
    const results = allocate(dtype, elementCount(shape));
    for (const first of lineStarts(lines)) {
      let sum = begin;
      for (let d = 0; d < extent; d++) {
        const place = first + (reverse ? extent - 1 - d : d) * inner;
        const next = add(sum, Number(input?.[place]));
        results[place] = result(exclusive ? sum : next) as never;
        sum = next;
      }
    }
    return [results];
  },
  macs: () => 0,
  inPlace: (view) => (isConstant(inputOf(view, 0)) ? [] : [0]),
} satisfies OpDef<CumsumAttrs>;

interface SumArithmetic {
  readonly begin: number;
  add(sum: number, x: number): number;
  result(sum: number): number;
}

const asItIs = (sum: number) => sum;

/**
 * TFLM begins sums of int8 with an element 0, which is not the zero point (reference/cumsum.h), and
 * they leave 32 bits: they wrap.
 */
function arithmeticOf(view: NodeView<CumsumAttrs>): SumArithmetic {
  switch (outputOf(view).dtype) {
    case 'float32':
      return { begin: 0, add: (sum, x) => Math.fround(sum + x), result: asItIs };
    case 'int32':
      return { begin: 0, add: (sum, x) => (sum + x) | 0, result: asItIs };
    default: {
      const { inputZeroPoint, outputZeroPoint, multiplier } = cumsumScalingOf(view);
      const add = (sum: number, x: number) => (sum + (x - inputZeroPoint) * cumsumUnit) | 0;
      const result = (sum: number) => {
        const scaled = multiplyByQuantizedMultiplier(sum, multiplier, 'double');
        return clamp(scaled + outputZeroPoint, -128, 127);
      };
      return { begin: add(0, 0), add, result };
    }
  }
}
