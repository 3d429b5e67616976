/** Pools: many channels of a pixel at once. */
import type { NodeView } from '../../ir/graph.js';
import { inputOf } from '../../ops/shape/operands.js';
import type { PoolAttrs } from '../../ops/shape/pool.js';
import { poolLead, poolNumbers } from '../portable/pool.js';
import type { KernelVariant, Table, WorkTerm } from '../variant.js';
import { consecutive } from './vectors.js';

/** Sums of this many int8, plus half their number, fit an int16. */
const mostSummed = 255;

/** The mean of eight channels at once. */
export function vectorAveragePool<A extends PoolAttrs>(): KernelVariant<A> {
  return vectorPool('average_pool2d', 8, (view) => {
    const [, inH = 0, inW = 0] = inputOf(view, 0).shape;
    const { kernelH, kernelW } = view.attrs;
    return Math.min(kernelH, inH) * Math.min(kernelW, inW) <= mostSummed;
  });
}

/** The maximum of sixteen channels at once. */
export function vectorMaxPool<A extends PoolAttrs>(): KernelVariant<A> {
  return vectorPool('max_pool2d', 16, () => true);
}

function vectorPool<A extends PoolAttrs>(
  name: string,
  lanes: number,
  when: (view: NodeView<A>) => boolean,
): KernelVariant<A> {
  return {
    template: `mve/${name}`,
    needs: ['mve'],
    match(view) {
      if (!when(view)) return null;
      const numbers = poolNumbers(view);
      const group = groupOf(numbers, lanes);
      // A group reads before it writes what single pixels would.
      const lead = poolLead(view, lanes);
      return {
        scratchBytes: 0,
        overlaps: [{ input: 0, lead, exact: false }],
        work: () => poolWork(numbers, lanes, group),
        calls: () => [
          {
            inputs: [0],
            outputs: [0],
            flags: { spread: group > 1 },
            words: { place: group > 1 ? spreadWords(lanes) : inOrderWords },
            numbers: group > 1 ? { ...numbers, group } : numbers,
            tables: group > 1 ? { offsets: laneOffsets(numbers, lanes) } : {},
          },
        ],
      };
    },
  };
}

type PoolNumbers = ReturnType<typeof poolNumbers>;

/** Neighbouring outputs in a vector: more than one where channels fill half of it at most. */
function groupOf({ channels, stride_w }: PoolNumbers, lanes: number): number {
  const fitting = Math.floor(lanes / channels);
  // Offsets of sixteen lanes are bytes.
  const reachable = Math.floor(255 / (stride_w * channels));
  return Math.max(1, Math.min(fitting, reachable));
}

/** Where the lanes' channels lie, from the first output's: uint16[8] or uint8[16]. */
function laneOffsets({ channels, stride_w }: PoolNumbers, lanes: number): Table {
  const offsets = consecutive(0, lanes).map((lane) => {
    const pixel = Math.min(Math.floor(lane / channels), Math.floor(lanes / channels) - 1);
    return (pixel * stride_w * channels + (lane % channels)) & 255;
  });
  const data = lanes === 8 ? Uint16Array.from(offsets) : Uint8Array.from(offsets);
  return { data, role: 'table' };
}

function poolWork(
  { batches, out_h, out_w, in_w, channels, kernel_h, kernel_w, ...slides }: PoolNumbers,
  lanes: number,
  group: number,
): Readonly<Record<string, WorkTerm>> {
  const inside = consecutive(0, out_w).filter((ox) => {
    const x = ox * slides.stride_w - slides.pad_left;
    return x >= 0 && x + kernel_w <= in_w;
  }).length;
  const inRow = group > 1 ? out_w - inside + Math.ceil(inside / group) : out_w;
  const pixels = batches * out_h * inRow;
  const blocks = pixels * Math.ceil(channels / lanes);
  return {
    pixels: { count: pixels, cycles: 40 },
    blocks: { count: blocks, cycles: 30 },
    rows: { count: blocks * kernel_h, cycles: 4 },
    taps: { count: blocks * kernel_h * kernel_w, cycles: 5 },
  };
}

/** How a vector's lanes lie in memory: side by side, or at offsets, which are operands of its load. */
const inOrderWords = {
  ...{ word: '', spread: false, parameter: '', lane: 'i' },
  ...{ unsigned: '', address: '', operand: '' },
};

function spreadWords(lanes: number) {
  const type = lanes === 8 ? 'uint16_t' : 'uint8_t';
  return {
    ...{ word: 'spread', spread: true, parameter: `const ${type} *offsets, `, lane: 'offsets[i]' },
    ...{ unsigned: 'u', address: ', %q[at]', operand: ', [at] "w"(at)' },
  };
}
