/** lstm: the four gates of a unit in one pass over the input and one over the hidden state. */
import type { NodeView } from '../../ir/graph.js';
import { sigmoidTable } from '../../ops/arithmetic/sigmoid16.js';
import { type LstmAttrs, lstmDims, lstmInputs, lstmScales } from '../../ops/lstm.js';
import { inputOf } from '../../ops/shape/operands.js';
import type { KernelCall, KernelVariant } from '../variant.js';

export const lstmVariant: KernelVariant<LstmAttrs> = {
  template: 'portable/lstm',
  needs: [],
  types: ['int8', 'int16'],
  match: (view) => {
    const { batches, steps, inputs, units } = lstmDims(view);
    return {
      // The next hidden state: the present one is read until the last unit is done.
      scratchBytes: units,
      work: () => ({
        // Cortex-M0+: a word of four weights, four products.
        products: { count: batches * steps * 4 * units * (inputs + units), cycles: 5 },
        outputs: { count: batches * steps * units, cycles: 400 },
      }),
      calls: () => [callOf(view)],
    };
  },
};

/** Words [units][values]: a word has the weights of the four gates, the input gate's lowest. */
function packed(view: NodeView<LstmAttrs>, positions: readonly number[]): Int32Array {
  const gates = positions.map((i) => inputOf(view, i).data as Int8Array);
  return Int32Array.from(gates[0] ?? [], (_, i) =>
    gates.reduce((word, weights, k) => word | (((weights[i] as number) & 255) << (8 * k)), 0),
  );
}

/** [units][gates]: biases, less the zero point of what the weights multiply. */
export function gateOffsets(
  view: NodeView<LstmAttrs>,
  positions: readonly number[],
  zeroPoint: number,
  biases: readonly number[],
): Int32Array {
  const { units } = lstmDims(view);
  const result = new Int32Array(4 * units);
  positions.forEach((position, k) => {
    const weights = inputOf(view, position).data as Int8Array;
    const depth = weights.length / units;
    for (let unit = 0; unit < units; unit += 1) {
      const sum = weights.subarray(unit * depth, (unit + 1) * depth).reduce((a, b) => a + b, 0);
      const bias = biases[k] === undefined ? 0 : Number(inputOf(view, biases[k]).data?.[unit]);
      result[4 * unit + k] = bias - zeroPoint * sum;
    }
  });
  return result;
}

/** Flags and numbers that describe the layer. */
export function lstmNumbers(view: NodeView<LstmAttrs>): Pick<KernelCall, 'flags' | 'numbers'> {
  const { batches, steps, inputs, units } = lstmDims(view);
  const { hiddenZeroPoint, forget, remember, hidden, tanh, clip } = lstmScales(view);
  const [rowStep, batchStep] = view.attrs.timeMajor ? [batches, 1] : [1, steps];
  return {
    flags: { clipped: clip !== null },
    numbers: {
      ...{ batches, steps, inputs, units, row_step: rowStep, batch_step: batchStep },
      ...{ forget_multiplier: forget.multiplier, forget_shift: forget.shift },
      ...{ remember_multiplier: remember.multiplier, remember_shift: remember.shift },
      ...{ hidden_multiplier: hidden.multiplier, hidden_shift: hidden.shift },
      ...{ hidden_zero: hiddenZeroPoint, tanh_multiplier: tanh.multiplier, tanh_shift: tanh.shift },
      ...(clip === null ? {} : { clip }),
    },
  };
}

function callOf(view: NodeView<LstmAttrs>): KernelCall {
  const { gates, inputZeroPoint, hiddenZeroPoint } = lstmScales(view);
  const { weights, recurrent, biases } = lstmInputs;
  const stages = gates.flatMap((gate) => [
    ...[gate.input.multiplier, gate.input.shift],
    ...[gate.recurrent.multiplier, gate.recurrent.shift],
  ]);
  return {
    inputs: [lstmInputs.input],
    outputs: [0, 1, 2],
    ...lstmNumbers(view),
    tables: {
      weights: { data: packed(view, weights), role: 'weights' },
      recurrent: { data: packed(view, recurrent), role: 'weights' },
      offsets: { data: gateOffsets(view, weights, inputZeroPoint, biases), role: 'table' },
      recurrent_offsets: {
        data: gateOffsets(view, recurrent, hiddenZeroPoint, []),
        role: 'table',
      },
      stages: { data: Int32Array.from(stages), role: 'table' },
      sigmoid: { data: sigmoidTable, role: 'table' },
    },
  };
}
