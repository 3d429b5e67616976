/** Weights of int4: two in a byte of the file, one in an int8 of the model. */
import { expect } from 'chai';
import { importModel } from '../../src/import/index.js';
import { type Attrs, type Module, mainGraph, type Shape } from '../../src/ir/graph.js';
import { evaluateGraph } from '../../src/ops/evaluate.js';
import { writeTflite } from '../../src/write/tflite.js';
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

interface Row {
  readonly op: string;
  readonly edge: string;
  readonly input: Shape;
  readonly weights: Shape;
  /** Axis of the weights with a scale for each index. */
  readonly axis: number;
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
];

/** The row's model with int8 weights from −8 to 7, and the same with weights of type int4. */
function modelsOf(row: Row): { readonly bytes: Module; readonly halves: Module } {
  const builder = new GraphBuilder();
  const random = new Random(7);
  const x = builder.input(row.input, perTensorQuant(0.05, 3));
  const channels = row.weights[row.axis] as number;
  const scales = Array.from({ length: channels }, (_, i) => 0.05 + i / 100);
  const count = row.weights.reduce((product, extent) => product * extent, 1);
  const data = random.int8(count, -8, 7);
  const w = builder.constant(data, row.weights, perChannelQuant(scales, row.axis));
  const b = builder.constant(random.int32(channels, -500, 500));
  const options = { quant: perTensorQuant(0.1, -4) };
  const bytes = builder.module([builder.node(row.op, [x, w, b], row.attrs, options)]);
  const graph = mainGraph(bytes);
  const tensors = graph.tensors.map((tensor, id) =>
    id === w ? { ...tensor, dtype: 'int4' as const } : tensor,
  );
  return { bytes, halves: { ...bytes, graphs: [{ ...graph, tensors }] } };
}

describe('weights of int4', () => {
  for (const row of rows) {
    it(`${row.op}, ${row.edge}: gives the bits of tflite-micro`, function () {
      const { bytes, halves } = modelsOf(row);
      const file = writeTflite(halves);
      const imported = importModel(file, { name: 'model', where: 'model', rounding: 'tflm' });
      const inputs = randomInputs(imported, 1);
      const { outputs } = evaluateGraph(mainGraph(imported), inputs);
      expect(outputs).to.deep.equal(evaluateGraph(mainGraph(bytes), inputs).outputs);
      const python = pythonWith(this, 'tflite_micro');
      const [answer] = runtimeOutputs(python, 'tflm', [{ file, inputs, outputs: 1 }]);
      expect(answer).to.deep.equal(outputs);
    });
  }
});
