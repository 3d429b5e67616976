/**
 * Fully connected layers of one row without their zero weights: a byte for the position and a byte
 * for the value of each nonzero weight, read once. The core needs no feature except a
 * multiplication.
 */
import type { NodeView } from '../../ir/graph.js';
import { type AccumulationAttrs, weightRows } from '../../ops/arithmetic/accumulation.js';
import type { Convolution } from '../layout/convolution.js';
import { windowLead } from '../layout/overlap.js';
import { pieceBytes } from '../portable/dense.js';
import { type KernelCall, type KernelVariant, type MatchContext, once } from '../variant.js';
import { type RescaleStage, rescaleOperands, rescaleStage, rescaleWork } from './layer.js';

/** Inputs that a byte can distinguish. */
const windowInputs = 256;
/** Entries per step of the loop: two words. */
const perStep = 4;
/** Channels whose sums the kernel holds at once. */
const block = 8;
/** Cycles of a channel without its weights. */
const cyclesPerOutput = { rescaled: 66, lifted: 75, requantized: 142 } as const;

/** Weights of one output channel, one per input, and its output stage. */
export interface SparseChannel {
  readonly weights: ArrayLike<number>;
  /** Initial value of its sum: int32. */
  readonly start: number;
  readonly constants: readonly number[];
}

interface Stream {
  /** In the order in which the kernel reads them: each has `block` channels. */
  readonly blocks: readonly Int32Array[];
  /** Steps of four weights, including zero weights that fill the last step of a window. */
  readonly steps: number;
  readonly outputs: RescaleStage;
  readonly constants: number;
}

/**
 * @param when whether the node has one row
 * @param describe called for nodes for which `when` holds
 */
export function sparseRowKernel<A extends AccumulationAttrs>(
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  return {
    template: 'swar/sparse_fully_connected',
    needs: ['mul32'],
    skipsZeros: true,
    match(view, context) {
      if (!when(view)) return null;
      const layer = describe(view);
      const { channels, depth } = layer.filters;
      const stream = once(() => makeStream(view, context, layer));
      // All earlier channels are stored when the last block is computed.
      const last = Math.floor((channels - 1) / block) * block;
      const lead = windowLead(layer.shape, last > 0 ? { channelBlock: last } : {});
      return {
        scratchBytes: 0,
        overlaps: [{ input: 0, lead, exact: false }],
        work() {
          const { steps, outputs } = stream();
          return {
            entries: { count: perStep * steps, cycles: 8.5 },
            windows: { count: channels * windowsOf(depth), cycles: 11 },
            ...rescaleWork(outputs, channels, cyclesPerOutput),
          };
        },
        calls: () => callsOf(layer, stream(), context),
      };
    },
  };
}

function makeStream(
  view: NodeView<AccumulationAttrs>,
  context: MatchContext,
  layer: Convolution,
): Stream {
  const { channels, depth } = layer.filters;
  const outputs = rescaleStage(view, context, layer);
  const { starts, words } = outputs;
  const weights = weightRows(view, layer.filters);
  const all = Array.from(words.slice(0, channels), (constants, channel) => ({
    weights: weights.subarray(channel * depth, (channel + 1) * depth),
    start: starts[channel] as number,
    constants,
  }));
  const blocks = Array.from({ length: Math.ceil(channels / block) }, (_, i) =>
    streamWords(all.slice(i * block, (i + 1) * block)),
  );
  const constants = words[0]?.length ?? 0;
  const others = channels * (1 + windowsOf(depth) + constants);
  const length = blocks.reduce((sum, data) => sum + data.length, 0);
  return { blocks, steps: (length - others) / 2, outputs, constants };
}

function windowsOf(depth: number): number {
  return Math.ceil(depth / windowInputs);
}

/**
 * The format of the helper swar/sparse_sum: for each channel its initial sum,
 * then for each window of 256 inputs the number of steps and the steps, two words each: position
 * (low byte), weight, weight, position. After each block of channels, the constants of all of them.
 */
export function streamWords(channels: readonly SparseChannel[]): Int32Array {
  const words: number[] = [];
  for (let first = 0; first < channels.length; first += block) {
    const together = channels.slice(first, first + block);
    for (const { weights, start } of together) {
      words.push(start);
      for (let begin = 0; begin < weights.length; begin += windowInputs) {
        const steps = stepsOf(weights, begin);
        words.push(steps.length / 2, ...steps);
      }
    }
    words.push(...together.flatMap(({ constants }) => constants));
  }
  return Int32Array.from(words, (word) => word | 0);
}

/** The steps of the window that begins at input `begin`. */
function stepsOf(weights: ArrayLike<number>, begin: number): readonly number[] {
  const positions: number[] = [];
  const bytes: number[] = [];
  const end = Math.min(begin + windowInputs, weights.length);
  for (let i = begin; i < end; i += 1) {
    if (weights[i] === 0) continue;
    positions.push(i - begin);
    bytes.push((weights[i] as number) & 255);
  }
  // Fill up with zero weights of the first input.
  while (bytes.length % perStep > 0) {
    positions.push(0);
    bytes.push(0);
  }
  const words: number[] = [];
  for (let i = 0; i < bytes.length; i += 2) {
    const [a = 0, b = 0] = [bytes[i], bytes[i + 1]];
    words.push((positions[i] ?? 0) | (a << 8) | (b << 16) | ((positions[i + 1] ?? 0) << 24));
  }
  return words;
}

/**
 * Several calls if the weights may lie in two memories, one of which holds all weights of a call.
 */
function callsOf(
  layer: Convolution,
  { blocks, outputs, constants }: Stream,
  { target }: MatchContext,
): readonly KernelCall[] {
  const { channels, depth } = layer.filters;
  const { flags, numbers } = rescaleOperands(layer, outputs.rescale, []);
  const pieces = piecesOf(blocks, target.hasRegions ? pieceBytes : Infinity);
  return pieces.map(({ first, blocks }) => ({
    inputs: [0],
    outputs: [0],
    outputBytes: first * block,
    flags,
    numbers: {
      ...numbers,
      stage_words: constants,
      channels: Math.min(channels - first * block, blocks.length * block),
      windows: windowsOf(depth),
    },
    tables: {
      weights: { data: Int32Array.from(blocks.flatMap((data) => [...data])), role: 'weights' },
    },
  }));
}

interface PieceOfBlocks {
  /** Index of the first channel. */
  readonly first: number;
  readonly blocks: readonly Int32Array[];
}

/** Neighbouring blocks with at least `leastBytes` together; the last piece may have fewer. */
function piecesOf(blocks: readonly Int32Array[], leastBytes: number): readonly PieceOfBlocks[] {
  const pieces: { first: number; blocks: Int32Array[] }[] = [];
  let bytes = Infinity;
  for (const [first, data] of blocks.entries()) {
    if (bytes >= leastBytes) {
      pieces.push({ first, blocks: [] });
      bytes = 0;
    }
    pieces.at(-1)?.blocks.push(data);
    bytes += data.byteLength;
  }
  return pieces;
}
