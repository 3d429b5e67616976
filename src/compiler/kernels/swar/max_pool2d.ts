/**
 * Max pools of four bytes at a time. A row of windows takes its columns' largest elements first, in
 * long runs whatever the number of channels, then those of each window's columns: a window of 3×3
 * takes 4 comparisons an output at stride 1, and 6 at stride 2, instead of 8.
 */
import type { NodeView } from '../../ir/graph.js';
import type { PoolAttrs } from '../../ops/shape/pool.js';
import { poolLead, poolNumbers, rowsLead } from '../portable/pool.js';
import type { Kernel, KernelCall, KernelVariant, VariantTraits, Words } from '../variant.js';

const wordBytes = 4;

/** How a core takes words. */
interface WordPool {
  readonly traits: Pick<VariantTraits, 'template' | 'file' | 'needs'>;
  /** Words may begin at any address. */
  readonly unaligned: boolean;
  readonly load: string;
  readonly store: string;
  readonly max: string;
}

const packed: WordPool = {
  traits: { template: 'swar/max_pool2d', needs: [] },
  unaligned: false,
  ...{ load: 'swar/word_at', store: 'swar/put_word', max: 'swar/max_of_bytes' },
};

const simd: WordPool = {
  traits: { template: 'dsp/max_pool2d_rows', file: 'swar/max_pool2d', needs: ['dsp'] },
  unaligned: true,
  ...{ load: 'dsp/load_word', store: 'dsp/store_word', max: 'dsp/max_bytes' },
};

export const packedMaxPool = <A extends PoolAttrs>() => wordPool<A>(packed);

/** SSUB8 and SEL compare four bytes. */
export const wordRowsMaxPool = <A extends PoolAttrs>() => wordPool<A>(simd);

function wordPool<A extends PoolAttrs>(core: WordPool): KernelVariant<A> {
  return {
    ...core.traits,
    match(view) {
      const shape = shapeOf(view);
      const byRow = unitOf(core, [shape.columns, shape.row_bytes, shape.left]);
      const byPixel = unitOf(core, [shape.run, shape.channels]);
      if (byRow === 'bytes') return null;
      return kernelOf(view, shape, { core, byRow, byPixel });
    },
  };
}

/** What a run of bytes is taken by: words, words of which the last overlaps the one before, bytes. */
type Unit = 'words' | 'ragged' | 'bytes';

/** Of runs of so many bytes, at multiples of `steps`. */
function unitOf({ unaligned }: WordPool, [bytes, ...steps]: readonly [number, ...number[]]): Unit {
  const isWhole = (length: number) => length % wordBytes === 0;
  if (isWhole(bytes) && (unaligned || steps.every(isWhole))) return 'words';
  return unaligned && bytes >= wordBytes ? 'ragged' : 'bytes';
}

type PoolShape = ReturnType<typeof shapeOf>;

/** The window over rows; an image of one column is one row. */
function shapeOf(view: NodeView<PoolAttrs>) {
  const own = poolNumbers(view);
  const isColumn = own.in_w === 1 && own.kernel_w === 1;
  const numbers = isColumn
    ? {
        ...own,
        ...{ in_h: 1, out_h: 1, kernel_h: 1, stride_h: 1, pad_top: 0 },
        ...{ in_w: own.in_h, out_w: own.out_h, kernel_w: own.kernel_h },
        ...{ stride_w: own.stride_h, pad_left: own.pad_top },
      }
    : own;
  const { channels, in_w, out_w, kernel_w, stride_w, pad_left } = numbers;
  const span = (out_w - 1) * stride_w + kernel_w;
  const used = Math.min(in_w, span - pad_left) * channels;
  const row_bytes = in_w * channels;
  const columns = Math.min(row_bytes, Math.ceil(used / wordBytes) * wordBytes);
  const left = pad_left * channels;
  return {
    ...numbers,
    ...{ row_bytes, columns, left, span_bytes: span * channels },
    padded: left > 0 || span * channels > left + row_bytes,
    // Neighbouring pixels that lie side by side are one run.
    run: stride_w === 1 ? out_w * channels : channels,
    runs: stride_w === 1 ? 1 : out_w,
    skip: stride_w === 1 ? 0 : (stride_w - 1) * channels,
    second: kernel_w > 1 ? channels : 0,
    out_bytes: out_w * channels,
  };
}

interface Units {
  readonly core: WordPool;
  readonly byRow: Unit;
  readonly byPixel: Unit;
}

function kernelOf(view: NodeView<PoolAttrs>, shape: PoolShape, units: Units): Kernel {
  const { in_h, out_h, kernel_h, kernel_w, stride_w, padded } = shape;
  const direct = kernel_h === 1 && in_h === out_h && !padded;
  const whole = !direct && kernel_w === 1 && stride_w === 1 && !padded;
  const lead = direct || whole ? inOrderLead(view, shape, units) : rowsLead(view);
  return {
    scratchBytes: direct ? 0 : scratchOf(shape),
    overlaps: [{ input: 0, lead, exact: false }],
    work: () => workOf(shape, units, { direct, whole }),
    calls: () => [callOf(shape, units, { direct, whole })],
  };
}

/**
 * Lead of a kernel that goes over rows of inputs in the order of its outputs. The last word of a run
 * reads up to three bytes again. A row's third column and later ones are read when the row of
 * outputs is written already.
 */
function inOrderLead(view: NodeView<PoolAttrs>, shape: PoolShape, units: Units): number {
  const { batches, out_h, kernel_w, channels, out_bytes, row_bytes } = shape;
  const isRagged = units.byRow === 'ragged' || units.byPixel === 'ragged';
  const inOrder = poolLead(view, 1) + (isRagged ? wordBytes - 1 : 0);
  if (kernel_w <= 2) return inOrder;
  const growth = Math.max(0, (batches * out_h - 1) * (out_bytes - row_bytes));
  return Math.max(inOrder, out_bytes + growth - 2 * channels);
}

interface Form {
  /** Windows of one row, and one of each row: their columns need no row in scratch. */
  readonly direct: boolean;
  /** Windows of one column: the columns' largest are the outputs. */
  readonly whole: boolean;
}

function workOf(shape: PoolShape, { byPixel }: Units, { direct, whole }: Form) {
  const { batches, out_h, kernel_h, kernel_w, columns, run, runs } = shape;
  const rows = batches * out_h;
  const down = direct ? 0 : rows * Math.max(1, kernel_h - 1);
  const across = whole ? 0 : rows * Math.max(1, kernel_w - 1);
  const units = runs * (byPixel === 'bytes' ? run : Math.ceil(run / wordBytes));
  return {
    calls: { count: down + across, cycles: 45 },
    columns: { count: down * Math.ceil(columns / wordBytes), cycles: 25 },
    runs: { count: across * runs, cycles: 10 },
    [byPixel === 'bytes' ? 'bytes' : 'words']: { count: across * units, cycles: 25 },
  };
}

function callOf(shape: PoolShape, { core, byRow, byPixel }: Units, form: Form): KernelCall {
  const { direct, whole } = form;
  const { batches, in_h, out_h, out_bytes, row_bytes, columns, low, high } = shape;
  const { run, runs, skip, second, kernel_h, kernel_w, stride_h, pad_top, channels } = shape;
  const clamped = low > -128 || high < 127;
  const more = !whole && kernel_w > 2;
  const padded = !direct && !whole && shape.padded;
  return {
    inputs: [0],
    outputs: [0],
    flags: { direct, whole, padded, more, clamped },
    words: { by_row: lanesOf(core, byRow), by_pixel: lanesOf(core, byPixel) },
    numbers: {
      ...(direct
        ? { out_rows: batches * out_h }
        : { batches, in_h, out_h, kernel_h, stride_h, pad_top, columns }),
      ...(whole ? {} : { run, runs, skip, second }),
      ...(more ? { kernel_w, channels } : {}),
      ...(padded ? { left: shape.left, scratch_bytes: scratchOf(shape) } : {}),
      ...(clamped ? { low, high } : {}),
      ...{ row_bytes, out_bytes },
    },
    tables: {},
  };
}

/** Bytes of a row of windows' columns, with the padding at its sides. */
function scratchOf({ left, columns, span_bytes }: PoolShape): number {
  return Math.max(left + columns, span_bytes);
}

function lanesOf({ load, store, max, unaligned }: WordPool, unit: Unit): Words {
  const bytes = unit === 'bytes';
  const word = bytes ? 'bytes' : unit === 'ragged' ? 'ragged' : unaligned ? 'simd' : '';
  const texts = { load, store, max };
  return { word, bytes, ragged: unit === 'ragged', assembly: !bytes && !unaligned, ...texts };
}
