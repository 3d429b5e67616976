/** Convolutions whose weights are RV32IM code (convolution.ts), and the kernel that calls it. */
import type { NodeView } from '../../ir/graph.js';
import type { AccumulationAttrs } from '../../ops/arithmetic/accumulation.js';
import { hasResidual } from '../../ops/arithmetic/residual.js';
import { dilated } from '../../ops/shape/window.js';
import { asColumn, type Convolution, isPixelRow } from '../layout/convolution.js';
import { type WindowShape, windowLead } from '../layout/overlap.js';
import { residualOverlap, residualWork } from '../layout/residual.js';
import { columnsOf, packingOf, routineCall, tilesOf } from '../routines/calls.js';
import { codedOf } from '../routines/coded.js';
import type { KernelVariant, WorkTerm } from '../variant.js';
import { codeConvolution } from './convolution.js';

/** Pixels of a call of the routine. */
const tile = 4;

/**
 * @param when the node is one convolution, not a group of them
 * @param describe of nodes for which `when` holds
 */
export function rv32Convolution<A extends AccumulationAttrs>(
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  return {
    template: 'rv32/conv2d',
    needs: ['mul32', 'rv32'],
    addsResidual: true,
    skipsZeros: true,
    match(view, context) {
      if (!when(view)) return null;
      const described = describe(view);
      const shape = asColumn(described.shape);
      // Output bytes are within reach of one pointer.
      if (shape.outC >= 2048) return null;
      const { inC, dilationH, dilationW } = shape;
      const rows = rowsOf(shape);
      const wordOf = (ky: number, kx: number, c: number) =>
        (kx * dilationW * rows + ky * dilationH) * inC + c;
      const coded = codedOf(view, context, { ...described, shape }, wordOf);
      if (coded === null) return null;
      const routine = codeConvolution(coded, strideOf(shape) * inC);
      const down = { rows, stride_h: shape.strideH };
      const tiles = tilesOf(shape, tile);
      const lead = windowLead(shape, isPixelRow(shape) ? { tilePixels: tile } : { tileRows: tile });
      return {
        scratchBytes: scratchOf(view, shape),
        weightPasses: tiles,
        overlaps: [{ input: 0, lead, exact: false }, ...residualOverlap(view)],
        work: () => ({
          code: { count: tiles * routine.cycles, cycles: 1 },
          tiles: { count: tiles, cycles: 40 },
          ...packingWork(shape),
          ...residualWork(view, 20),
        }),
        calls: () => [routineCall(view, shape, down, routine)],
      };
    },
  };
}

/** Rows of packed words from a tile's pixel to the next one. */
function strideOf(shape: WindowShape): number {
  return isPixelRow(shape) ? 1 : shape.strideH;
}

/** Packed rows under the windows of two pixels; each word also holds the pixels two below. */
function rowsOf(shape: WindowShape): number {
  return dilated(shape.kernelH, shape.dilationH) + strideOf(shape);
}

/** Packed words, a pixel of padding, and outputs that wait for a residual or are discarded. */
function scratchOf(view: NodeView<object>, shape: WindowShape): number {
  const { inC, outC } = shape;
  const outputs = hasResidual(view) ? tile * outC : outC;
  return outputs + (isPixelRow(shape) ? 8 * inC : 4 * columnsOf(shape) * rowsOf(shape) * inC + inC);
}

function packingWork(shape: WindowShape): Readonly<Record<string, WorkTerm>> {
  const { inC } = shape;
  if (isPixelRow(shape)) return { words: { count: 2 * tilesOf(shape, tile) * inC, cycles: 6 } };
  const { packed, moved } = packingOf(shape, tile, rowsOf(shape));
  return {
    words: { count: packed * inC, cycles: 6 },
    columns: { count: packed, cycles: 40 },
    moved: { count: moved * inC, cycles: 5 },
  };
}
