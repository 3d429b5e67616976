/** Convolutions and fully connected layers whose channels share words (lanes.ts). */
import { InternalError } from '../../errors.js';
import { at, type NodeView } from '../../ir/graph.js';
import type { Facts, KernelCall, KernelContext, KernelVariant, Table } from '../../ir/op.js';
import {
  type AccumulationAttrs,
  biasesFor,
  type Filters,
  inputZeroPoint,
  type OutputStage,
  weightsOf,
} from '../accumulation.js';
import { hullOf, type Range, rangeAt } from '../bounds.js';
import { stageNumbers } from '../dense.js';
import { inputOf } from '../operands.js';
import { type WindowShape, windowLead } from '../overlap.js';
import { hasResidual, residualOperands } from '../residual.js';
import { type TwoMultiply, twoMultiply } from '../two-multiply.js';
import { channelsPerUnit, type LaneTable, laneTable } from './lanes.js';

/** As its kernel sees it: fully connected layers and 1×1 convolutions are a row of pixels. */
export interface Layer {
  readonly shape: WindowShape;
  readonly filters: Filters;
  readonly stage: OutputStage;
}

/** How sums become outputs: two multiplications each, those with a lift, or as TFLM does it. */
type Rescale = 'rescaled' | 'lifted' | 'requantised';

/** A layer's tables. */
interface Lowered {
  readonly lanes: LaneTable;
  readonly rescale: Rescale;
  readonly stage: Table;
}

/** int32 of each channel in `stage`. */
const stageWords = { rescaled: 6, lifted: 9, requantised: 2 } as const;
/** Units whose sums the kernel has at once. */
const block = 4;

const support = [
  ...['multiply_high', 'requantise', 'requantise_single', 'to_output', 'add_residual'].map(
    (name) => `portable/support/${name}`,
  ),
  'mve/support/gather_patch',
  'mve/support/last_tap',
  ...[
    'lane_units',
    'multiply_pairs',
    'multiply_triples',
    'rescale_sums',
    'rescale_sums_lifted',
    'requantise_sums',
    'requantise_sums_single',
    'copy_bytes',
  ].map((name) => `swar/support/${name}`),
];

/**
 * @param when the node is one layer, not a group of convolutions
 * @param describe of nodes for which `when` holds
 */
export function lanesKernel<A extends AccumulationAttrs>(
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Layer,
): KernelVariant<A> {
  const loweredOf = (view: NodeView<A>, { facts }: KernelContext) =>
    cached(view, facts, () => lowerLayer(view, facts, describe(view)));
  const known = (view: NodeView<A>, context: KernelContext) => {
    const lowered = loweredOf(view, context);
    if (lowered === null) throw new InternalError('ops', `${at(view.node)}: no lanes`);
    return lowered;
  };
  return {
    template: 'swar/conv2d',
    needs: ['mul32', 'thumb1'],
    support,
    addsResidual: true,
    when: (view, context) => when(view) && loweredOf(view, context) !== null,
    scratch(view) {
      const { shape, filters } = describe(view);
      return isPointwise(shape) ? 0 : filters.depth;
    },
    work(view, context) {
      const { shape, filters } = describe(view);
      const { lanes, rescale } = known(view, context);
      const pixels = pixelsOf(shape);
      return {
        products: { count: pixels * lanes.words * filters.depth, cycles: 4 },
        runs: { count: pixels * lanes.runs, cycles: 150 },
        [rescale]: { count: pixels * filters.channels, cycles: rescale === 'rescaled' ? 24 : 33 },
        ...(hasResidual(view)
          ? { residuals: { count: pixels * filters.channels, cycles: 24 } }
          : {}),
        ...(isPointwise(shape) ? {} : { gathered: { count: pixels * filters.depth, cycles: 2 } }),
      };
    },
    weightPasses: (view) => pixelsOf(describe(view).shape),
    overlap(view, context) {
      const { shape } = describe(view);
      const { lanes } = known(view, context);
      const read = isPointwise(shape) ? lastBlock(lanes) : 0;
      const walk = read > 0 ? { channelBlock: read } : {};
      const input = { input: 0, lead: windowLead(shape, walk), exact: false };
      return hasResidual(view) ? [input, { input: 3, lead: 0, exact: true }] : [input];
    },
    lower(view, context) {
      return [callOf(view, describe(view), known(view, context))];
    },
  };
}

const tables = new WeakMap<Facts, WeakMap<object, Lowered | null>>();

function cached(
  { node }: NodeView<object>,
  facts: Facts,
  make: () => Lowered | null,
): Lowered | null {
  const byNode = tables.get(facts) ?? new WeakMap<object, Lowered | null>();
  tables.set(facts, byNode);
  const found = byNode.get(node);
  if (found !== undefined) return found;
  const made = make();
  byNode.set(node, made);
  return made;
}

function lowerLayer(
  view: NodeView<AccumulationAttrs>,
  facts: Facts,
  { shape, filters, stage }: Layer,
): Lowered | null {
  const { channels, depth, position } = filters;
  const accumulators = facts.accumulator(view);
  const forms = Array.from({ length: channels }, (_, channel) =>
    twoMultiply(
      stage,
      channel,
      accumulators.min[channel] as number,
      accumulators.max[channel] as number,
    ),
  );
  const exact = forms.filter((form) => form !== null && form.lower === 0) as TwoMultiply[];
  const isExact = exact.length === channels;
  const biases = biasesFor(view, filters, true);
  const weights = weightsOf(view);
  const zeroPoint = inputZeroPoint(view);
  const range = facts.range(inputOf(view, 0));
  const perTap = range.min.length;
  const inputs = Array.from({ length: depth }, (_, i): Range => {
    // Rows that begin at any channel: nothing but what holds for all of them.
    const [low, high] = depth % perTap === 0 ? rangeAt(range, i % perTap) : hullOf(range);
    return isPointwise(shape) ? [low, high] : [Math.min(low, zeroPoint), Math.max(high, zeroPoint)];
  });
  const lanes = laneTable(
    Array.from({ length: channels }, (_, channel) => ({
      weights: Int8Array.from({ length: depth }, (_, i) => weights[position(channel, i)] as number),
      start: ((biases[channel] as number) - (isExact ? (exact[channel]?.base ?? 0) : 0)) | 0,
    })),
    inputs,
  );
  if (lanes === null) return null;
  if (!isExact) {
    const words = stage.multipliers.flatMap(({ multiplier, shift }) => [multiplier, shift]);
    return { lanes, rescale: 'requantised', stage: tableOf(words) };
  }
  const rescale = exact.every(({ lift }) => lift === null) ? 'rescaled' : 'lifted';
  const words = exact.flatMap((form) => [
    ...rescaleWords(form),
    ...(rescale === 'lifted' ? liftWords(form) : []),
  ]);
  return { lanes, rescale, stage: tableOf(words) };
}

function tableOf(words: readonly number[]): Table {
  return { data: Int32Array.from(words, (word) => word | 0), role: 'table' };
}

function rescaleWords(form: TwoMultiply): readonly number[] {
  const { top, lowest, highest, high, low, shift, offset } = form;
  return [top, (lowest & 255) + (highest & 255) * 256, high, low, shift, offset];
}

/** Those without a lift have their zero point in the offset. */
function liftWords({ lift, zeroPoint }: TwoMultiply): readonly number[] {
  return lift === null ? [32, 24, 0] : [lift, 23, zeroPoint];
}

function isPointwise(shape: WindowShape): boolean {
  const { inH, inW, outH, outW, kernelH, kernelW, strideW, padLeft } = shape;
  const isRow = inH * outH * kernelH * kernelW * strideW === 1;
  return isRow && inW === outW && padLeft === 0;
}

function pixelsOf({ batches, outH, outW }: WindowShape): number {
  return batches * outH * outW;
}

/** The first channel of the last block: all before it are stored when that is computed. */
function lastBlock({ format, wide, narrow }: LaneTable): number {
  const per = channelsPerUnit(format);
  const before = (units: number) => Math.floor((units - 1) / block) * block;
  return narrow > 0 ? wide * per.wide + before(narrow) * per.narrow : before(wide) * per.wide;
}

function callOf(
  view: NodeView<AccumulationAttrs>,
  { shape, filters, stage }: Layer,
  { lanes, rescale, stage: stageTable }: Lowered,
): KernelCall {
  const operands = residualOperands(view);
  const { inH, inW, inC, outH, outW, kernelH, kernelW } = shape;
  const pointwise = isPointwise(shape);
  const pixels = pixelsOf(shape);
  const per = channelsPerUnit(lanes.format);
  const window = {
    pixels,
    in_h: inH,
    in_w: inW,
    in_c: inC,
    in_zp: inputZeroPoint(view),
    kernel_h: kernelH,
    kernel_w: kernelW,
    dilation_h: shape.dilationH,
    dilation_w: shape.dilationW,
    stride_h: shape.strideH,
    stride_w: shape.strideW,
    pad_top: shape.padTop,
    pad_left: shape.padLeft,
    out_h: outH,
    out_w: outW,
  };
  return {
    ...operands,
    flags: {
      ...operands.flags,
      pointwise,
      pairs: lanes.format === 'pairs',
      lifted: rescale === 'lifted',
      requantised: rescale === 'requantised',
      single_rounding: rescale === 'requantised' && stage.rounding === 'single',
    },
    numbers: {
      ...operands.numbers,
      ...(pointwise ? { rows: pixels, depth: filters.depth } : window),
      ...(rescale === 'requantised' ? stageNumbers(stage) : {}),
      channels: filters.channels,
      wide: lanes.wide,
      units: lanes.wide + lanes.narrow,
      wide_channels: per.wide,
      narrow_channels: per.narrow,
      stage_words: stageWords[rescale],
    },
    tables: {
      ...operands.tables,
      weights: { data: lanes.data, role: 'weights' },
      stage: stageTable,
    },
  };
}
