/** Convolutions whose weights are Thumb code (convolution.ts), and the kernel that calls it. */
import type { NodeView } from '../../ir/graph.js';
import { type AccumulationAttrs, inputZeroPoint } from '../../ops/arithmetic/accumulation.js';
import { hasResidual } from '../../ops/arithmetic/residual.js';
import { dilated } from '../../ops/shape/window.js';
import { asColumn, type Convolution, isPixelRow } from '../layout/convolution.js';
import { type WindowShape, windowLead } from '../layout/overlap.js';
import { residualOperands, residualOverlap, residualWork } from '../layout/residual.js';
import { type CodedRoutine, codedOf } from '../routines/coded.js';
import type { KernelCall, KernelVariant, MatchContext, WorkTerm } from '../variant.js';
import { codeConvolution } from './convolution.js';

/** Pixels between two moves of the packed columns. */
const pixelsPerMove = 4;
/** Input channels below which a call for each pixel costs more than it saves. */
const narrowChannels = 4;

/**
 * @param when the node is one convolution, not a group of them
 * @param describe of nodes for which `when` holds
 */
export function codedConvolution<A extends AccumulationAttrs>(
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  return {
    template: 'thumb1/conv2d',
    needs: ['mul32', 'thumb1'],
    addsResidual: true,
    skipsZeros: true,
    match(view, context) {
      if (!when(view)) return null;
      const described = describe(view);
      const shape = asColumn(described.shape);
      const routine = code(view, context, { ...described, shape });
      if (routine === null) return null;
      const pairs = pairsOf(shape);
      const lead = windowLead(shape, isPixelRow(shape) ? { tilePixels: 2 } : { tileRows: 2 });
      return {
        scratchBytes: scratchOf(view, shape),
        weightPasses: pairs,
        overlaps: [{ input: 0, lead, exact: false }, ...residualOverlap(view)],
        work: () => ({
          code: { count: pairs * routine.cycles, cycles: 1 },
          pairs: { count: pairs, cycles: 40 },
          ...packingWork(shape),
          ...residualWork(view, 25),
        }),
        calls: () => [callOf(view, shape, routine)],
      };
    },
  };
}

/** Null where a channel's requantization is not proved. */
function code(
  view: NodeView<AccumulationAttrs>,
  context: MatchContext,
  convolution: Convolution,
): CodedRoutine | null {
  const { inC, kernelH, dilationW } = convolution.shape;
  const wordOf = (ky: number, kx: number, c: number) => (kx * dilationW * kernelH + ky) * inC + c;
  const coded = codedOf(view, context, convolution, wordOf);
  return coded === null ? null : codeConvolution(coded.channels, coded.taps);
}

/** Calls of the routine. */
function pairsOf(shape: WindowShape): number {
  const { batches, outH, outW } = shape;
  return isPixelRow(shape) ? Math.ceil(outW / 2) : batches * Math.ceil(outH / 2) * outW;
}

/** Columns of the image that scratch holds. */
function columnsOf({ kernelW, dilationW, strideW, outW }: WindowShape): number {
  return dilated(kernelW, dilationW) + Math.min(pixelsPerMove, outW) * strideW - strideW;
}

function scratchOf(view: NodeView<object>, shape: WindowShape): number {
  const { inC, outC, kernelH } = shape;
  const mids = hasResidual(view) ? 2 * outC : 0;
  return mids + (isPixelRow(shape) ? 4 * inC : 4 * columnsOf(shape) * kernelH * inC + inC);
}

/** Pixels lie on words of memory where their channels are a multiple of four: half the time. */
function packingWork(shape: WindowShape): Readonly<Record<string, WorkTerm>> {
  const { batches, inC, kernelH, kernelW, outH, outW, strideW, dilationW } = shape;
  const words = (pixels: number) =>
    inC % 4 === 0
      ? { words: { count: pixels * inC, cycles: 7 } }
      : { singles: { count: pixels * inC, cycles: 13 } };
  if (isPixelRow(shape)) return words(pairsOf(shape));
  const span = dilated(kernelW, dilationW);
  const moves = Math.ceil(outW / pixelsPerMove) - 1;
  const lines = batches * Math.ceil(outH / 2) * kernelH;
  const columns = lines * ((outW - 1) * strideW + span);
  return {
    ...words(columns),
    columns: { count: columns, cycles: 60 },
    moved: { count: lines * moves * (span - strideW) * inC, cycles: 6 },
  };
}

function callOf(
  view: NodeView<AccumulationAttrs>,
  shape: WindowShape,
  routine: CodedRoutine,
): KernelCall {
  const pointwise = isPixelRow(shape);
  const { batches, inH, inW, inC, outH, outW, outC, kernelH, kernelW } = shape;
  const window = {
    batches,
    in_h: inH,
    in_w: inW,
    in_zp: inputZeroPoint(view),
    out_h: outH,
    out_w: outW,
    kernel_h: kernelH,
    stride_h: shape.strideH,
    stride_w: shape.strideW,
    dilation_h: shape.dilationH,
    pad_top: shape.padTop,
    pad_left: shape.padLeft,
    span: dilated(kernelW, shape.dilationW),
    columns: columnsOf(shape),
  };
  const operands = residualOperands(view);
  return {
    ...operands,
    flags: { ...operands.flags, pointwise, narrow: !pointwise && inC < narrowChannels },
    numbers: {
      ...operands.numbers,
      in_c: inC,
      out_c: outC,
      ...(pointwise ? { pixels: outW } : window),
    },
    routines: { routine },
  };
}
