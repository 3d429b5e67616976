/**
 * Depthwise convolution from the pixels in place, two windows at a time: for lines too short to be
 * packed (lines.ts), and for pixels under so few windows that packing does not pay.
 *
 * The image is cut into rectangles of outputs whose windows lose the same taps to padding. For each
 * channel and rectangle the assembly makes a list of weights and pixel offsets, and computes two
 * neighbouring windows at once from it. Pixels are int8 or int16; those of int16 have the zero point 0.
 */
import { dtypes } from '../../ir/dtypes.js';
import type { NodeView } from '../../ir/graph.js';
import {
  type AccumulationAttrs,
  accumulatorStarts,
  biasesFor,
  inputZeroPoint,
  type OutputStage,
  weightRows,
} from '../../ops/arithmetic/accumulation.js';
import { inputOf } from '../../ops/shape/operands.js';
import type { Convolution } from '../layout/convolution.js';
import { type Axis, axesOf, tapsInside, type WindowShape } from '../layout/overlap.js';
import type { TwoMultiply } from '../layout/two-multiply.js';
import { scaleRow, sumsOf } from '../portable/wide.js';
import type {
  KernelCall,
  KernelVariant,
  MatchContext,
  Overlap,
  Table,
  VariantTraits,
  WorkTerm,
} from '../variant.js';
import { isLifted, stageMultiplies } from './stage.js';

/** Taps that the assembly unrolls, and half the bytes of one. */
const chainTaps = 9;
const tapBytesHalved = 7;

/** Bytes of a tap in the list, and of the constants after it. */
const listTapBytes = 8;
const constantsBytes = 16;

/** Neighbouring outputs along an axis, all with the same taps inside the image. */
interface Clip {
  readonly first: number;
  readonly outputs: number;
  /** The first pixel inside the image under the first window, and its tap. */
  readonly pixel: number;
  readonly firstTap: number;
  readonly taps: number;
}

/** Outputs of one clip of each axis. */
interface Rectangle {
  readonly down: Clip;
  readonly right: Clip;
}

type Place = readonly [row: number, column: number];

/**
 * Outputs of a rectangle: `lines` of `along` pairs. The second output of a pair lies `apart` from
 * the first. It may be another pair's first, with the same result.
 */
interface Run {
  readonly rectangle: Rectangle;
  /** Whether it is the rectangle's first run. */
  readonly isFirst: boolean;
  readonly from: Place;
  readonly apart: Place;
  readonly along: number;
  readonly lines: number;
  /** Whether lines are vertical. */
  readonly isByColumn: boolean;
}

/** A node that the kernel can compute. */
interface Work {
  readonly convolution: Convolution;
  /** Taps of a filter at one pixel: input channels that an output reads. */
  readonly depth: number;
  readonly runs: readonly Run[];
  /** How sums become outputs; 'reduced': those of int16, as the helper portable/requantize_reduced does. */
  readonly outputs: readonly TwoMultiply[] | 'reduced';
}

/** The variants of the text: for int8, and for int16 by int8. */
const variants: readonly VariantTraits[] = [
  { template: 'thumb1/depthwise_conv2d_pairs', needs: ['mul32', 'thumb1'] },
  {
    ...{ template: 'thumb1/depthwise_conv2d_16x8', text: 'thumb1/depthwise_conv2d_pairs' },
    ...{ needs: ['mul32', 'thumb1'], types: ['int16'] },
  },
];

/**
 * @param when whether every output channel has one input channel, or all of them
 * @param describe called for nodes for which `when` holds
 */
export function pairedDepthwise<A extends AccumulationAttrs>(
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Convolution,
): readonly KernelVariant<A>[] {
  return variants.map((traits) => ({
    ...traits,
    match(view, context) {
      if (!when(view)) return null;
      const convolution = describe(view);
      const { shape, filters } = convolution;
      const depth = filters.depth / (shape.kernelH * shape.kernelW);
      const runs = runsOf(shape, depth);
      if (runs === null) return null;
      const outputs = outputsOf(view, convolution, context);
      if (outputs === null) return null;
      const work = { convolution, depth, runs, outputs };
      return {
        scratchBytes: listTapBytes * filters.depth + constantsBytes,
        overlaps: depth === 1 ? overlapOf(shape, runs) : [],
        work: () => termsOf(work),
        calls: () => [callOf(view, work)],
      };
    },
  }));
}

/** null where the assembly cannot make outputs of a channel's sums, or where these exceed 32 bits. */
function outputsOf(
  view: NodeView<AccumulationAttrs>,
  convolution: Convolution,
  { facts }: MatchContext,
): Work['outputs'] | null {
  if (inputOf(view, 0).dtype === 'int8') {
    return stageMultiplies(convolution.stage, facts.accumulator(view));
  }
  return sumsOf(view, convolution) === 'reduced' ? 'reduced' : null;
}

const isWorkLifted = ({ outputs }: Work) => outputs !== 'reduced' && outputs.some(isLifted);

/**
 * null if a window lies wholly in padding, if it has more taps than a byte of a table can count, or
 * if its taps along a line lie at different distances.
 */
function runsOf(shape: WindowShape, depth: number): readonly Run[] | null {
  if (shape.kernelH * shape.kernelW * depth > 255) return null;
  if (depth > 1 && shape.dilationW > 1) return null;
  const [vertical, horizontal] = axesOf(shape);
  const rows = clipsOf(vertical, shape.outH);
  const columns = clipsOf(horizontal, shape.outW);
  if ([...rows, ...columns].some(({ taps }) => taps === 0)) return null;
  return rows.flatMap((down) => columns.flatMap((right) => cut({ down, right })));
}

/**
 * Pairs rows with each other, and the halves of an odd last row. Columns are paired instead if there
 * is one only, or if their number is even and that of the rows is odd.
 */
function cut(rectangle: Rectangle): readonly Run[] {
  const { down, right } = rectangle;
  const isByColumn =
    down.outputs > 1 && (right.outputs === 1 || right.outputs % 2 < down.outputs % 2);
  const [length, width] = isByColumn
    ? [down.outputs, right.outputs]
    : [right.outputs, down.outputs];
  const place = (line: number, at: number): Place => (isByColumn ? [at, line] : [line, at]);
  const lines = Math.floor(width / 2);
  const common = { rectangle, isByColumn };
  const pairs: Run[] = [];
  if (lines > 0) {
    const apart = place(lines, 0);
    pairs.push({ ...common, isFirst: true, from: [0, 0], apart, along: length, lines });
  }
  if (width % 2 === 1) {
    const isFirst = lines === 0;
    const [from, apart] = [place(2 * lines, 0), place(0, Math.floor(length / 2))];
    pairs.push({ ...common, isFirst, from, apart, along: Math.ceil(length / 2), lines: 1 });
  }
  return pairs;
}

function clipsOf(axis: Axis, outputs: number): readonly Clip[] {
  const clips: Clip[] = [];
  for (let first = 0; first < outputs; first += 1) {
    const inside = tapsInside(first, axis);
    const pixel = inside[0] ?? 0;
    const firstTap = (pixel - first * axis.stride + axis.pad) / axis.dilation;
    const last = clips.at(-1);
    if (last?.firstTap === firstTap && last.taps === inside.length) {
      clips[clips.length - 1] = { ...last, outputs: last.outputs + 1 };
    } else {
      clips.push({ first, outputs: 1, pixel, firstTap, taps: inside.length });
    }
  }
  return clips;
}

/** The outputs of each pair, in the order of computation. */
function pairsOf(run: Run): readonly (readonly Place[])[] {
  const { rectangle, from, apart, along, lines, isByColumn } = run;
  const { down, right } = rectangle;
  return Array.from({ length: along * lines }, (_, i) => {
    const [line, at] = [Math.floor(i / along), i % along];
    const row = down.first + from[0] + (isByColumn ? at : line);
    const column = right.first + from[1] + (isByColumn ? line : at);
    return [
      [row, column],
      [row + apart[0], column + apart[1]],
    ];
  });
}

/**
 * With one output channel per input channel the output may replace the input, channel by channel,
 * if no pair overwrites a pixel that a later one reads.
 */
function overlapOf(shape: WindowShape, runs: readonly Run[]): readonly Overlap[] {
  const { batches, inH, inW, inC, outH, outW, outC } = shape;
  if (inC !== outC) return [];
  const [vertical, horizontal] = axesOf(shape);
  const written = new Uint8Array(Math.max(inH * inW, outH * outW) * batches);
  for (let batch = 0; batch < batches; batch += 1) {
    for (const pair of runs.flatMap(pairsOf)) {
      const pixels = pair.flatMap(([oy, ox]) =>
        tapsInside(oy, vertical).flatMap((y) =>
          tapsInside(ox, horizontal).map((x) => (batch * inH + y) * inW + x),
        ),
      );
      if (pixels.some((pixel) => written[pixel] === 1)) return [];
      for (const [oy, ox] of pair) written[(batch * outH + oy) * outW + ox] = 1;
    }
  }
  return [{ input: 0, lead: 0, exact: true }];
}

function callOf(view: NodeView<AccumulationAttrs>, work: Work): KernelCall {
  const { depth, outputs } = work;
  const { shape, filters, stage } = work.convolution;
  const { inH, inW, inC, outH, outW, outC } = shape;
  const { dtype: element } = inputOf(view, 0);
  const { bytes } = dtypes[element];
  const lifted = isWorkLifted(work);
  return {
    inputs: [0],
    outputs: [0],
    types: { element },
    flags: { lifted, long: isLong(work), int16: outputs === 'reduced' },
    words: { pixel: pixelWords(outputs === 'reduced', lifted) },
    numbers: {
      ...{ batches: shape.batches, channels: outC, siblings: (outC / inC) * depth },
      ...{ in_image: inH * inW * inC, out_image: outH * outW * outC },
      ...{ taps: filters.depth, kernel_w: shape.kernelW * depth, zero_point: inputZeroPoint(view) },
      tap_step: (depth > 1 ? 1 : shape.dilationW * inC) * bytes,
      line_step: shape.dilationH * inW * inC * bytes,
      ...stepsOf(shape, bytes),
    },
    tables: {
      runs: runsTable(work, bytes),
      weights: { data: weightRows(view, filters), role: 'weights' },
      stage:
        outputs === 'reduced'
          ? reducedTable(stage)
          : stageTable(biasesFor(view, filters, false), outputs, lifted),
    },
  };
}

/** Bytes from window to window, and from output to output. */
function stepsOf({ strideH, strideW, inW, inC, outW, outC }: WindowShape, bytes: number) {
  return {
    ...{ right: strideW * inC * bytes, out_right: outC * bytes },
    ...{ down: strideH * inW * inC * bytes, out_down: outW * outC * bytes },
  };
}

/** Eight words per run, then 0. */
function runsTable({ convolution: { shape }, depth, runs }: Work, bytes: number): Table {
  const { inW, inC, outW, outC, kernelW } = shape;
  const steps = stepsOf(shape, bytes);
  const window = ([row, column]: Place) => row * steps.down + column * steps.right;
  const output = ([row, column]: Place) => row * steps.out_down + column * steps.out_right;
  const words = runs.flatMap(({ rectangle, isFirst, from, apart, along, lines, isByColumn }) => {
    const { down, right } = rectangle;
    const firstTap = (down.firstTap * kernelW + right.firstTap) * depth;
    const taps = right.taps * depth;
    const skipped = (chainTaps - firstPass(down.taps * taps)) * tapBytesHalved;
    return [
      isFirst ? firstTap | (down.taps << 8) | (taps << 16) | (skipped << 24) : 1,
      (down.pixel * inW + right.pixel) * inC * bytes + window(from),
      (down.first * outW + right.first) * outC * bytes + output(from),
      window(apart),
      output(apart),
      window(isByColumn ? [along, 0] : [0, along]),
      output(isByColumn ? [-along, 1] : [1, -along]),
      lines * 2 + (isByColumn ? 1 : 0),
    ];
  });
  return { data: Int32Array.of(...words, 0), role: 'table' };
}

/** Whether a window has more taps than the assembly unrolls. */
function isLong({ runs, depth }: Pick<Work, 'runs' | 'depth'>): boolean {
  return runs.some(({ rectangle: { down, right } }) => down.taps * right.taps * depth > chainTaps);
}

/** Taps before the first full pass through the unrolled code. */
function firstPass(taps: number): number {
  return ((taps - 1) % chainTaps) + 1;
}

function stageTable(
  biases: Int32Array,
  multiplies: readonly TwoMultiply[],
  lifted: boolean,
): Table {
  const words = multiplies.flatMap((multiply, channel) => {
    const { base, low, high, top, offset, lift, zeroPoint } = multiply;
    const outside = (multiply.lowest & 255) | ((multiply.highest & 255) << 8);
    const common = [(biases[channel] as number) - base, low, high, top, offset, outside];
    if (!lifted) return common;
    const shifts = multiply.shift | ((lift === null ? 24 : 23) << 8);
    return [
      ...common,
      shifts | ((lift === null ? 0 : zeroPoint) << 16),
      lift === null ? 0 : 2 ** lift,
    ];
  });
  return { data: Int32Array.from(words, (word) => word | 0), role: 'table' };
}

/** Of each channel its first sum, multiplier and shift, and the bounds of its outputs. */
function reducedTable(stage: OutputStage): Table {
  const starts = accumulatorStarts(stage);
  const words = stage.multipliers.flatMap((_, channel) => [
    starts[channel] as number,
    ...scaleRow(stage, 'reduced', channel),
    ...[stage.min, stage.max],
  ]);
  return { data: Int32Array.from(words), role: 'table' };
}

/** `code` and `lists` are cycles of instructions in the assembly; `channels` is C. */
function termsOf(work: Work): Readonly<Record<string, WorkTerm>> {
  const { depth, runs, outputs } = work;
  const { shape } = work.convolution;
  const finish = outputs === 'reduced' ? 60 : isWorkLifted(work) ? 71 : 48;
  const perPair = finish + (isLong(work) ? 4 : 0);
  let [code, lists] = [0, 0];
  for (const { rectangle, isFirst, along, lines } of runs) {
    const { down, right } = rectangle;
    const taps = down.taps * right.taps * depth;
    const pair = perPair + 11 * taps + 5 * (Math.ceil(taps / chainTaps) - 1);
    code += 55 + lines * (18 + along * pair);
    if (isFirst) lists += 55 + 8 * down.taps + 11 * taps;
  }
  const channels = shape.batches * shape.outC;
  return {
    code: { count: channels * code, cycles: 1 },
    lists: { count: channels * lists, cycles: 1 },
    channels: { count: channels, cycles: 70 },
  };
}

/** How pixels are loaded, and the words of a channel's stage. */
function pixelWords(int16: boolean, lifted: boolean) {
  const stage = int16 ? 5 : lifted ? 8 : 6;
  return {
    ...{ word: int16 ? 'int16' : lifted ? 'lifted' : '', int16, lifted },
    ...(int16
      ? { type: 'int16_t', bytes: '2', load: 'ldrsh', cast: '(const int16_t *)(const void *)' }
      : { type: 'int8_t', bytes: '1', load: 'ldrsb', cast: '' }),
    ...{ stage: `${stage}`, stage_bytes: `${4 * stage}` },
  };
}
