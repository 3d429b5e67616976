/** Weights of int4: two in a byte of the file, one in an int8 of the model. */
import { expect } from 'chai';
import { importModel } from '../../src/compiler/formats/index.js';
import { writeTflite } from '../../src/compiler/formats/tflite/write.js';
import {
  type Attrs,
  type DType,
  type Module,
  mainGraph,
  type Shape,
} from '../../src/compiler/ir/graph.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import {
  GraphBuilder,
  perChannelQuant,
  perTensorQuant,
  Random,
  randomInputs,
} from '../support/module.js';
import { pythonWith, runtimeOutputs } from '../support/tflite-runtimes.js';

const attrs = {
  ...{ strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 },
  ...{ padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 },
  ...{ activation: 'none', rounding: 'double' },
};

const row = { activation: 'none', rounding: 'double', keepDims: false };

interface Row {
  readonly op: string;
  readonly edge: string;
  readonly input: Shape;
  readonly weights: Shape;
  /** Axis of the weights with a scale for each index; null: one scale. */
  readonly axis: number | null;
  /** Of input and output; default: int8. */
  readonly dtype?: DType;
  /** Default: tflm. */
  readonly runtime?: 'tflite-portable' | 'xnnpack';
  readonly attrs: Attrs;
}

const rows: readonly Row[] = [
  {
    ...{ op: 'conv2d', edge: 'an odd number of weights', attrs, axis: 0 },
    ...{ input: [1, 4, 4, 3], weights: [3, 3, 3, 3] },
  },
  {
    ...{ op: 'depthwise_conv2d', edge: 'an even number', attrs: { ...attrs, depthMultiplier: 1 } },
    ...{ input: [1, 4, 4, 4], weights: [1, 3, 3, 4], axis: 3 },
  },
  {
    ...{ op: 'fully_connected', edge: 'one scale, an odd number', attrs: row },
    ...{ input: [2, 7], weights: [5, 7], axis: null },
  },
  {
    ...{ op: 'fully_connected', edge: 'a scale for each channel, which it refuses', attrs: row },
    ...{ input: [2, 6], weights: [4, 6], axis: 0, runtime: 'tflite-portable' },
  },
  {
    ...{ op: 'fully_connected', edge: 'a scale for each channel', attrs: row },
    ...{ input: [2, 6], weights: [4, 6], axis: 0, runtime: 'xnnpack' },
  },
];

const wide: Row = {
  ...{ op: 'fully_connected', edge: 'int16', attrs: row, dtype: 'int16' },
  ...{ input: [3, 8], weights: [4, 8], axis: 0 },
};

/** The row's model with int8 weights from −8 to 7, and the same with weights of type int4. */
function modelsOf(row: Row): { readonly bytes: Module; readonly halves: Module } {
  const builder = new GraphBuilder();
  const random = new Random(7);
  const isWide = row.dtype === 'int16';
  const x = builder.input(row.input, perTensorQuant(0.05, isWide ? 0 : 3), 'x', row.dtype);
  const channels = row.weights[row.axis ?? 0] as number;
  const scales = Array.from({ length: channels }, (_, i) => 0.05 + i / 100);
  const count = row.weights.reduce((product, extent) => product * extent, 1);
  const data = random.int8(count, -8, 7);
  const quant = row.axis === null ? perTensorQuant(0.07, 0) : perChannelQuant(scales, row.axis);
  const w = builder.constant(data, row.weights, quant);
  const biases = random.int32(channels, -500, 500);
  // Of one scale runtimes want the product of the scales.
  const bias = row.axis === null ? perTensorQuant(0.05 * 0.07, 0) : null;
  const stored = isWide ? BigInt64Array.from(biases, BigInt) : biases;
  const b = builder.constant(stored, [channels], bias);
  const options = { quant: perTensorQuant(0.1, isWide ? 0 : -4), dtype: row.dtype ?? 'int8' };
  const bytes = builder.module([builder.node(row.op, [x, w, b], row.attrs, options)]);
  const graph = mainGraph(bytes);
  const tensors = graph.tensors.map((tensor, id) =>
    id === w ? { ...tensor, dtype: 'int4' as const } : tensor,
  );
  return { bytes, halves: { ...bytes, graphs: [{ ...graph, tensors }] } };
}

const runtimes = {
  tflm: ['tflite_micro', 'tflm'],
  'tflite-portable': ['ai_edge_litert', 'builtin'],
  xnnpack: ['ai_edge_litert', 'default'],
} as const;

describe('weights of int4', () => {
  for (const row of rows) {
    const rounding = row.runtime ?? 'tflm';
    it(`${row.op}, ${row.edge}: gives the bits of ${rounding}`, function () {
      const { bytes, halves } = modelsOf(row);
      const read = (file: Uint8Array) => importModel(file, { name: 'm', where: 'm', rounding });
      const file = writeTflite(halves);
      const imported = read(file);
      const inputs = randomInputs(imported, 1);
      const { outputs } = evaluateGraph(mainGraph(imported), inputs);
      expect(outputs).to.deep.equal(
        evaluateGraph(mainGraph(read(writeTflite(bytes))), inputs).outputs,
      );
      const [name, kind] = runtimes[rounding];
      const env = { ...process.env, RUY_PATHS: '1' };
      const jobs = [{ file, inputs, outputs: 1 }];
      const [answer] = runtimeOutputs(pythonWith(this, name), kind, jobs, env);
      const made = outputs.map(({ buffer }) => new Int8Array(buffer as ArrayBuffer));
      expect(answer).to.deep.equal(made);
    });
  }

  it('refuses them beside int16, of which the desktop alone has a kernel, with other bits', () => {
    const { halves } = modelsOf(wide);
    expect(() => writeTflite(halves)).to.throw(/is int4, it must be int8/);
  });

  it('refuses those of a transposed convolution, which no runtime unpacks', () => {
    const size = { size: [3, 3], padTop: 0, padLeft: 0, strideH: 1, strideW: 1 };
    const attrs = { ...size, activation: 'none', rounding: 'double' };
    const shapes = { input: [1, 2, 2, 3], weights: [4, 2, 2, 3] } as const;
    const { bytes, halves } = modelsOf({
      ...{ op: 'transpose_conv', edge: '', axis: 0, attrs },
      ...shapes,
    });
    expect(() => writeTflite(bytes)).not.to.throw();
    expect(() => writeTflite(halves)).to.throw(/is int4, it must be int8/);
  });
});
