/**
 * lstm: the four gates of a unit in one pass over the input and one over the hidden state. Sums of
 * int16 have 32 bits where the weights prove that no input can make them leave these, otherwise 64.
 */
import type { NodeView } from '../../ir/graph.js';
import { reducedMultiplier } from '../../ops/arithmetic/quant.js';
import { sigmoidTable } from '../../ops/arithmetic/sigmoid16.js';
import {
  type GateSum,
  gateSums,
  isWide,
  type LstmAttrs,
  lstm,
  lstmDims,
  lstmInputs,
  lstmScales,
} from '../../ops/lstm.js';
import { inputOf } from '../../ops/shape/operands.js';
import type { KernelCall, KernelVariant, Table } from '../variant.js';
import { isReducible, type Sums, scaleHelper, scaleWords } from './wide.js';

export const lstmVariant: KernelVariant<LstmAttrs> = {
  template: 'portable/lstm',
  needs: [],
  types: ['int8', 'int16'],
  match: (view) => {
    const { batches, steps, inputs, units } = lstmDims(view);
    const input = gateSums(view, 'input');
    const recurrent = gateSums(view, 'recurrent');
    const sums = isWide(view) ? sumsOf([...input, ...recurrent]) : 'whole';
    const products = batches * steps * 4 * units * (inputs + units);
    return {
      // The next hidden state: the present one is read until the last unit is done.
      scratchBytes: units * (isWide(view) ? 2 : 1),
      work: () => ({
        // Cortex-M0+: a word of four weights, four products.
        ...(sums === 'wide'
          ? { wide_products: { count: products, cycles: 12 } }
          : { products: { count: products, cycles: 5 } }),
        outputs: { count: batches * steps * units, cycles: 400 },
      }),
      calls: () => [callOf(view, input, recurrent, sums)],
    };
  },
};

function sumsOf(all: readonly GateSum[]): Sums {
  const isNarrow = all.every(({ reach, scale }) => isReducible(reach, reducedMultiplier(scale)));
  return isNarrow ? 'reduced' : 'wide';
}

/** Words [units][values]: a word has the weights of the four gates, the input gate's lowest. */
function packed(view: NodeView<LstmAttrs>, positions: readonly number[]): Uint32Array {
  const gates = positions.map((i) => inputOf(view, i).data as Int8Array);
  return Uint32Array.from(gates[0] ?? [], (_, i) =>
    gates.reduce((word, weights, k) => word | (((weights[i] as number) & 255) << (8 * k)), 0),
  );
}

export const realLstm: KernelVariant<LstmAttrs> = {
  template: 'portable/lstm_f32',
  needs: [],
  types: ['float32'],
  match: (view) => {
    const { batches, steps, units } = lstmDims(view);
    return {
      scratchBytes: 4 * units,
      // Of cores without a floating-point unit: two calls of the library a product.
      work: () => ({
        products: { count: lstm.macs(view), cycles: 120 },
        outputs: { count: batches * steps * units, cycles: 20000 },
      }),
      calls: () => [realCall(view)],
    };
  },
};

/** [units][values][gates] */
function interleaved(view: NodeView<LstmAttrs>, positions: readonly number[]): Table {
  const gates = positions.map((i) => inputOf(view, i).data as Float32Array);
  const values = Array.from(gates[0] ?? [], (_, i) => gates.map((gate) => gate[i] as number));
  return { data: Float32Array.from(values.flat()), role: 'weights' };
}

function realCall(view: NodeView<LstmAttrs>): KernelCall {
  const { cellClip } = view.attrs;
  return {
    ...{ inputs: [lstmInputs.input], outputs: [0, 1, 2] },
    flags: { clipped: cellClip > 0 },
    numbers: loopNumbers(view),
    tables: {
      weights: interleaved(view, lstmInputs.weights),
      recurrent: interleaved(view, lstmInputs.recurrent),
      biases: { ...interleaved(view, lstmInputs.biases), role: 'table' },
      ...(cellClip > 0 ? { clip: { data: Float32Array.of(cellClip), role: 'table' } } : {}),
    },
  };
}

function loopNumbers(view: NodeView<LstmAttrs>) {
  const { batches, steps, inputs, units } = lstmDims(view);
  const [rowStep, batchStep] = view.attrs.timeMajor ? [batches, 1] : [1, steps];
  return { batches, steps, inputs, units, row_step: rowStep, batch_step: batchStep };
}

/** Flags, numbers and the type of activations that describe the layer. */
export function lstmNumbers(view: NodeView<LstmAttrs>) {
  const { hiddenZeroPoint, forget, remember, hidden, tanh, clip } = lstmScales(view);
  return {
    flags: { clipped: clip !== null, int16: isWide(view) },
    types: { element: inputOf(view, lstmInputs.hidden).dtype },
    numbers: {
      ...loopNumbers(view),
      ...{ forget_multiplier: forget.multiplier, forget_shift: forget.shift },
      ...{ remember_multiplier: remember.multiplier, remember_shift: remember.shift },
      ...{ hidden_multiplier: hidden.multiplier, hidden_shift: hidden.shift },
      ...{ hidden_zero: hiddenZeroPoint, tanh_multiplier: tanh.multiplier, tanh_shift: tanh.shift },
      ...(clip === null ? {} : { clip }),
    },
  };
}

function callOf(
  view: NodeView<LstmAttrs>,
  input: readonly GateSum[],
  recurrent: readonly GateSum[],
  sums: Sums,
): KernelCall {
  const { flags, numbers, types } = lstmNumbers(view);
  const { low, high } = lstmScales(view);
  const scaleOf = ({ scale }: GateSum) =>
    scaleWords(sums === 'whole' ? scale : reducedMultiplier(scale), sums);
  const stages = [0, 1, 2, 3].flatMap((k) => [
    ...scaleOf(input[k] as GateSum),
    ...scaleOf(recurrent[k] as GateSum),
  ]);
  const offsets = (all: readonly GateSum[]): Table => {
    const data = all.map(({ offset }) => offset);
    if (sums !== 'wide') return { data: Int32Array.from(data), role: 'table' };
    return { data: BigInt64Array.from(data, BigInt), role: 'table' };
  };
  return {
    inputs: [lstmInputs.input],
    outputs: [0, 1, 2],
    types,
    flags: { ...flags, wide: sums === 'wide', reduced: sums === 'reduced' },
    words: {
      ...{ sum: sums === 'wide' ? 'int64_t' : 'int32_t', scale: scaleHelper(sums) },
      dot: flags.int16 ? 'portable/dot4_s16' : 'portable/dot4',
    },
    numbers: { ...numbers, low, high },
    tables: {
      weights: { data: packed(view, lstmInputs.weights), role: 'weights' },
      recurrent: { data: packed(view, lstmInputs.recurrent), role: 'weights' },
      offsets: offsets(input),
      recurrent_offsets: offsets(recurrent),
      stages: { data: Int32Array.from(stages), role: 'table' },
      sigmoid: { data: sigmoidTable, role: 'table' },
    },
  };
}
