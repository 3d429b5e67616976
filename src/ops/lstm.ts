/**
 * lstm (UNIDIRECTIONAL_SEQUENCE_LSTM): a recurrent layer over all steps of a sequence.
 *
 * Source: tensorflow/lite/micro/kernels/lstm_eval.h and lstm_eval_common.cc of tflite-micro, with
 * int8 activations and weights and an int16 cell; without peepholes, projection and normalization.
 */
import { BonsaiError } from '../errors.js';
import { at, type NodeView, type Tensor, type TensorData } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import {
  clamp,
  type Multiplier,
  multiplyByQuantizedMultiplier,
  perTensor,
  quantizeMultiplier,
} from './arithmetic/quant.js';
import { sigmoid16, type TanhScale, tanh16, tanhScale } from './arithmetic/sigmoid16.js';
import { inputOf, outputOf } from './shape/operands.js';

export interface LstmAttrs {
  /** Whether the input is [steps, batches, inputs] instead of [batches, steps, inputs]. */
  readonly timeMajor: boolean;
  /** Bound of the cell's real values; 0: none. */
  readonly cellClip: number;
}

export interface LstmDims {
  readonly batches: number;
  readonly steps: number;
  readonly inputs: number;
  readonly units: number;
}

/** Positions of the node's inputs; each list has the gates input, forget, cell and output. */
export const lstmInputs = {
  hidden: 0,
  cell: 1,
  input: 2,
  weights: [3, 4, 5, 6],
  recurrent: [7, 8, 9, 10],
  biases: [11, 12, 13, 14],
} as const;

/**
 * Inputs: 0 the hidden state int8 [batches, units], 1 the cell int16 [batches, units], 2 the input,
 * then weights [units, inputs], recurrent weights [units, units] and biases [units] of the four
 * gates. Outputs: all hidden states, and both states after the last step.
 */
export const lstm = {
  name: 'lstm',
  types: ['int8', 'int16'],
  infer(view) {
    const { batches, steps, units } = lstmDims(view);
    const [hidden, cell] = [inputOf(view, 0).shape, inputOf(view, 1).shape];
    return [view.attrs.timeMajor ? [steps, batches, units] : [batches, steps, units], hidden, cell];
  },
  check(view) {
    const types = view.inputs.map((tensor) => tensor?.dtype);
    const wanted = (i: number) => (i === lstmInputs.cell ? 'int16' : i > 10 ? 'int32' : 'int8');
    const wrong = types.findIndex((type, i) => type !== wanted(i));
    const isConstant = view.inputs.every((tensor, i) => i < 3 || tensor?.data != null);
    if (wrong < 0 && isConstant && outputOf(view).dtype === 'int8') {
      lstmScales(view);
      return;
    }
    const what =
      wrong < 0 ? 'has weights that are no constants' : `input ${wrong} is ${types[wrong]}`;
    const hint = 'quantize the model fully to int8 (8-bit activations, a 16-bit cell)';
    throw new BonsaiError('unsupported-type', at(view.node), what, hint);
  },
  evaluate: (view, inputs) => evaluate(view, inputs as readonly TensorData[]),
  macs(view) {
    const { batches, steps, inputs, units } = lstmDims(view);
    return batches * steps * 4 * units * (inputs + units);
  },
  inPlace: () => [],
  changesState: true,
} satisfies OpDef<LstmAttrs>;

function evaluate(view: NodeView<LstmAttrs>, given: readonly TensorData[]): readonly TensorData[] {
  const { batches, steps, inputs, units } = lstmDims(view);
  const scales = lstmScales(view);
  const hidden = Int8Array.from(given[lstmInputs.hidden] as Int8Array);
  const cell = Int16Array.from(given[lstmInputs.cell] as Int16Array);
  const all = given[lstmInputs.input] as Int8Array;
  const out = new Int8Array(batches * steps * units);
  for (let batch = 0; batch < batches; batch += 1) {
    const h = hidden.subarray(batch * units, (batch + 1) * units);
    const c = cell.subarray(batch * units, (batch + 1) * units);
    for (let step = 0; step < steps; step += 1) {
      const row = view.attrs.timeMajor ? step * batches + batch : batch * steps + step;
      const x = all.subarray(row * inputs, (row + 1) * inputs);
      h.set(runStep(given, scales, x, h, c));
      out.set(h, row * units);
    }
  }
  return [out, hidden, cell];
}

/** The hidden state after one step; changes the cell. */
function runStep(
  given: readonly TensorData[],
  scales: LstmScales,
  x: Int8Array,
  h: Int8Array,
  c: Int16Array,
): Int8Array {
  const gate = (k: number, unit: number) => {
    const { input, recurrent } = scales.gates[k] as GateScales;
    const [w, r, b] = (['weights', 'recurrent', 'biases'] as const).map(
      (what) => given[lstmInputs[what][k] as number] as Int8Array,
    ) as [Int8Array, Int8Array, Int8Array];
    const fromInput = scaled16((b[unit] as number) + dot(w, unit, x, scales.inputZeroPoint), input);
    const fromHidden = scaled16(dot(r, unit, h, scales.hiddenZeroPoint), recurrent);
    return clamp16(fromInput + fromHidden);
  };
  return Int8Array.from(h, (_, unit) => {
    const [i, f, o] = [0, 1, 3].map((k) => sigmoid16(gate(k, unit))) as [number, number, number];
    const g = tanh16(gate(2, unit), tanhScale(-12));
    const kept = scaled16(f * (c[unit] as number), scales.forget);
    const sum = clamp16(kept + scaled16(i * g, scales.remember));
    c[unit] = scales.clip === null ? sum : clamp(sum, -scales.clip, scales.clip);
    const product = tanh16(c[unit] as number, scales.tanh) * o;
    const real = multiplyByQuantizedMultiplier(product, scales.hidden, 'double');
    return clamp(real + scales.hiddenZeroPoint, -128, 127);
  });
}

function dot(weights: Int8Array, row: number, values: Int8Array, zeroPoint: number): number {
  let sum = 0;
  for (let i = 0; i < values.length; i += 1) {
    sum += (weights[row * values.length + i] as number) * ((values[i] as number) - zeroPoint);
  }
  return sum;
}

const clamp16 = (value: number) => clamp(value, -32768, 32767);

const scaled16 = (value: number, scale: Multiplier) =>
  clamp16(multiplyByQuantizedMultiplier(value, scale, 'double'));

interface GateScales {
  /** From the sum over the inputs, and from that over the hidden state, to Q3.12. */
  readonly input: Multiplier;
  readonly recurrent: Multiplier;
}

export interface LstmScales {
  readonly gates: readonly GateScales[];
  /** Of the products forget gate · cell, input gate · cell gate, output gate · tanh. */
  readonly forget: Multiplier;
  readonly remember: Multiplier;
  readonly hidden: Multiplier;
  readonly inputZeroPoint: number;
  readonly hiddenZeroPoint: number;
  readonly tanh: TanhScale;
  /** The greatest magnitude of the cell; null: no bound. */
  readonly clip: number | null;
}

/** @throws BonsaiError 'bad-quantization' for a cell whose scale is no power of two */
export function lstmScales(view: NodeView<LstmAttrs>): LstmScales {
  const of = (tensor: Tensor) => perTensor(tensor, at(view.node));
  const [hidden, cell, input] = [0, 1, 2].map((i) => of(inputOf(view, i))) as [Scale, Scale, Scale];
  const power = Math.round(Math.log2(cell.scale));
  if (Math.abs(Math.log2(cell.scale) - power) > 1e-3) {
    const message = `has a cell with the scale ${cell.scale}, which is no power of two`;
    throw new BonsaiError('bad-quantization', at(view.node), message, 'convert the model again');
  }
  // The product of two scales is rounded to float32, their ratio to the gate's scale is not.
  const gate = (from: Scale, weights: number) =>
    quantizeMultiplier(
      Math.fround(Math.fround(from.scale) * Math.fround(of(inputOf(view, weights)).scale)) *
        2 ** 12,
    );
  const [cellScale, hiddenScale] = [Math.fround(cell.scale), Math.fround(hidden.scale)];
  const { cellClip } = view.attrs;
  return {
    gates: lstmInputs.weights.map((weights, k) => ({
      input: gate(input, weights),
      recurrent: gate(hidden, lstmInputs.recurrent[k] as number),
    })),
    forget: quantizeMultiplier(2 ** -15),
    remember: quantizeMultiplier(2 ** -30 / cellScale),
    hidden: quantizeMultiplier(2 ** -30 / hiddenScale),
    inputZeroPoint: input.zeroPoint,
    hiddenZeroPoint: hidden.zeroPoint,
    tanh: tanhScale(power),
    clip: cellClip > 0 ? Math.trunc(Math.min(Math.fround(cellClip) / cellScale, 32767)) : null,
  };
}

type Scale = ReturnType<typeof perTensor>;

/** @throws BonsaiError 'bad-shape' where operands do not fit each other */
export function lstmDims(view: NodeView<LstmAttrs>): LstmDims {
  const { shape } = inputOf(view, lstmInputs.input);
  const [first = 0, second = 0, inputs = 0] = shape;
  const [batches, steps] = view.attrs.timeMajor ? [second, first] : [first, second];
  const units = (inputOf(view, lstmInputs.hidden).shape.at(-1) ?? 0) as number;
  const isOf = (positions: readonly number[], wanted: string) =>
    positions.every((i) => inputOf(view, i).shape.join() === wanted);
  const fits =
    shape.length === 3 &&
    isOf([lstmInputs.hidden, lstmInputs.cell], `${batches},${units}`) &&
    isOf(lstmInputs.weights, `${units},${inputs}`) &&
    isOf(lstmInputs.recurrent, `${units},${units}`) &&
    isOf(lstmInputs.biases, `${units}`);
  if (fits) return { batches, steps, inputs, units };
  const shapes = view.inputs.map((tensor) => `[${tensor?.shape ?? ''}]`).join(' ');
  const message = `the shapes ${shapes} do not fit each other`;
  throw new BonsaiError('bad-shape', at(view.node), message, 'convert the model again');
}
