/**
 * Convolutions with weights in tables: an int8 weight multiplies three pixels in two words
 * (layout/pixel-tiles.ts). 32 registers keep the sums of four channels and six pixels, so that a
 * packed word is loaded once for four channels and a weight once for six pixels.
 */
import type { NodeView } from '../../ir/graph.js';
import { type AccumulationAttrs, biasesFor } from '../../ops/arithmetic/accumulation.js';
import { hasResidual } from '../../ops/arithmetic/residual.js';
import { type Convolution, isPixelRow, pixelsOf } from '../layout/convolution.js';
import { type HighMultiply, highMultiplies } from '../layout/high-multiply.js';
import type { WindowShape } from '../layout/overlap.js';
import {
  longestRun,
  packedBytes,
  paddedDepth,
  paddedRows,
  patchBytes,
  rowsOf,
  six,
  three,
  tileCounts,
  tileLead,
} from '../layout/pixel-tiles.js';
import { residualOverlap, residualWork } from '../layout/residual.js';
import { gatherNumbers, gatherWork, inputRanges } from '../swar/layer.js';
import { type KernelCall, type KernelVariant, once, type WorkTerm } from '../variant.js';
import { highStages, isLifted } from './stage.js';

/** Channels whose sums are in registers together. */
const block = 4;
/** Taps of a turn of the loop. */
const turn = 4;

/** Taps of a run whose sums fit the lanes, and of a whole channel. */
interface Runs {
  readonly run: number;
  readonly padded: number;
}

/**
 * @param when whether the node is one layer, not a group of convolutions
 * @param describe called for nodes for which `when` holds
 */
export function rv32Pixels<A extends AccumulationAttrs>(
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  return {
    template: 'rv32/conv2d_pixels',
    needs: ['mul32', 'rv32'],
    addsResidual: true,
    match(view, { facts }) {
      if (!when(view)) return null;
      const layer = describe(view);
      const { shape, filters, stage } = layer;
      if (pixelsOf(shape) < three.pixels) return null;
      const multiplies = highMultiplies(stage, facts.accumulator(view));
      if (multiplies === null) return null;
      const runs = once((): Runs => {
        const padded = paddedDepth(filters);
        const rows = paddedRows(rowsOf(view, filters), padded);
        return { run: longestRun(rows, padded, inputRanges(view, facts, layer)), padded };
      });
      const [wide, narrow] = tileCounts(shape, six);
      return {
        scratchBytes: spareAt(layer) + (hasSpares(view, shape) ? six.pixels * shape.outC : 0),
        weightPasses: wide + narrow,
        overlaps: [
          { input: 0, lead: tileLead(shape, six), exact: false },
          ...residualOverlap(view),
        ],
        work: () => ({ ...workOf(layer, runs()), ...residualWork(view, 20) }),
        calls: () => [callOf(view, layer, multiplies, runs())],
      };
    },
  };
}

/** Offset in scratch of outputs that wait for a residual, or that belong to no pixel. */
function spareAt({ shape, filters }: Convolution): number {
  return packedBytes(shape, six, paddedDepth(filters)) + patchBytes(shape, filters.depth);
}

function hasSpares(view: NodeView<object>, shape: WindowShape): boolean {
  const [wide, narrow] = tileCounts(shape, six);
  const computed = wide * six.pixels + narrow * three.pixels;
  return hasResidual(view) || computed > pixelsOf(shape);
}

function workOf(layer: Convolution, { run, padded }: Runs): Readonly<Record<string, WorkTerm>> {
  const { shape, filters } = layer;
  const [wide, narrow] = tileCounts(shape, six);
  const blocks = Math.ceil(filters.channels / block);
  const pixels = pixelsOf(shape);
  return {
    tapsBy6: { count: wide * blocks * padded, cycles: 40.8 },
    tapsBy3: { count: narrow * blocks * padded, cycles: 22.8 },
    blocks: { count: (wide + narrow) * blocks, cycles: 70 },
    outputs: { count: pixels * filters.channels, cycles: 14 },
    ...(run < padded
      ? { runs: { count: (wide + narrow) * blocks * Math.ceil(padded / run), cycles: 300 } }
      : {}),
    packed: { count: pixels * filters.depth, cycles: 3.5 },
    ...gatherWork(layer),
  };
}

/** Block by block, tap by tap: a weight of each of its channels. */
function inBlocks(rows: Int8Array, padded: number): Int8Array {
  const blocks = Math.ceil(rows.length / padded / block);
  return Int8Array.from({ length: blocks * block * padded }, (_, i) => {
    const tap = Math.floor(i / block) % padded;
    const channel = Math.floor(i / block / padded) * block + (i % block);
    return rows[channel * padded + tap] ?? 0;
  });
}

function callOf(
  view: NodeView<AccumulationAttrs>,
  layer: Convolution,
  multiplies: readonly HighMultiply[],
  { run, padded }: Runs,
): KernelCall {
  const { shape, filters } = layer;
  const pointwise = isPixelRow(shape);
  const single = run >= padded;
  const spares = hasSpares(view, shape);
  const windows = {
    ...gatherNumbers(view, shape),
    packed_bytes: packedBytes(shape, six, padded),
  };
  return {
    inputs: [0],
    outputs: [0],
    flags: { lifted: multiplies.some(isLifted), pointwise, single, spares },
    numbers: {
      ...(pointwise ? {} : windows),
      depth: filters.depth,
      pixels: pixelsOf(shape),
      channels: filters.channels,
      quads: padded / turn,
      ...(single ? {} : { run: run / turn }),
      ...(spares ? { spare_at: spareAt(layer) } : {}),
    },
    tables: {
      weights: {
        data: inBlocks(paddedRows(rowsOf(view, filters), padded), padded),
        role: 'weights',
      },
      stage: highStages(multiplies, biasesFor(view, filters, true)),
    },
  };
}
