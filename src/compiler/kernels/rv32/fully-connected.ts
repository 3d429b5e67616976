/**
 * A row of inputs times a matrix: the weights of two output channels share a word, w0 + (w1 << 16),
 * so that one product does both. Eight channels are computed together. Their packed sums are taken
 * apart before a lane can overflow, all at the same taps: in runs as long as the weights allow.
 *
 * A second kernel makes these words from weights of a byte each: half the memory, for two more
 * instructions per four weights.
 */
import type { NodeView } from '../../ir/graph.js';
import { type AccumulationAttrs, biasesFor, weightsOf } from '../../ops/arithmetic/accumulation.js';
import { inputOf } from '../../ops/shape/operands.js';
import type { Convolution } from '../layout/convolution.js';
import type { LaneRange } from '../routines/runs.js';
import { type KernelCall, type KernelVariant, once } from '../variant.js';
import { channelMultiplies, floatWork, highStages, scalingWords, stageFlags } from './stage.js';

/** Output channels at once. */
const block = 8;
/**
 * With fewer channels kernels that compute them one by one are faster: the words of absent ones are
 * multiplied all the same.
 */
const fewestChannels = 4;
/** Taps that the kernel has in a row. */
const longestRun = 16;
const laneLimit = 2 ** 15;

type WeightOf = (channel: number, tap: number) => number;

/** How weights are stored. */
interface Layout {
  readonly template: string;
  readonly isBytes: boolean;
  /** Approximate cycles of a tap, and of a run. */
  readonly tapCycles: number;
  readonly runCycles: number;
  words(blocks: number, depth: number, weightOf: WeightOf): Uint32Array;
}

const pairs: Layout = {
  template: 'rv32/fully_connected',
  isBytes: false,
  tapCycles: 13,
  runCycles: 20,
  words: pairsOf,
};

const bytes: Layout = {
  template: 'rv32/fully_connected_bytes',
  isBytes: true,
  tapCycles: 16,
  runCycles: 30,
  words: bytesOf,
};

/** Kernels of a fully connected layer: `when` it has one row of inputs. */
export function rv32FullyConnected<A extends AccumulationAttrs>(
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Convolution,
): readonly KernelVariant<A>[] {
  return [pairs, bytes].map((layout) => variantOf(layout, when, describe));
}

function variantOf<A extends AccumulationAttrs>(
  layout: Layout,
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  return {
    template: layout.template,
    text: pairs.template,
    needs: ['mul32', 'rv32'],
    match(view, context) {
      if (!when(view)) return null;
      const { facts } = context;
      const { filters, stage } = describe(view);
      const { channels, depth, position } = filters;
      if (channels < fewestChannels) return null;
      const multiplies = channelMultiplies(view, stage, context);
      if (multiplies === null) return null;
      const weights = weightsOf(view);
      const range = facts.range(inputOf(view, 0));
      const inputs = Array.from({ length: depth }, (_, tap) => ({
        min: range.min[tap % range.min.length] as number,
        max: range.max[tap % range.max.length] as number,
      }));
      const weightOf = (channel: number, tap: number) =>
        channel < channels ? (weights[position(channel, tap)] as number) : 0;
      const blocks = Math.ceil(channels / block);
      const runs = once(() =>
        Array.from({ length: blocks }, (_, i) => runsOf(inputs, i * block, weightOf)),
      );
      return {
        scratchBytes: 0,
        overlaps: [],
        work: () => ({
          taps: { count: blocks * depth, cycles: layout.tapCycles },
          runs: {
            count: runs().reduce((sum, { length }) => sum + length, 0),
            cycles: layout.runCycles,
          },
          blocks: { count: blocks, cycles: 200 },
          ...floatWork(multiplies, channels),
        }),
        calls: (): readonly KernelCall[] => [
          {
            inputs: [0],
            outputs: [0],
            flags: { ...stageFlags(multiplies), bytes: layout.isBytes },
            words: { scaling: scalingWords(multiplies) },
            numbers: { depth, channels },
            tables: {
              weights: { data: layout.words(blocks, depth, weightOf), role: 'weights' },
              runs: { data: Uint8Array.from(runs().flat()), role: 'weights' },
              stage: highStages(multiplies, biasesFor(view, filters, true)),
            },
          },
        ],
      };
    },
  };
}

/** Lengths of runs of taps within which no lane of the block leaves 16 bits, whatever the inputs. */
function runsOf(
  inputs: readonly LaneRange[],
  first: number,
  weightOf: WeightOf,
): readonly number[] {
  const runs: number[] = [];
  let [min, max] = [new Array<number>(block).fill(0), new Array<number>(block).fill(0)];
  let length = 0;
  inputs.forEach((input, tap) => {
    const ends = Array.from({ length: block }, (_, i) => {
      const weight = weightOf(first + i, tap);
      return [weight * input.min, weight * input.max];
    });
    const nextMin = min.map((sum, i) => sum + Math.min(...(ends[i] as number[])));
    const nextMax = max.map((sum, i) => sum + Math.max(...(ends[i] as number[])));
    const fits =
      length < longestRun &&
      nextMin.every((sum) => sum >= -laneLimit) &&
      nextMax.every((sum) => sum < laneLimit);
    if (fits || length === 0) {
      [min, max] = [nextMin, nextMax];
      length += 1;
      return;
    }
    runs.push(length);
    min = ends.map((pair) => Math.min(...pair));
    max = ends.map((pair) => Math.max(...pair));
    length = 1;
  });
  return [...runs, length];
}

/** Of each block tap by tap: four words. */
function pairsOf(blocks: number, depth: number, weightOf: WeightOf): Uint32Array {
  return Uint32Array.from({ length: (blocks * depth * block) / 2 }, (_, i) => {
    const [pair, tap] = [i % (block / 2), Math.floor((2 * i) / block)];
    const channel = Math.floor(tap / depth) * block + 2 * pair;
    return weightOf(channel, tap % depth) + weightOf(channel + 1, tap % depth) * 65536;
  });
}

/** Channels in the order of a word's bytes: the first and third are the lanes of one sum. */
const byteOrder = [0, 2, 1, 3] as const;

/** Of each block tap by tap: two words, of bytes that have 128 added. */
function bytesOf(blocks: number, depth: number, weightOf: WeightOf): Uint32Array {
  return Uint32Array.from({ length: (blocks * depth * block) / 4 }, (_, i) => {
    const [half, tap] = [i % 2, Math.floor(i / 2)];
    const channel = Math.floor(tap / depth) * block + 4 * half;
    return byteOrder.reduce<number>(
      (word, at, byte) => word | ((weightOf(channel + at, tap % depth) + 128) << (8 * byte)),
      0,
    );
  });
}
