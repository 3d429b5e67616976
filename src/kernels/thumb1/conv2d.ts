/** Convolutions whose weights are Thumb code (convolution.ts), and the kernel that calls it. */
import type { NodeView } from '../../ir/graph.js';
import {
  type AccumulationAttrs,
  biasesFor,
  inputZeroPoint,
  weightsOf,
} from '../../ops/arithmetic/accumulation.js';
import { hasResidual } from '../../ops/arithmetic/residual.js';
import { inputOf } from '../../ops/shape/operands.js';
import { dilated } from '../../ops/shape/window.js';
import { asColumn, type Convolution, isPixelRow } from '../layout/convolution.js';
import { type WindowShape, windowLead } from '../layout/overlap.js';
import { residualOperands, residualOverlap, residualWork } from '../layout/residual.js';
import { twoMultipliesOf } from '../layout/two-multiply.js';
import type { KernelCall, KernelVariant, MatchContext, WorkTerm } from '../variant.js';
import { type CodedRoutine, codeConvolution } from './convolution.js';

/** About what flash holds; a choice among kernels needs no code larger than that. */
const maxWeights = 2 ** 18;
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
      if (!when(view) || weightsOf(view).length > maxWeights) return null;
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
  { shape, filters, stage }: Convolution,
): CodedRoutine | null {
  const { inC, kernelH, kernelW, dilationW } = shape;
  const { depth, position } = filters;
  const forms = twoMultipliesOf(view, context, stage);
  if (forms === null) return null;
  const biases = biasesFor(view, filters, true);
  const weights = weightsOf(view);
  const zeroPoint = inputZeroPoint(view);
  const range = context.facts.range(inputOf(view, 0));
  const taps = Array.from({ length: depth }, (_, tap) => {
    const [position, c] = [Math.floor(tap / inC), tap % inC];
    const [ky, kx] = [Math.floor(position / kernelW), position % kernelW];
    return {
      tap,
      word: (kx * dilationW * kernelH + ky) * inC + c,
      min: Math.min(zeroPoint, range.min[c] as number),
      max: Math.max(zeroPoint, range.max[c] as number),
    };
  });
  const coded = forms.map((requantization, channel) => ({
    weights: Array.from(taps, ({ tap }) => weights[position(channel, tap)] as number),
    bias: biases[channel] as number,
    requantization,
  }));
  return codeConvolution(coded, taps);
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
