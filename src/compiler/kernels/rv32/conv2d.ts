/** Convolutions whose weights are RV32IM code (convolution.ts), and the kernel that calls it. */
import type { NodeView } from '../../ir/graph.js';
import type { AccumulationAttrs } from '../../ops/arithmetic/accumulation.js';
import { hasResidual } from '../../ops/arithmetic/residual.js';
import { dilated } from '../../ops/shape/window.js';
import { type Convolution, isPixelRow } from '../layout/convolution.js';
import type { WindowShape } from '../layout/overlap.js';
import { columnsOf, packingOf, routineCall, tilesOf } from '../routines/calls.js';
import { type CodedRoutine, codedOf } from '../routines/coded.js';
import { routineConvolution } from '../routines/convolution.js';
import type { MatchContext, WorkTerm } from '../variant.js';
import { codeConvolution } from './convolution.js';

/** Pixels of a call of the routine. */
const tile = 4;
/** Output bytes are within reach of one pointer. */
const maxChannels = 2047;

export const rv32Convolution = routineConvolution({
  template: 'rv32/conv2d',
  needs: ['mul32', 'rv32'],
  tile,
  residualCycles: 20,
  routineOf,
  scratchOf,
  workOf: (shape, tiles) => ({ tiles: { count: tiles, cycles: 40 }, ...packingWork(shape) }),
  callOf: (view, shape, routine) =>
    routineCall(view, shape, { rows: rowsOf(shape), stride_h: shape.strideH }, routine),
});

function routineOf(
  view: NodeView<AccumulationAttrs>,
  context: MatchContext,
  convolution: Convolution,
): CodedRoutine | null {
  const { shape } = convolution;
  if (shape.outC > maxChannels) return null;
  const { inC, dilationH, dilationW } = shape;
  const rows = rowsOf(shape);
  const wordOf = (ky: number, kx: number, c: number) =>
    (kx * dilationW * rows + ky * dilationH) * inC + c;
  const coded = codedOf(view, context, convolution, wordOf);
  return coded === null ? null : codeConvolution(coded, strideOf(shape) * inC);
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
