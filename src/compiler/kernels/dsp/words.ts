/** Shared by the tables of all kernels for the DSP extension. */
import type { NodeView } from '../../ir/graph.js';
import { type Filters, weightsOf } from '../../ops/arithmetic/accumulation.js';
import type { KernelCall, MatchContext } from '../variant.js';
import type { ChannelFinish, Finish } from './finish.js';
import { isTied } from './finish-words.js';

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
 * Where channels have ties, also the words from there to those of the group, which follow all groups,
 * or 0: the place of each channel's table in them, or 0, and the tables.
 */
export function stageWords(
  groups: readonly number[],
  channels: number,
  finish: Finish,
): Int32Array {
  const none = { start: 0, constants: finish.method === 'linear' ? [0] : [0, 0, 0] };
  const rows = groups.map((first) => {
    const four = [0, 1, 2, 3].map((lane) =>
      first + lane < channels ? (finish.channels[first + lane] ?? none) : none,
    );
    return {
      words: [...four.map(({ start }) => start | 0), ...four.flatMap((each) => each.constants)],
      ties: tieWords(four),
    };
  });
  if (!isTied(finish)) return Int32Array.from(rows.flatMap(({ words }) => words));
  let [at, end] = [0, rows.reduce((sum, { words }) => sum + words.length + 1, 0)];
  const all = rows.flatMap(({ words, ties }) => {
    at += words.length + 1;
    const place = ties.length === 0 ? 0 : end - (at - 1);
    end += ties.length;
    return [...words, place];
  });
  return Int32Array.from([...all, ...rows.flatMap(({ ties }) => ties)]);
}

/** The places of four channels' tables, then these; nothing if there is none. */
function tieWords(four: readonly Partial<ChannelFinish>[]): readonly number[] {
  const tables = four.flatMap(({ lowered }) => (lowered === undefined ? [] : [lowered]));
  let next = four.length;
  const places = four.map(({ lowered }) => {
    if (lowered === undefined) return 0;
    next += lowered.length;
    return next - lowered.length;
  });
  return tables.length === 0 ? [] : [...places, ...tables.flatMap((table) => [...table])];
}

/** A call for a core that issues two instructions at a time, or for one that does not. */
export function withDual({ target }: MatchContext, call: KernelCall): KernelCall {
  return { ...call, flags: { ...call.flags, dual: target.isDual } };
}
