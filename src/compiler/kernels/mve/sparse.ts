/**
 * Convolutions and fully connected layers that skip zero weights: one vector of offsets gathers 16
 * inputs, which VMLADAVA multiplies.
 */
import type { NodeView } from '../../ir/graph.js';
import {
  type AccumulationAttrs,
  biasesFor,
  inputZeroPoint,
  type OutputStage,
  weightsOf,
} from '../../ops/arithmetic/accumulation.js';
import { hasResidual } from '../../ops/arithmetic/residual.js';
import type { Convolution } from '../layout/convolution.js';
import { lanes } from '../layout/interleave.js';
import { type WindowShape, windowLead } from '../layout/overlap.js';
import { residualOverlap, residualWork } from '../layout/residual.js';
import { stageNumbers } from '../portable/dense.js';
import { type Kernel, type KernelCall, type KernelVariant, once, type Table } from '../variant.js';
import {
  type Gathered,
  type GatherStep,
  type Reach,
  reachOf,
  stepsOf,
  streamOf,
  vectorLanes,
} from './gathers.js';
import { blocksFrom, consecutive, stageFlags } from './vectors.js';

type Layer = Pick<Convolution, 'filters' | 'stage'>;

/** Pixels that share a vector of offsets and one of weights. */
const groupPixels = 4;
/** Offsets of outputs are 16 bits wide. */
const mostOutputBytes = 2 ** 16;
/** Scratch bytes that a larger tile may take: about what the planner grants a fast kernel. */
const stripBytes = 1024;

/** A tile of pixels, part of a row or several whole rows, and the image under it. */
interface Tile {
  readonly rows: number;
  readonly pixels: number;
  readonly lines: number;
  readonly columns: number;
  readonly bytes: number;
  /** Bytes over which one window extends. */
  readonly windowBytes: number;
}

function tileOf(shape: WindowShape): Tile {
  const { outH, outW, inC, kernelH, kernelW, strideH, strideW, dilationH, dilationW } = shape;
  const whole = consecutive(1, Math.min(8, outH)).map((rows) => ({ rows, pixels: outW }));
  const parts = [1, 2, 3, 4].map((groups) => ({ rows: 1, pixels: groups * groupPixels }));
  const tiles = [...parts.filter(({ pixels }) => pixels < outW), ...whole].map(
    ({ rows, pixels }): Tile => {
      const lines = (rows - 1) * strideH + (kernelH - 1) * dilationH + 1;
      const columns = (pixels - 1) * strideW + (kernelW - 1) * dilationW + 1;
      const windowBytes =
        ((kernelH - 1) * dilationH * columns + (kernelW - 1) * dilationW + 1) * inC;
      return { rows, pixels, lines, columns, bytes: lines * columns * inC, windowBytes };
    },
  );
  const least = tiles.reduce((best, tile) => (tile.bytes < best.bytes ? tile : best));
  // Estimated cost in vectors: a filter's per group, and copying a strip.
  const costOf = (tile: Tile) => {
    const { groups, strips } = walkOf(shape, tile);
    return groups * (2 + reachOf(tile.windowBytes).steps) * shape.outC + 10 * strips;
  };
  return tiles
    .filter(({ bytes }) => bytes <= stripBytes)
    .reduce((best, tile) => (costOf(tile) < costOf(best) ? tile : best), least);
}

/** The number of tiles, and of groups of pixels in all tiles. */
function walkOf({ batches, outH, outW }: WindowShape, { rows, pixels }: Tile) {
  const sizes = (extent: number, size: number) =>
    blocksFrom(extent, size).map((first) => Math.min(size, extent - first));
  const counts = sizes(outH, rows).flatMap((h) => sizes(outW, pixels).map((w) => h * w));
  const groups = counts.reduce((sum, count) => sum + Math.ceil(count / groupPixels), 0);
  return { groups: batches * groups, strips: batches * counts.length };
}

/**
 * A gather is one instruction but 16 accesses. At one access per cycle it pays on a chip if about
 * four of five weights are zero, whatever the count of instructions.
 */
const leastZeros = 0.75;

function refusalOf(view: NodeView<AccumulationAttrs>): Pick<Kernel, 'refusal'> {
  const weights = weightsOf(view);
  const zeros = weights.reduce((count, weight) => count + (weight === 0 ? 1 : 0), 0);
  if (zeros >= leastZeros * weights.length) return {};
  const least = `${100 * leastZeros} %`;
  return { refusal: `gathers take a chip longer than they save where less than ${least} is zero` };
}

/** Whether gathered_scale of templates/kernels/mve/sparse_conv2d.hbs has the bits of the output stage. */
function hasAssembly(stage: OutputStage): boolean {
  const { any_shift: isAny, rounding } = stageFlags(stage);
  return !isAny && (rounding === '' || rounding === 'single');
}

/**
 * A convolution, four pixels by one filter at a time.
 *
 * @param describe called for nodes for which `when` holds
 */
export function gatheredConvolution<A extends AccumulationAttrs>(
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  return {
    template: 'mve/sparse_conv2d',
    needs: ['mve'],
    addsResidual: true,
    skipsZeros: true,
    match(view) {
      if (!when(view)) return null;
      const layer = describe(view);
      const { shape, stage } = layer;
      if (!hasAssembly(stage) || groupPixels * shape.outC >= mostOutputBytes) return null;
      const tile = tileOf(shape);
      const { rows, pixels } = tile;
      const sums = hasResidual(view) ? Math.min(shape.outH, rows) * pixels * shape.outC + lanes : 0;
      const lead = windowLead(shape, { tileRows: rows, tilePixels: pixels });
      const layout = once(() => layOut(view, layer, tile));
      return {
        scratchBytes: tile.bytes + sums,
        overlaps: [{ input: 0, lead, exact: false }, ...residualOverlap(view)],
        ...refusalOf(view),
        work: () => convolutionWork(view, layer, layout()),
        calls: () => [convolutionCall(view, layer, layout())],
      };
    },
  };
}

function convolutionWork(
  view: NodeView<object>,
  { shape, stage }: Convolution,
  { tile, steps }: ConvolutionLayout,
) {
  const { groups, strips } = walkOf(shape, tile);
  const pairs = Math.ceil(shape.outC / 2);
  const { rectified, rounding } = stageFlags(stage);
  const further = steps.reduce((sum, filter) => sum + filter.length - 1, 0);
  const vectors = steps.flat().reduce((sum, step) => sum + step.vectors, 0);
  const copied = strips * tile.lines * Math.ceil((tile.columns * shape.inC) / vectorLanes);
  return {
    vectors: { count: groups * vectors, cycles: 11 },
    pairs: { count: groups * pairs, cycles: 22 },
    steps: { count: groups * further, cycles: 8 },
    groups: { count: groups, cycles: 105 },
    lines: { count: strips * tile.lines, cycles: 24 },
    copied: { count: copied, cycles: 4 },
    ...(rectified || rounding === 'single' ? {} : { twice: { count: groups * pairs, cycles: 4 } }),
    ...residualWork(view, 3),
  };
}

function convolutionCall(
  view: NodeView<AccumulationAttrs>,
  { shape, stage }: Convolution,
  { tile, reach, weights, constants }: ConvolutionLayout,
): KernelCall {
  const { any_shift: _, ...rounding } = stageFlags(stage);
  return {
    inputs: [0],
    outputs: [0],
    flags: { ...rounding, far: reach.steps > 1 },
    numbers: {
      ...stageNumbers(stage),
      ...(hasResidual(view) ? { strip_bytes: tile.bytes } : {}),
      reach_step: reach.stepBytes,
      batches: shape.batches,
      in_h: shape.inH,
      in_w: shape.inW,
      in_c: shape.inC,
      in_zp: inputZeroPoint(view),
      out_h: shape.outH,
      out_w: shape.outW,
      out_c: shape.outC,
      stride_h: shape.strideH,
      stride_w: shape.strideW,
      pad_top: shape.padTop,
      pad_left: shape.padLeft,
      lines: tile.lines,
      columns: tile.columns,
      rows: tile.rows,
      tile: tile.pixels,
      pixel_step: shape.strideW * shape.inC,
      row_step: shape.strideH * tile.columns * shape.inC,
    },
    tables: { weights, stage: constants },
  };
}

interface ConvolutionLayout {
  readonly tile: Tile;
  readonly reach: Reach;
  /** Per filter. */
  readonly steps: readonly (readonly GatherStep[])[];
  readonly weights: Table;
  /**
   * int32[]: the first filter's vectors after its first; then per filter bias, multiplier, shift,
   * next.
   */
  readonly constants: Table;
}

function layOut(
  view: NodeView<AccumulationAttrs>,
  { shape, filters, stage }: Convolution,
  tile: Tile,
): ConvolutionLayout {
  const { inC, kernelW, dilationH, dilationW, outC } = shape;
  const reach = reachOf(tile.windowBytes);
  const offsetOf = (i: number) => {
    const tap = Math.floor(i / inC);
    const line = Math.floor(tap / kernelW) * dilationH;
    return (line * tile.columns + (tap % kernelW) * dilationW) * inC + (i % inC);
  };
  const kept = keptOf(view, { filters, stage }, offsetOf);
  const steps = kept.map((filter) => stepsOf([filter], reach, 1));
  // An odd last channel is computed twice, into the same place.
  const order = consecutive(0, outC + (outC % 2)).map((i) => Math.min(i, outC - 1));
  const streams = order.map((channel) => streamOf(steps[channel] ?? [], reach, 1));
  const biases = biasesFor(view, filters, true);
  const constants = order.flatMap((channel, i) => {
    const { multiplier, shift } = scaling(stage, channel);
    return [biases[channel] ?? 0, multiplier, shift, streams[i + 1]?.count ?? 0];
  });
  return {
    tile,
    reach,
    steps,
    weights: { data: Int8Array.from(streams.flatMap(({ bytes }) => bytes)), role: 'weights' },
    constants: { data: Int32Array.from([streams[0]?.count ?? 0, ...constants]), role: 'table' },
  };
}

/** A multiplier of 0 gives 0 with any shift, so it gets a shift that vectors support. */
function scaling({ multipliers }: Layer['stage'], channel: number) {
  const { multiplier, shift } = multipliers[channel] ?? { multiplier: 0, shift: 0 };
  return { multiplier, shift: multiplier === 0 ? -1 : shift };
}

/** The nonzero weights of each filter. */
function keptOf(
  view: NodeView<AccumulationAttrs>,
  { filters }: Layer,
  offsetOf: (i: number) => number,
): readonly (readonly Gathered[])[] {
  const weights = weightsOf(view);
  return Array.from({ length: filters.channels }, (_, channel) =>
    Array.from({ length: filters.depth }, (_, i) => ({
      offset: offsetOf(i),
      weight: weights[filters.position(channel, i)] as number,
    })).filter(({ weight }) => weight !== 0),
  );
}

/**
 * A fully connected layer of one row, four filters with similar numbers of weights at a time.
 *
 * @param describe called for nodes for which `when` holds
 */
export function gatheredRow<A extends AccumulationAttrs>(
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Layer,
): KernelVariant<A> {
  return {
    template: 'mve/sparse_fully_connected',
    needs: ['mve'],
    skipsZeros: true,
    match(view) {
      if (!when(view)) return null;
      const layer = describe(view);
      const { filters, stage } = layer;
      if (!hasAssembly(stage) || filters.channels > mostOutputBytes) return null;
      const layout = once(() => layOutRow(view, layer));
      return {
        scratchBytes: 0,
        ...refusalOf(view),
        work: () => rowWork(stage, layout()),
        calls: () => [rowCall(stage, layout())],
      };
    },
  };
}

function rowWork(stage: Layer['stage'], { blocks }: RowLayout) {
  const { rectified, rounding } = stageFlags(stage);
  const vectors = blocks.flat().reduce((sum, step) => sum + step.vectors, 0);
  const further = blocks.reduce((sum, steps) => sum + steps.length - 1, 0);
  return {
    vectors: { count: vectors, cycles: 17 },
    blocks: { count: blocks.length, cycles: 15 },
    calls: { count: 1, cycles: 40 },
    steps: { count: further, cycles: 6 },
    ...(rectified || rounding === 'single' ? {} : { twice: { count: blocks.length, cycles: 2 } }),
  };
}

function rowCall(
  stage: Layer['stage'],
  { reach, blocks, weights, constants }: RowLayout,
): KernelCall {
  const { any_shift: _, ...rounding } = stageFlags(stage);
  return {
    inputs: [0],
    outputs: [0],
    flags: { ...rounding, far: reach.steps > 1 },
    numbers: { ...stageNumbers(stage), blocks: blocks.length, reach_step: reach.stepBytes },
    tables: { weights, stage: constants },
  };
}

interface RowLayout {
  readonly reach: Reach;
  /** Per four filters. */
  readonly blocks: readonly (readonly GatherStep[])[];
  readonly weights: Table;
  /**
   * Per four filters, int32: biases, numbers of vectors, multipliers, shifts, and the offsets of
   * the outputs, two in a word.
   */
  readonly constants: Table;
}

function layOutRow(view: NodeView<AccumulationAttrs>, layer: Layer): RowLayout {
  const { filters, stage } = layer;
  const reach = reachOf(filters.depth);
  const kept = keptOf(view, layer, (i) => i);
  const size = (channel: number) => kept[channel]?.length ?? 0;
  const order = [...consecutive(0, filters.channels)].sort((a, b) => size(b) - size(a) || a - b);
  // The last filter is repeated, into the same place, to fill four.
  const last = order.at(-1) ?? 0;
  const fours = blocksFrom(order.length, lanes).map((first) =>
    consecutive(first, lanes).map((i) => order[i] ?? last),
  );
  const blocks = fours.map((four) =>
    stepsOf(
      four.map((channel) => kept[channel] ?? []),
      reach,
      0,
    ),
  );
  const streams = blocks.map((steps) => streamOf(steps, reach, 0));
  const biases = biasesFor(view, filters, true);
  const constants = fours.flatMap((four, block) => [
    ...four.map((channel) => biases[channel] ?? 0),
    streams[block]?.count ?? 0,
    ...four.map((channel) => scaling(stage, channel).multiplier),
    ...four.map((channel) => scaling(stage, channel).shift),
    ...[0, 2].map((i) => ((four[i + 1] ?? 0) << 16) | (four[i] ?? 0)),
  ]);
  return {
    reach,
    blocks,
    weights: { data: Int8Array.from(streams.flatMap(({ bytes }) => bytes)), role: 'weights' },
    constants: { data: Int32Array.from(constants), role: 'table' },
  };
}
