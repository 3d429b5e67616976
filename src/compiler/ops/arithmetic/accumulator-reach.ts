/** How large accumulators can get. */
import { rangeOfType } from '../../ir/dtypes.js';
import type { NodeView } from '../../ir/graph.js';
import { inputOf } from '../shape/operands.js';
import {
  type AccumulationAttrs,
  biasesOf,
  type Filters,
  inputZeroPoint,
  weightsOf,
} from './accumulation.js';

/**
 * Whether the last sum of every channel fits 32 bits, whatever the input. Partial sums may then wrap.
 */
export function fitsWords(view: NodeView<AccumulationAttrs>, filters: Filters): boolean {
  return accumulatorReach(view, filters).every((reach) => reach < 2 ** 31);
}

/** The largest magnitude of each channel's accumulator, for any input of its type. */
export function accumulatorReach(
  view: NodeView<AccumulationAttrs>,
  filters: Filters,
): readonly number[] {
  const biases = biasesOf(view, filters.channels);
  const reach = inputReach(view);
  return Array.from(
    { length: filters.channels },
    (_, channel) =>
      Math.abs(biases[channel] as number) + magnitudeOf(view, filters, channel) * reach,
  );
}

export function inputReach(view: NodeView<AccumulationAttrs>): number {
  const [low] = rangeOfType(inputOf(view, 0).dtype);
  const isFolded = view.attrs.zeroPointFolded === true;
  return -low + (isFolded ? 0 : 2 * Math.abs(inputZeroPoint(view)));
}

/** Σ|w| of a channel. */
export function magnitudeOf(
  view: NodeView<object>,
  { depth, position }: Filters,
  channel: number,
): number {
  const weights = weightsOf(view);
  let sum = 0;
  for (let i = 0; i < depth; i += 1) sum += Math.abs(weights[position(channel, i)] as number);
  return sum;
}
