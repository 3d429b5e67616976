/** Convolutions whose weights are Thumb code (convolution.ts), and the kernel that calls it. */
import type { NodeView } from '../../ir/graph.js';
import type { AccumulationAttrs } from '../../ops/arithmetic/accumulation.js';
import { hasResidual } from '../../ops/arithmetic/residual.js';
import { type Convolution, isPixelRow } from '../layout/convolution.js';
import type { WindowShape } from '../layout/overlap.js';
import { columnsOf, packingOf, routineCall, tilesOf } from '../routines/calls.js';
import { type CodedRoutine, codedOf } from '../routines/coded.js';
import { routineConvolution } from '../routines/convolution.js';
import type { KernelCall, MatchContext, WorkTerm } from '../variant.js';
import { codeConvolution } from './convolution.js';

/** Pixels of a call of the routine. */
const tile = 2;
/** Input channels below which a call for each pixel costs more than it saves. */
const narrowChannels = 4;

export const codedConvolution = routineConvolution({
  template: 'thumb1/conv2d',
  needs: ['mul32', 'thumb1'],
  tile,
  residualCycles: 25,
  routineOf,
  scratchOf,
  workOf: (shape, pairs) => ({ pairs: { count: pairs, cycles: 40 }, ...packingWork(shape) }),
  callOf,
});

function routineOf(
  view: NodeView<AccumulationAttrs>,
  context: MatchContext,
  convolution: Convolution,
): CodedRoutine | null {
  const { inC, kernelH, dilationW } = convolution.shape;
  const wordOf = (ky: number, kx: number, c: number) => (kx * dilationW * kernelH + ky) * inC + c;
  const coded = codedOf(view, context, convolution, wordOf);
  return coded === null ? null : codeConvolution(coded.channels, coded.taps);
}

function scratchOf(view: NodeView<object>, shape: WindowShape): number {
  const { inC, outC, kernelH } = shape;
  const mids = hasResidual(view) ? tile * outC : 0;
  return mids + (isPixelRow(shape) ? 4 * inC : 4 * columnsOf(shape) * kernelH * inC + inC);
}

/** Pixels lie on words of memory where their channels are a multiple of four: half the time. */
function packingWork(shape: WindowShape): Readonly<Record<string, WorkTerm>> {
  const { inC } = shape;
  const words = (pixels: number) =>
    inC % 4 === 0
      ? { words: { count: pixels * inC, cycles: 7 } }
      : { singles: { count: pixels * inC, cycles: 13 } };
  if (isPixelRow(shape)) return words(tilesOf(shape, tile));
  const { packed, moved } = packingOf(shape, tile, shape.kernelH);
  return {
    ...words(packed),
    [inC < narrowChannels ? 'narrowColumns' : 'columns']: { count: packed, cycles: 60 },
    moved: { count: moved * inC, cycles: 6 },
  };
}

function callOf(
  view: NodeView<AccumulationAttrs>,
  shape: WindowShape,
  routine: CodedRoutine,
): KernelCall {
  const { kernelH, strideH, dilationH } = shape;
  const down = { kernel_h: kernelH, stride_h: strideH, dilation_h: dilationH };
  const call = routineCall(view, shape, down, routine);
  const narrow = !isPixelRow(shape) && shape.inC < narrowChannels;
  return { ...call, flags: { ...call.flags, narrow } };
}
