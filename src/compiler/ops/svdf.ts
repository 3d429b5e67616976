/**
 * svdf (SVDF): a fully connected layer of rank `rank` over the inputs of the last runs.
 *
 * Source: EvalIntegerSvdfReference of tflite-micro/tensorflow/lite/micro/kernels/svdf_common.cc.
 */
import { BonsaiError } from '../../errors.js';
import { allocate, at, type NodeView, type Tensor, type TensorData } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import {
  clamp,
  type Multiplier,
  multiplyByQuantizedMultiplier,
  perTensor,
  quantizeMultiplier,
} from './arithmetic/quant.js';
import { inputOf, outputOf } from './shape/operands.js';

export interface SvdfAttrs {
  /** Filters of each output. */
  readonly rank: number;
}

export interface SvdfDims {
  readonly batches: number;
  /** Elements of an input. */
  readonly inputs: number;
  readonly filters: number;
  /** Runs that a filter remembers. */
  readonly memory: number;
  readonly units: number;
}

/** Positions of the node's inputs. */
const [state, position, input, feature, time, bias] = [0, 1, 2, 3, 4, 5];

/**
 * Inputs: 0 the state, int8 or int16 [batches, filters · memory]; 1 the place of the newest value,
 * int32 [1], a state too; 2 the input [batches, inputs]; 3 weights of the filters' features int8
 * [filters, inputs]; 4 weights over time, of the state's type, [filters, memory]; 5 the bias int32
 * [units], optional. Outputs: the layer's [batches, units], and both states after it.
 *
 * The runtime moves all values of the state by one place a run. Here they stay, as a ring: a filter
 * writes over its oldest value, and `position` says where.
 */
export const svdf = {
  name: 'svdf',
  types: ['int8', 'int16', 'int32'],
  infer(view) {
    const { batches, units } = svdfDims(view);
    return [[batches, units], inputOf(view, state).shape, inputOf(view, position).shape];
  },
  check(view) {
    const fault = (message: string) => {
      const hint = 'quantize the model fully to int8: inputs int8, the state int8 or int16';
      throw new BonsaiError('unsupported-type', at(view.node), message, hint);
    };
    const types = [input, feature].map((i) => inputOf(view, i).dtype);
    if ([...types, outputOf(view).dtype].some((type) => type !== 'int8')) {
      fault('takes int8 inputs, feature weights and outputs');
    }
    const held = inputOf(view, state).dtype;
    if (!['int8', 'int16'].includes(held) || inputOf(view, time).dtype !== held) {
      fault(`has a state of ${held} and weights over time of ${inputOf(view, time).dtype}`);
    }
    for (const i of [feature, time]) {
      if (inputOf(view, i).data === null) fault(`its weights (input ${i}) must be constants`);
    }
    svdfScales(view);
  },
  evaluate: (view, [held, place, values, features, times, biases]) =>
    evaluate(view, {
      ...{ held: held as Int16Array, newest: Number(place?.[0]), values: values as Int8Array },
      ...{ features: features as Int8Array, times: times as Int16Array },
      biases: (biases ?? null) as Int32Array | null,
    }),
  macs(view) {
    const { batches, filters, inputs, memory } = svdfDims(view);
    return batches * filters * (inputs + memory);
  },
  inPlace: () => [],
  changesState: true,
} satisfies OpDef<SvdfAttrs>;

interface Values {
  readonly held: Int8Array | Int16Array;
  readonly newest: number;
  readonly values: Int8Array;
  readonly features: Int8Array;
  readonly times: Int8Array | Int16Array;
  readonly biases: Int32Array | null;
}

function evaluate(view: NodeView<SvdfAttrs>, given: Values): readonly TensorData[] {
  const { batches, filters, memory, units } = svdfDims(view);
  const { first, second, stateZeroPoint, output } = svdfScales(view);
  const next = given.held.slice();
  const result = new Int8Array(batches * units);
  for (let batch = 0; batch < batches; batch += 1) {
    for (let unit = 0; unit < units; unit += 1) {
      let sum = given.biases?.[unit] ?? 0;
      for (
        let filter = unit * view.attrs.rank;
        filter < (unit + 1) * view.attrs.rank;
        filter += 1
      ) {
        const begin = (batch * filters + filter) * memory;
        const range = svdfRange(inputOf(view, state));
        const scaled = multiplyByQuantizedMultiplier(
          featureOf(view, given, batch, filter),
          first,
          'double',
        );
        next[begin + given.newest] = stateZeroPoint + clamp(scaled, ...range);
        for (let k = 0; k < memory; k += 1) {
          // The newest value has the last weight.
          const age = (given.newest - k + memory) % memory;
          const weight = given.times[filter * memory + memory - 1 - age] as number;
          sum = (sum + Math.imul(weight, (next[begin + k] as number) - stateZeroPoint)) | 0;
        }
      }
      const scaled = multiplyByQuantizedMultiplier(sum, second, 'double') + output.zeroPoint;
      result[batch * units + unit] = clamp(scaled, -128, 127);
    }
  }
  const place = allocate('int32', 1);
  place[0] = (given.newest + 1) % memory;
  return [result, next, place];
}

function featureOf(
  view: NodeView<SvdfAttrs>,
  { values, features }: Values,
  batch: number,
  filter: number,
): number {
  const { inputs } = svdfDims(view);
  const { zeroPoint } = perTensor(inputOf(view, input), at(view.node));
  let sum = 0;
  for (let i = 0; i < inputs; i += 1) {
    const value = (values[batch * inputs + i] as number) - zeroPoint;
    sum += (features[filter * inputs + i] as number) * value;
  }
  return sum;
}

/** The least and the greatest scaled feature. */
export function svdfRange({ dtype }: Tensor): readonly [number, number] {
  return dtype === 'int8' ? [-128, 127] : [-32768, 32767];
}

export interface SvdfScales {
  /** From a feature's sum to the state. */
  readonly first: Multiplier;
  /** From the sum over time to the output. */
  readonly second: Multiplier;
  readonly inputZeroPoint: number;
  readonly stateZeroPoint: number;
  readonly output: { readonly zeroPoint: number };
}

/** The runtime computes both scales in float32, and only then widens them. */
export function svdfScales(view: NodeView<SvdfAttrs>): SvdfScales {
  const of = (tensor: Tensor) => perTensor(tensor, at(view.node));
  const [from, features, times, held] = [input, feature, time, state].map((i) =>
    of(inputOf(view, i)),
  ) as [Scale, Scale, Scale, Scale];
  const output = of(outputOf(view));
  const product = (a: Scale, b: Scale) => Math.fround(Math.fround(a.scale) * Math.fround(b.scale));
  const ratio = (real: number, by: Scale) =>
    quantizeMultiplier(Math.fround(real / Math.fround(by.scale)));
  return {
    first: ratio(product(from, features), held),
    second: ratio(product(held, times), output),
    inputZeroPoint: from.zeroPoint,
    stateZeroPoint: held.zeroPoint,
    output,
  };
}

type Scale = ReturnType<typeof perTensor>;

/** @throws BonsaiError 'bad-shape' where operands do not fit each other */
export function svdfDims(view: NodeView<SvdfAttrs>): SvdfDims {
  const [batches = 0, inputs = 0, ...more] = inputOf(view, input).shape;
  const [filters = 0, width = 0] = inputOf(view, feature).shape;
  const [rows = 0, memory = 0] = inputOf(view, time).shape;
  const units = filters / view.attrs.rank;
  const held = inputOf(view, state).shape.join();
  const biases = view.inputs[bias]?.shape.join();
  const fits = [
    ...[more.length === 0, width === inputs, rows === filters, Number.isInteger(units), units > 0],
    ...[held === `${batches},${memory * filters}`, inputOf(view, position).shape.join() === '1'],
    biases === undefined || biases === `${units}`,
  ];
  if (fits.every(Boolean)) return { batches, inputs, filters, memory, units };
  const shapes = view.inputs.map((tensor) => `[${tensor?.shape ?? ''}]`).join(' ');
  const message = `the shapes ${shapes} and the rank ${view.attrs.rank} do not fit each other`;
  throw new BonsaiError('bad-shape', at(view.node), message, 'convert the model again');
}
