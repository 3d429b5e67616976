/** Depthwise convolutions with a channel multiplier: each input channel by its filters. */
import type { NodeView } from '../../ir/graph.js';
import type { AccumulationAttrs } from '../../ops/arithmetic/accumulation.js';
import { type Convolution, columnByColumn } from '../layout/convolution.js';
import { lanes } from '../layout/interleave.js';
import { type WindowShape, windowLead } from '../layout/overlap.js';
import type { KernelCall, KernelVariant, WorkTerm } from '../variant.js';
import { filterCall, hasNearRows, planeLanes, type Tile, tileOf, vectorsOf } from './conv2d.js';
import { blocksFrom, consecutive, windowNumbers } from './vectors.js';

/** Windows that fill less than half of a vector take a vector of channels under each tap. */
const leastTaps = 8;

const multiplierOf = ({ inC, outC }: WindowShape) => outC / inC;

/** @param describe depthwise layers */
export function vectorFilters<A extends AccumulationAttrs>(
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  return {
    template: 'mve/depthwise_conv2d_filters',
    needs: ['mve'],
    match(view) {
      const layer = describe(view);
      const { shape, filters } = layer;
      const fits = multiplierOf(shape) > 1 && shape.dilationW === 1 && hasNearRows(shape);
      if (!fits || filters.depth < leastTaps) return null;
      const tile = tileOf({ ...shape, inC: 1 });
      // A channel of a tile is read before it is written, which is no later than pixel by pixel.
      const walk = { tilePixels: tile.pixels, channelBlock: multiplierOf(shape), depthwise: true };
      return {
        scratchBytes: tile.scratchBytes,
        overlaps: [{ input: 0, lead: windowLead(shape, walk), exact: false }],
        work: () => filtersWork(layer, tile),
        calls: () => [filtersCall(view, layer, tile)],
      };
    },
  };
}

function filtersWork(
  { shape, filters }: Convolution,
  { pixels, columns }: Tile,
): Readonly<Record<string, WorkTerm>> {
  const { batches, inC, outH, outW, kernelH } = shape;
  const rows = batches * outH * inC;
  const tiles = rows * Math.ceil(outW / pixels);
  const pairs = rows * Math.ceil(outW / 2);
  const blocks = pairs * Math.ceil(multiplierOf(shape) / lanes);
  return {
    products: { count: blocks * vectorsOf(filters), cycles: 16 },
    blocks: { count: blocks, cycles: 37 },
    pairs: { count: pairs, cycles: 30 },
    tiles: { count: tiles, cycles: 80 },
    planeTaps: { count: tiles * columns * Math.ceil(kernelH / planeLanes), cycles: 16 },
  };
}

function filtersCall(
  view: NodeView<AccumulationAttrs>,
  { shape, filters, stage }: Convolution,
  { pixels, columns, step }: Tile,
): KernelCall {
  const { batches, inC, inW, outH, outW } = shape;
  const multiplier = multiplierOf(shape);
  const ofChannel = (channel: number) =>
    blocksFrom(multiplier, lanes).map((first) =>
      consecutive(first, lanes).map((i) => (i < multiplier ? channel * multiplier + i : -1)),
    );
  const blocks = consecutive(0, inC).flatMap(ofChannel);
  const call = filterCall(view, columnByColumn(filters, shape), stage, blocks);
  const { weights, stage: stages } = call.tables;
  return {
    ...call,
    numbers: {
      vectors: vectorsOf(filters),
      ...call.numbers,
      ...windowNumbers(view, shape),
      ...{ batches, in_w: inW, in_c: inC, out_h: outH, out_w: outW, multiplier },
      ...{ columns, tile: pixels, step },
      filter_bytes: (weights?.data.length ?? 0) / inC,
      stage_words: (stages?.data.length ?? 0) / inC,
    },
  };
}
