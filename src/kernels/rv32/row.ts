/**
 * Layers of one output pixel whose nonzero weights are code (row-code.ts): the window is the whole
 * image, so its values are one row. In a depthwise convolution a channel has no weights for the
 * inputs of the others.
 */
import type { NodeView } from '../../ir/graph.js';
import { type AccumulationAttrs, biasesFor } from '../../ops/arithmetic/accumulation.js';
import { hasResidual } from '../../ops/arithmetic/residual.js';
import type { Convolution, ConvolutionVariants } from '../layout/convolution.js';
import { type HighMultiply, highMultiplies } from '../layout/high-multiply.js';
import type { WindowShape } from '../layout/overlap.js';
import { type CodedRoutine, maxWeights, weightAt } from '../routines/coded.js';
import { type KernelCall, once } from '../variant.js';
import { codeRow, groupChannels } from './row-code.js';
import { highStages, isLifted } from './stage.js';

/** The kernel has a sum on the stack for each channel of a call. */
const callChannels = 3 * groupChannels;
/** More code than the RAM of any chip holds. */
const mostNonzero = 2 ** 16;

/** A call for some of the output channels. */
interface Piece {
  readonly first: number;
  readonly routine: CodedRoutine;
}

export const rv32Row: ConvolutionVariants = (when, describe) => ({
  template: 'rv32/row',
  needs: ['mul32', 'rv32'],
  skipsZeros: true,
  match(view, { facts }) {
    if (!when(view) || hasResidual(view)) return null;
    const layer = describe(view);
    if (!isWholeImage(layer.shape)) return null;
    const rows = rowsOf(view, layer);
    const multiplies = rows === null ? null : highMultiplies(layer.stage, facts.accumulator(view));
    if (rows === null || multiplies === null) return null;
    const pieces = once(() => piecesOf(rows));
    return {
      scratchBytes: 0,
      overlaps: [],
      work: () => ({
        code: { count: pieces().reduce((sum, { routine }) => sum + routine.cycles, 0), cycles: 1 },
        outputs: { count: rows.length, cycles: 20 },
      }),
      calls: () => callsOf(view, layer, multiplies, pieces()),
    };
  },
});

function isWholeImage(shape: WindowShape): boolean {
  const { batches, inH, inW, outH, outW, kernelH, kernelW, padTop, padLeft } = shape;
  const isOnePixel = batches * outH * outW === 1 && padTop + padLeft === 0;
  return isOnePixel && kernelH === inH && kernelW === inW;
}

/** Weights of each channel, one per value of the image; null if there are too many. */
function rowsOf(
  view: NodeView<AccumulationAttrs>,
  convolution: Convolution,
): readonly Int8Array[] | null {
  const { inH, inW, inC, outC } = convolution.shape;
  const depth = inH * inW * inC;
  if (outC * depth > maxWeights) return null;
  const weight = weightAt(view, convolution);
  const rows = Array.from({ length: outC }, (_, channel) =>
    Int8Array.from({ length: depth }, (_, tap) => weight(channel, tap)),
  );
  const nonzero = rows.reduce((sum, row) => sum + row.filter((value) => value !== 0).length, 0);
  return nonzero > mostNonzero ? null : rows;
}

function piecesOf(rows: readonly Int8Array[]): readonly Piece[] {
  return Array.from({ length: Math.ceil(rows.length / callChannels) }, (_, i) => {
    const first = i * callChannels;
    return { first, routine: codeRow(rows.slice(first, first + callChannels)) };
  });
}

function callsOf(
  view: NodeView<AccumulationAttrs>,
  { filters }: Convolution,
  multiplies: readonly HighMultiply[],
  pieces: readonly Piece[],
): readonly KernelCall[] {
  const biases = biasesFor(view, filters, true);
  return pieces.map(({ first, routine }) => {
    const own = multiplies.slice(first, first + callChannels);
    return {
      inputs: [0],
      outputs: [0],
      outputBytes: first,
      flags: { lifted: own.some(isLifted) },
      numbers: { channels: own.length, most_channels: callChannels },
      tables: { stage: highStages(own, biases.slice(first, first + callChannels)) },
      routines: { routine },
    };
  });
}
