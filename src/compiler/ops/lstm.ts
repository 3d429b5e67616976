/**
 * lstm (UNIDIRECTIONAL_SEQUENCE_LSTM): a recurrent layer over all steps of a sequence.
 *
 * Source: tensorflow/lite/micro/kernels/lstm_eval.h and lstm_eval_common.cc of tflite-micro, with
 * int8 or int16 activations, int8 weights and an int16 cell; without peepholes, projection and
 * normalization. The sums of int16 activations have 64 bits, of which 15 bits of a multiplier are
 * taken (MultiplyByQuantizedMultiplier(int64_t, …) of kernels/internal/common.cc). Or all of float32.
 */
import { BonsaiError } from '../../errors.js';
import { rangeOfType } from '../ir/dtypes.js';
import {
  allocate,
  at,
  type DType,
  type NodeView,
  type Tensor,
  type TensorData,
} from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import {
  clamp,
  fitsReduced,
  type Multiplier,
  multiplyByQuantizedMultiplier,
  multiplyReduced,
  perTensor,
  quantizeMultiplier,
  reducedMultiplier,
} from './arithmetic/quant.js';
import { isReal } from './arithmetic/real.js';
import { realStep } from './arithmetic/real-lstm.js';
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
 * Inputs: 0 the hidden state int8 or int16 [batches, units], 1 the cell int16 [batches, units], 2 the
 * input of the hidden state's type (of float32 all three), then weights [units, inputs], recurrent weights [units, units]
 * and biases [units] of the four gates. Outputs: all hidden states, and both states after the last
 * step.
 */
export const lstm = {
  name: 'lstm',
  types: ['int8', 'int16', 'float32'],
  infer(view) {
    const { batches, steps, units } = lstmDims(view);
    const [hidden, cell] = [inputOf(view, 0).shape, inputOf(view, 1).shape];
    return [view.attrs.timeMajor ? [steps, batches, units] : [batches, steps, units], hidden, cell];
  },
  check(view) {
    const types = view.inputs.map((tensor) => tensor?.dtype);
    const wanted = (i: number) => operandType(activationType(view), i);
    const wrong = types.findIndex((type, i) => type !== wanted(i));
    const isConstant = view.inputs.every((tensor, i) => i < 3 || tensor?.data != null);
    if (wrong < 0 && isConstant && outputOf(view).dtype === activationType(view)) {
      if (isReal(view)) return;
      lstmScales(view);
      if (isWide(view)) checkReach(view);
      return;
    }
    const what =
      wrong < 0 ? 'has weights that are no constants' : `input ${wrong} is ${types[wrong]}`;
    const hint = 'quantize the model fully: 8-bit weights, 8-bit or 16-bit activations';
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

function activationType(view: NodeView<object>): DType {
  const dtype = view.inputs[lstmInputs.hidden]?.dtype;
  return dtype === 'int16' || dtype === 'float32' ? dtype : 'int8';
}

/** The type of input i where activations have this one. */
function operandType(activation: DType, i: number): DType {
  if (activation === 'float32' || i === lstmInputs.hidden || i === lstmInputs.input) {
    return activation;
  }
  if (i === lstmInputs.cell) return 'int16';
  if (i <= 10) return 'int8';
  return activation === 'int16' ? 'int64' : 'int32';
}

/** Whether activations are int16, and sums over them have 64 bits. */
export const isWide = (view: NodeView<object>): boolean =>
  view.inputs[lstmInputs.hidden]?.dtype === 'int16';

type Elements = Int8Array | Int16Array;

/** The hidden state after one step; changes the cell. */
type Step = (x: TensorData, h: TensorData, c: TensorData) => Elements | Float32Array;

function evaluate(view: NodeView<LstmAttrs>, given: readonly TensorData[]): readonly TensorData[] {
  const { batches, steps, inputs, units } = lstmDims(view);
  const step = isReal(view) ? realStepOf(view, given) : integerStepOf(view, given);
  const [hidden, cell] = [lstmInputs.hidden, lstmInputs.cell].map((i) =>
    (given[i] as Float32Array).slice(),
  ) as [Float32Array, Float32Array];
  const all = given[lstmInputs.input] as Float32Array;
  const out = allocate(outputOf(view).dtype, batches * steps * units) as Float32Array;
  for (let batch = 0; batch < batches; batch += 1) {
    const h = hidden.subarray(batch * units, (batch + 1) * units);
    const c = cell.subarray(batch * units, (batch + 1) * units);
    for (let time = 0; time < steps; time += 1) {
      const row = view.attrs.timeMajor ? time * batches + batch : batch * steps + time;
      h.set(step(all.subarray(row * inputs, (row + 1) * inputs), h, c));
      out.set(h, row * units);
    }
  }
  return [out, hidden, cell];
}

function integerStepOf(view: NodeView<LstmAttrs>, given: readonly TensorData[]): Step {
  const scales = lstmScales(view);
  return (x, h, c) => runStep(given, scales, x as Elements, h as Elements, c as Int16Array);
}

function realStepOf({ attrs }: NodeView<LstmAttrs>, given: readonly TensorData[]): Step {
  const of = (positions: readonly number[]) => positions.map((i) => given[i] as Float32Array);
  const { weights, recurrent, biases } = lstmInputs;
  const gates = { weights: of(weights), recurrent: of(recurrent), biases: of(biases) };
  const clip = Math.fround(attrs.cellClip);
  return (x, h, c) =>
    realStep(gates, clip, x as Float32Array, h as Float32Array, c as Float32Array);
}

/** The hidden state after one step; changes the cell. */
function runStep(
  given: readonly TensorData[],
  scales: LstmScales,
  x: Elements,
  h: Elements,
  c: Int16Array,
): Elements {
  const gate = (k: number, unit: number) => {
    const { input, recurrent } = scales.gates[k] as GateScales;
    const [w, r, b] = (['weights', 'recurrent', 'biases'] as const).map(
      (what) => given[lstmInputs[what][k] as number],
    ) as [Int8Array, Int8Array, Int32Array | BigInt64Array];
    const fromInput = Number(b[unit]) + dot(w, unit, x, scales.inputZeroPoint);
    const fromHidden = dot(r, unit, h, scales.hiddenZeroPoint);
    const scaled = scales.isWide ? reduced16 : scaled16;
    return clamp16(scaled(fromInput, input) + scaled(fromHidden, recurrent));
  };
  return h.map((_, unit) => {
    const [i, f, o] = [0, 1, 3].map((k) => sigmoid16(gate(k, unit))) as [number, number, number];
    const g = tanh16(gate(2, unit), tanhScale(-12));
    const kept = scaled16(f * (c[unit] as number), scales.forget);
    const sum = clamp16(kept + scaled16(i * g, scales.remember));
    c[unit] = scales.clip === null ? sum : clamp(sum, -scales.clip, scales.clip);
    const product = tanh16(c[unit] as number, scales.tanh) * o;
    const real = multiplyByQuantizedMultiplier(product, scales.hidden, 'double');
    return clamp(real + scales.hiddenZeroPoint, scales.low, scales.high);
  });
}

function dot(weights: Int8Array, row: number, values: Elements, zeroPoint: number): number {
  let sum = 0;
  for (let i = 0; i < values.length; i += 1) {
    sum += (weights[row * values.length + i] as number) * ((values[i] as number) - zeroPoint);
  }
  return sum;
}

const clamp16 = (value: number) => clamp(value, -32768, 32767);

const scaled16 = (value: number, scale: Multiplier) =>
  clamp16(multiplyByQuantizedMultiplier(value, scale, 'double'));

const reduced16 = (value: number, scale: Multiplier) =>
  clamp16(multiplyReduced(value, reducedMultiplier(scale)));

interface GateScales {
  /** From the sum over the inputs, and from that over the hidden state, to Q3.12. */
  readonly input: Multiplier;
  readonly recurrent: Multiplier;
}

export interface LstmScales {
  readonly isWide: boolean;
  readonly gates: readonly GateScales[];
  /** Of the products forget gate · cell, input gate · cell gate, output gate · tanh. */
  readonly forget: Multiplier;
  readonly remember: Multiplier;
  readonly hidden: Multiplier;
  readonly inputZeroPoint: number;
  readonly hiddenZeroPoint: number;
  /** The range of the hidden state. */
  readonly low: number;
  readonly high: number;
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
  const [low, high] = rangeOfType(inputOf(view, lstmInputs.hidden).dtype);
  return {
    isWide: isWide(view),
    gates: lstmInputs.weights.map((weights, k) => ({
      input: gate(input, weights),
      recurrent: gate(hidden, lstmInputs.recurrent[k] as number),
    })),
    forget: quantizeMultiplier(2 ** -15),
    remember: quantizeMultiplier(2 ** -30 / cellScale),
    hidden: quantizeMultiplier(2 ** -30 / hiddenScale),
    inputZeroPoint: input.zeroPoint,
    hiddenZeroPoint: hidden.zeroPoint,
    ...{ low, high },
    tanh: tanhScale(power),
    clip: cellClip > 0 ? Math.trunc(Math.min(Math.fround(cellClip) / cellScale, 32767)) : null,
  };
}

type Scale = ReturnType<typeof perTensor>;

/** A sum of one gate of a unit: of weights times raw values, and `offset`. */
export interface GateSum {
  readonly weights: Int8Array;
  /** The bias, less the zero point of what the weights multiply. */
  readonly offset: number;
  /** The sum's largest magnitude, for any values. */
  readonly reach: number;
  readonly scale: Multiplier;
}

/** The sums over the inputs, or over the hidden state: [units][gates]. */
export function gateSums(
  view: NodeView<LstmAttrs>,
  source: 'input' | 'recurrent',
): readonly GateSum[] {
  const { units } = lstmDims(view);
  const { gates, inputZeroPoint, hiddenZeroPoint, low } = lstmScales(view);
  const isInput = source === 'input';
  const zeroPoint = isInput ? inputZeroPoint : hiddenZeroPoint;
  const positions = isInput ? lstmInputs.weights : lstmInputs.recurrent;
  return Array.from({ length: 4 * units }, (_, i) => {
    const [unit, k] = [Math.floor(i / 4), i % 4];
    const all = inputOf(view, positions[k] as number).data as Int8Array;
    const depth = all.length / units;
    const weights = all.subarray(unit * depth, (unit + 1) * depth);
    const bias = isInput ? inputOf(view, lstmInputs.biases[k] as number).data?.[unit] : 0;
    const offset = Number(bias) - zeroPoint * weights.reduce((sum, w) => sum + w, 0);
    const reach = weights.reduce((sum, w) => sum - low * Math.abs(w), Math.abs(offset));
    return { weights, offset, reach, scale: (gates[k] as GateScales)[source] };
  });
}

/** The runtime keeps 47 bits of a 64-bit sum. */
function checkReach(view: NodeView<LstmAttrs>): void {
  const isBeyond = ({ reach, scale }: GateSum) => reach >= 2 ** 47 || !fitsReduced(reach, scale);
  for (const source of ['input', 'recurrent'] as const) {
    const i = gateSums(view, source).findIndex(isBeyond);
    if (i < 0) continue;
    const message = `unit ${Math.floor(i / 4)} can overflow the 32 bits of a gate's result`;
    throw new BonsaiError('bad-quantization', at(view.node), message, 'quantize the model again');
  }
}

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
