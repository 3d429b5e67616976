/** Shared by the tables of all kernels for the DSP extension. */
import type { NodeView } from '../../ir/graph.js';
import { type Filters, weightsOf } from '../../ops/arithmetic/accumulation.js';
import type { KernelCall, MatchContext } from '../variant.js';
import type { Finish } from './finish.js';

/** Two int16 in a word. */
export function word(low: number, high: number): number {
  return (low & 0xffff) | (high << 16);
}

/** The weight at a position of a channel's filter; 0 if there is no such channel or position. */
export type WeightAt = (channel: number, position: number) => number;

export function liveWeights(view: NodeView<object>, filters: Filters, finish: Finish): WeightAt {
  const weights = weightsOf(view);
  return (channel, i) => {
    const isDead = i < 0 || channel >= filters.channels || finish.channels[channel]?.isConstant;
    return isDead ? 0 : (weights[filters.position(channel, i)] as number);
  };
}

/**
 * int32[groups][…]: the initial values of four accumulators, then the constants that finish each.
 */
export function stageWords(
  groups: readonly number[],
  channels: number,
  finish: Finish,
): Int32Array {
  const none = { start: 0, constants: finish.method === 'linear' ? [0] : [0, 0, 0] };
  return Int32Array.from(
    groups.flatMap((first) => {
      const four = [0, 1, 2, 3].map((lane) =>
        first + lane < channels ? (finish.channels[first + lane] ?? none) : none,
      );
      return [...four.map(({ start }) => start | 0), ...four.flatMap((each) => each.constants)];
    }),
  );
}

/** A call for a core that issues two instructions at a time, or for one that does not. */
export function withDual({ target }: MatchContext, call: KernelCall): KernelCall {
  return { ...call, flags: { ...call.flags, dual: target.isDual } };
}
