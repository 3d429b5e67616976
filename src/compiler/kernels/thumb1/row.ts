/**
 * Layers of one output pixel whose weights are Thumb routines: nonzero ones as code (row-code.ts), or
 * in tables of sums (plane-code.ts).
 */
import { biasesFor } from '../../ops/arithmetic/accumulation.js';
import type { Convolution } from '../layout/convolution.js';
import { eachTwoMultiply, type TwoMultiply } from '../layout/two-multiply.js';
import { noRounding } from '../portable/dense.js';
import { partsOf, type RowKernel, type RowStage, rowKernel } from '../routines/row.js';
import { isRescaled, rescaleOperands, stageOf } from '../swar/layer.js';
import { canCodePlanes, codePlanes, planeChannels, sumBytes } from './plane-code.js';
import { codeRow, groupChannels } from './row-code.js';

const cyclesPerOutput = { rescaled: 28, lifted: 38, requantized: 110 } as const;
const callChannels = 64;

/** The stage of some channels of a layer. @param multiplies of all its channels, as `biases` */
type StageAt<T> = (
  layer: Convolution,
  multiplies: readonly (TwoMultiply | null)[],
  biases: Int32Array,
  part: Pick<RowStage, 'first' | 'channels'>,
) => T;

function stagesOf(channels: number, stageAt: StageAt<RowStage>): RowKernel['stagesOf'] {
  return (view, layer, context) => {
    const multiplies = eachTwoMultiply(view, context, layer.stage);
    const biases = biasesFor(view, layer.filters, true);
    return formsOf(multiplies).flatMap(({ first, end }) =>
      partsOf(first, end, channels).map((part) => stageAt(layer, multiplies, biases, part)),
    );
  };
}

/** Neighbours of which all groups have two multiplications, or none. */
function formsOf(
  multiplies: readonly (TwoMultiply | null)[],
): readonly { readonly first: number; readonly end: number }[] {
  const forms: { first: number; end: number; isShort: boolean }[] = [];
  for (let first = 0; first < multiplies.length; first += groupChannels) {
    const end = Math.min(first + groupChannels, multiplies.length);
    const isShort = multiplies.slice(first, end).every(isRescaled);
    const last = forms.at(-1);
    if (last?.isShort === isShort) last.end = end;
    else forms.push({ first, end, isShort });
  }
  return forms;
}

/** Outputs in the routine; null for channels without two multiplications. */
const outputsAt: StageAt<RowStage | null> = (_, multiplies, biases, { first, channels }) => {
  const own = multiplies.slice(first, first + channels);
  if (!own.every(isRescaled)) return null;
  const outputs = own.map((requantization, i) => ({
    ...{ bias: biases[first + i] as number, requantization },
  }));
  const flags = { ...noRounding, lifted: false, mixed: false, requantized: false };
  const call = { flags: { ...flags, makes_outputs: true }, numbers: {}, tables: {} };
  return { ...{ first, channels, outputs, call }, ...{ term: 'code', cycles: 0 } };
};

const sumsAt: StageAt<RowStage> = (layer, multiplies, biases, { first, channels }) => {
  const end = first + channels;
  const multipliers = layer.stage.multipliers.slice(first, end);
  const own = stageOf({ multipliers }, multiplies.slice(first, end), biases.slice(first, end));
  const { rescale } = own;
  const words = own.words.map((row, i) => [own.starts[i] as number, ...row]);
  const { flags, numbers, tables } = rescaleOperands(layer, rescale, words);
  const { stage_words: _, ...stageNumbers } = numbers;
  return {
    ...{ first, channels, term: rescale, cycles: cyclesPerOutput[rescale] },
    call: { flags: { ...flags, makes_outputs: false }, numbers: stageNumbers, tables },
  };
};

export const thumb1Row = rowKernel({
  traits: { template: 'thumb1/row', needs: ['mul32', 'thumb1'], skipsZeros: true },
  ...{ callChannels, callCycles: 60 },
  code: codeRow,
  stagesOf: stagesOf(callChannels, (...stage) => outputsAt(...stage) ?? sumsAt(...stage)),
});

/** Inputs of a look-up: tables of fewer are smaller, but other kernels are faster then. */
const lookUpInputs = [8, 7, 6] as const;

/** Rows without multiplications (plane-code.ts). */
export const thumb1Planes = lookUpInputs.map((inputs) =>
  rowKernel({
    traits: {
      ...{ template: `thumb1/row_planes_${inputs}`, text: 'thumb1/row' },
      needs: ['mul32', 'thumb1'],
      // A table takes 8 to 16 times the bytes of swar/conv2d: no other goal has a price for that, but
      // the price of its bytes would follow the cycles.
      goals: ['speed'],
    },
    ...{ callChannels: planeChannels, callCycles: 60, sumBytes },
    canCode: (rows) => canCodePlanes(rows, inputs),
    code: (rows) => codePlanes(rows, inputs),
    stagesOf: stagesOf(planeChannels, sumsAt),
  }),
);
