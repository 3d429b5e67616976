/** interleave: phases of a transposed convolution as one image; a pass makes it (shape/phases.ts). */
import type { NodeView, Shape } from '../ir/graph.js';
import { type Loop, type Move, type Moving, movement, rowMajorStrides } from './shape/movement.js';
import { inputOf, outputOf } from './shape/operands.js';

export interface InterleaveAttrs {
  /** [batches, height, width, channels] */
  readonly shape: readonly number[];
  /** Phases in the inputs, row by row: how many rows, and how many columns, each input holds. */
  readonly rows: readonly number[];
  readonly columns: readonly number[];
  /** Rows and columns that are cut off before the first. */
  readonly crops: readonly number[];
}

/**
 * Input [rows of phases][columns of phases] has the channels
 * [its row phases][its column phases][channels]. Pixel (y, x) of phase (r, c) goes to row
 * y · row phases + r and column x · column phases + c, less the crops.
 */
export const interleave = {
  ...movement<InterleaveAttrs>({
    name: 'interleave',
    infer: (view) => [view.attrs.shape],
    moves(view) {
      const { rows, columns } = view.attrs;
      return view.inputs.flatMap((_, input) => {
        const i = Math.floor(input / columns.length);
        const j = input % columns.length;
        const vertical = spansOf(view, input, 0, rows, i);
        const horizontal = spansOf(view, input, 1, columns, j);
        return vertical.flatMap((row) =>
          horizontal.map((column) => moveOf(view, input, row, column)),
        );
      });
    },
  }),
  internal: true,
} satisfies Moving<InterleaveAttrs>;

/** Neighbouring phases of one input that move the same pixels. */
interface Span {
  /** Index of the first among the input's phases, and in the output. */
  readonly phase: number;
  readonly place: number;
  readonly phases: number;
  readonly firstPixel: number;
  readonly pixels: number;
  /** Phases of the input, and of the output. */
  readonly own: number;
  readonly all: number;
}

/** The spans of `sizes[index]` phases along an axis of space (0: rows, 1: columns). */
function spansOf(
  view: NodeView<InterleaveAttrs>,
  input: number,
  axis: number,
  sizes: readonly number[],
  index: number,
): readonly Span[] {
  const crop = view.attrs.crops[axis] ?? 0;
  const extent = inputOf(view, input).shape[axis + 1] ?? 0;
  const end = crop + (outputOf(view).shape[axis + 1] ?? 0);
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  const [all, before, own] = [sum(sizes), sum(sizes.slice(0, index)), sizes[index] ?? 0];
  const spans: Span[] = [];
  for (let phase = 0; phase < own; phase++) {
    const firstPixel = Math.max(0, Math.ceil((crop - before - phase) / all));
    const pixels = Math.min(extent, Math.ceil((end - before - phase) / all)) - firstPixel;
    const last = spans.at(-1);
    if (last?.firstPixel === firstPixel && last.pixels === pixels) {
      spans[spans.length - 1] = { ...last, phases: last.phases + 1 };
    } else if (pixels > 0) {
      const place = before + phase + firstPixel * all - crop;
      spans.push({ phase, place, phases: 1, firstPixel, pixels, own, all });
    }
  }
  return spans;
}

function moveOf(view: NodeView<InterleaveAttrs>, input: number, row: Span, column: Span): Move {
  const [inImage = 1, inRow = 1, inPixel = 1] = rowMajorStrides(inputOf(view, input).shape);
  const { shape } = outputOf(view);
  const [outImage = 1, outRow = 1, outPixel = 1] = rowMajorStrides(shape);
  const channels = channelsOf(shape);
  const loop = (extent: number, inStride: number, outStride: number): Loop => ({
    ...{ extent, inStride, outStride },
  });
  return {
    ...{ input, output: 0 },
    inOffset:
      row.firstPixel * inRow +
      column.firstPixel * inPixel +
      (row.phase * column.own + column.phase) * channels,
    outOffset: row.place * outRow + column.place * outPixel,
    loops: [
      loop(shape[0] ?? 1, inImage, outImage),
      loop(row.pixels, inRow, row.all * outRow),
      loop(row.phases, column.own * channels, outRow),
      loop(column.pixels, inPixel, column.all * outPixel),
      loop(column.phases * channels, 1, 1),
    ],
  };
}

const channelsOf = (shape: Shape) => shape[3] ?? 1;
