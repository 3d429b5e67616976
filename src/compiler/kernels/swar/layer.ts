/**
 * Shared by the kernels of this folder: how they read the input, and how outputs follow from sums.
 */
import type { NodeView } from '../../ir/graph.js';
import type { ChannelBounds, Facts } from '../../ir/op.js';
import {
  type AccumulationAttrs,
  biasesFor,
  inputZeroPoint,
  type OutputStage,
} from '../../ops/arithmetic/accumulation.js';
import { hullOf, type Range, rangeAt } from '../../ops/arithmetic/bounds.js';
import { floatMultiplier, isExactAsFloat } from '../../ops/arithmetic/float-scale.js';
import { inputOf } from '../../ops/shape/operands.js';
import { type Convolution, isPixelRow, pixelsOf } from '../layout/convolution.js';
import type { WindowShape } from '../layout/overlap.js';
import { type TwoMultiply, twoMultipliesOf, twoMultiply } from '../layout/two-multiply.js';
import { windowNumbers } from '../layout/window-numbers.js';
import { noRounding, roundingFlags, stageNumbers } from '../portable/dense.js';
import type { Flags, MatchContext, Table, WorkTerm } from '../variant.js';

/**
 * How outputs follow from sums: by two multiplications each, by these with a lift, as in TFLM, by two
 * multiplications except for channels without proved constants, which take XNNPACK's float32 scale, or by
 * three.
 */
export type Rescale = 'rescaled' | 'lifted' | 'requantized' | 'mixed' | 'deep';

export interface RescaleStage {
  readonly rescale: Rescale;
  /** Initial value of each channel's sums, int32. */
  readonly starts: Int32Array;
  /** Constants of each channel, as the kernels of that name read them. */
  readonly words: readonly (readonly number[])[];
  /** Share of the channels that take a float32 scale. */
  readonly exceptions: number;
}

/**
 * Uses two multiplications if they are proved for every channel, or for those that are no exceptions.
 *
 * @param isDeep for kernels that know three multiplications
 */
export function rescaleStage(
  view: NodeView<AccumulationAttrs>,
  context: MatchContext,
  { filters, stage }: Convolution,
  isDeep = false,
): RescaleStage {
  const biases = biasesFor(view, filters, true);
  const multiplies = twoMultipliesOf(view, context, stage);
  if (multiplies?.every(isRescaled)) return stageOf(stage, multiplies, biases);
  const mixed = mixedStage(biases, stage, context.facts.accumulator(view));
  if (mixed !== null) return mixed;
  return isDeep && multiplies !== null
    ? deepStage(multiplies, biases)
    : stageOf(stage, [null], biases);
}

function deepStage(multiplies: readonly TwoMultiply[], biases: Int32Array): RescaleStage {
  return {
    rescale: 'deep',
    starts: startsOf(multiplies, biases),
    words: multiplies.map((each) => [...rescaleWords(each), ...liftWords(each), each.lower]),
    exceptions: 0,
  };
}

const startsOf = (multiplies: readonly TwoMultiply[], biases: Int32Array) =>
  biases.map((bias, channel) => bias - (multiplies[channel]?.base ?? 0));

/** @param multiplies of the channels, whose initial sums are `biases` */
export function stageOf(
  { multipliers }: Pick<OutputStage, 'multipliers'>,
  multiplies: readonly (TwoMultiply | null)[],
  biases: Int32Array,
): RescaleStage & { readonly rescale: keyof Cycles } {
  if (!multiplies.every(isRescaled)) {
    const words = multipliers.map(({ multiplier, shift }) => [multiplier, shift]);
    return { rescale: 'requantized', starts: biases, words, exceptions: 0 };
  }
  const rescale = multiplies.every(({ lift }) => lift === null) ? 'rescaled' : 'lifted';
  const words = multiplies.map((multiply) => [
    ...rescaleWords(multiply),
    ...(rescale === 'lifted' ? liftWords(multiply) : []),
  ]);
  return { rescale, starts: startsOf(multiplies, biases), words, exceptions: 0 };
}

/** Marks a channel that takes a float32 scale, in the place of a right shift. */
const isFloat = 32;

/** null where a channel has neither two multiplications nor an exact product in float32. */
function mixedStage(
  biases: Int32Array,
  stage: OutputStage,
  bounds: ChannelBounds,
): RescaleStage | null {
  if (stage.scales === undefined) return null;
  const starts = Int32Array.from(biases);
  const words: (readonly number[])[] = [];
  let exceptions = 0;
  for (const [channel, scale] of stage.scales.entries()) {
    const [min, max] = rangeAt(bounds, channel);
    const multiply = twoMultiply(stage, channel, min, max);
    if (isRescaled(multiply) && multiply.lift === null) {
      starts[channel] = (biases[channel] as number) - multiply.base;
      words.push(rescaleWords(multiply));
    } else if (isExactAsFloat(scale, min, max)) {
      const outside = bytesOf(stage.min, stage.max);
      words.push([0, outside, floatMultiplier(scale).multiplier, 0, isFloat, stage.zeroPoint]);
      exceptions += 1;
    } else {
      return null;
    }
  }
  return { rescale: 'mixed', starts, words, exceptions: exceptions / words.length };
}

/** The lowest and the highest output. */
const bytesOf = (low: number, high: number) => (low & 255) + (high & 255) * 256;

/** Of an output in each form. */
type Cycles = Readonly<Record<Exclude<Rescale, 'mixed' | 'deep'>, number>>;

/** Work of the outputs. @param cycles of one, in each form */
export function rescaleWork(
  { rescale, exceptions }: RescaleStage,
  count: number,
  cycles: Cycles & { readonly deep?: number },
): Readonly<Record<string, WorkTerm>> {
  if (rescale === 'deep') return { deep: { count, cycles: cycles.deep ?? cycles.requantized } };
  if (rescale !== 'mixed') return { [rescale]: { count, cycles: cycles[rescale] } };
  return {
    rescaled: { count, cycles: cycles.rescaled },
    exceptions: { count: count * exceptions, cycles: 180 },
  };
}

/** Whether there is no third multiplication, which most kernels do not have. */
export function isRescaled(multiply: TwoMultiply | null): multiply is TwoMultiply {
  return multiply !== null && multiply.lower === 0;
}

function rescaleWords(multiply: TwoMultiply): readonly number[] {
  const { top, lowest, highest, high, low, shift, offset } = multiply;
  return [top, bytesOf(lowest, highest), high, low, shift, offset];
}

/** Forms without a lift have their zero point in the offset. */
function liftWords({ lift, zeroPoint }: TwoMultiply): readonly number[] {
  return lift === null ? [32, 24, 0] : [lift, 23, zeroPoint];
}

/**
 * Where a layer's constants of outputs lie: those of a single pixel are read once a run, as the
 * weights are, and go where the weights are copied to. More pixels find them in a cache.
 */
export const stageRole = ({ shape }: Pick<Convolution, 'shape'>): Table['role'] =>
  pixelsOf(shape) === 1 ? 'weights' : 'table';

/** The operands of a call's output stage, with `words` per channel. */
export function rescaleOperands(
  layer: Convolution,
  rescale: Rescale,
  words: readonly (readonly number[])[],
): {
  readonly flags: Flags;
  readonly numbers: Readonly<Record<string, number>>;
  readonly tables: Readonly<Record<string, Table>>;
} {
  const { stage } = layer;
  const requantized = rescale === 'requantized';
  return {
    flags: {
      lifted: rescale === 'lifted',
      mixed: rescale === 'mixed',
      deep: rescale === 'deep',
      requantized,
      ...(requantized ? roundingFlags(stage) : noRounding),
    },
    numbers: {
      ...(requantized ? stageNumbers(stage) : {}),
      stage_words: words[0]?.length ?? 0,
    },
    tables: {
      stage: { data: Int32Array.from(words.flat(), (word) => word | 0), role: stageRole(layer) },
    },
  };
}

/** Bounds of the value of each tap. */
export function inputRanges(
  view: NodeView<AccumulationAttrs>,
  facts: Facts,
  { shape, filters }: Convolution,
): readonly Range[] {
  const zeroPoint = inputZeroPoint(view);
  const range = facts.range(inputOf(view, 0));
  const perTap = range.min.length;
  return Array.from({ length: filters.depth }, (_, i): Range => {
    // For rows that begin at any channel, only the bounds of all channels hold.
    const [low, high] = filters.depth % perTap === 0 ? rangeAt(range, i % perTap) : hullOf(range);
    return isPixelRow(shape) ? [low, high] : [Math.min(low, zeroPoint), Math.max(high, zeroPoint)];
  });
}

/** Work of gathering windows; none for rows that are read in place. */
export function gatherWork({ shape, filters }: Convolution): Readonly<Record<string, WorkTerm>> {
  if (isPixelRow(shape)) return {};
  const pixels = pixelsOf(shape);
  return {
    windowRows: { count: pixels * shape.kernelH, cycles: 120 },
    // By words if pixels begin at words.
    ...(shape.inC % 4 === 0
      ? { copied: { count: pixels * filters.depth, cycles: 1 } }
      : { gathered: { count: pixels * filters.depth, cycles: 8 } }),
  };
}

/** Numbers of a call whose kernel gathers windows. */
export function gatherNumbers(view: NodeView<object>, shape: WindowShape) {
  return {
    in_h: shape.inH,
    in_w: shape.inW,
    in_c: shape.inC,
    in_zp: inputZeroPoint(view),
    ...windowNumbers(shape),
  };
}
