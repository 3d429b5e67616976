/** Convolutions whose weights are RV32IM code (convolution.ts), and the kernel that calls it. */
import type { NodeView } from '../../ir/graph.js';
import { type AccumulationAttrs, inputZeroPoint } from '../../ops/arithmetic/accumulation.js';
import { hasResidual } from '../../ops/arithmetic/residual.js';
import { dilated } from '../../ops/shape/window.js';
import { asColumn, type Convolution, isPixelRow } from '../layout/convolution.js';
import { type WindowShape, windowLead } from '../layout/overlap.js';
import { residualOperands, residualOverlap, residualWork } from '../layout/residual.js';
import { type CodedRoutine, codedOf } from '../routines/coded.js';
import type { KernelCall, KernelVariant, WorkTerm } from '../variant.js';
import { codeConvolution } from './convolution.js';

/** Pixels of a call of the routine. */
const tile = 4;
/** Pixels between two moves of the packed columns. */
const pixelsPerMove = 4;

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
      const tiles = tilesOf(shape);
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
        calls: () => [callOf(view, shape, routine)],
      };
    },
  };
}

/** From one of a tile's pixels to the next, in rows of packed words. */
function strideOf(shape: WindowShape): number {
  return isPixelRow(shape) ? 1 : shape.strideH;
}

/** Packed rows under the windows of two pixels: each row holds another one's pixels as well. */
function rowsOf(shape: WindowShape): number {
  return dilated(shape.kernelH, shape.dilationH) + strideOf(shape);
}

/** Calls of the routine. */
function tilesOf(shape: WindowShape): number {
  const { batches, outH, outW } = shape;
  return isPixelRow(shape) ? Math.ceil(outW / tile) : batches * Math.ceil(outH / tile) * outW;
}

/** Columns of the image that scratch holds. */
function columnsOf({ kernelW, dilationW, strideW, outW }: WindowShape): number {
  return dilated(kernelW, dilationW) + Math.min(pixelsPerMove, outW) * strideW - strideW;
}

/** Packed words; a pixel of padding; outputs that wait for a residual, or that nobody wants. */
function scratchOf(view: NodeView<object>, shape: WindowShape): number {
  const { inC, outC } = shape;
  const outputs = hasResidual(view) ? tile * outC : outC;
  return outputs + (isPixelRow(shape) ? 8 * inC : 4 * columnsOf(shape) * rowsOf(shape) * inC + inC);
}

function packingWork(shape: WindowShape): Readonly<Record<string, WorkTerm>> {
  const { batches, inC, kernelW, outH, outW, strideW, dilationW } = shape;
  if (isPixelRow(shape)) return { words: { count: 2 * tilesOf(shape) * inC, cycles: 6 } };
  const span = dilated(kernelW, dilationW);
  const moves = Math.ceil(outW / pixelsPerMove) - 1;
  const lines = batches * Math.ceil(outH / tile) * rowsOf(shape);
  const columns = lines * ((outW - 1) * strideW + span);
  return {
    words: { count: columns * inC, cycles: 6 },
    columns: { count: columns, cycles: 40 },
    moved: { count: Math.max(0, lines * moves * (span - strideW) * inC), cycles: 5 },
  };
}

function callOf(
  view: NodeView<AccumulationAttrs>,
  shape: WindowShape,
  routine: CodedRoutine,
): KernelCall {
  const pointwise = isPixelRow(shape);
  const { batches, inH, inW, inC, outH, outW, outC } = shape;
  const window = {
    batches,
    in_h: inH,
    in_w: inW,
    in_zp: inputZeroPoint(view),
    out_h: outH,
    out_w: outW,
    rows: rowsOf(shape),
    stride_h: shape.strideH,
    stride_w: shape.strideW,
    pad_top: shape.padTop,
    pad_left: shape.padLeft,
    span: dilated(shape.kernelW, shape.dilationW),
    columns: columnsOf(shape),
  };
  const operands = residualOperands(view);
  return {
    ...operands,
    flags: { ...operands.flags, pointwise },
    numbers: {
      ...operands.numbers,
      in_c: inC,
      out_c: outC,
      ...(pointwise ? { pixels: outW } : window),
    },
    routines: { routine },
  };
}
