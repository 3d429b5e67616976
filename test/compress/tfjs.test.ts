/** From a model of TensorFlow.js to int8 that compiles. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { importModel } from '../../src/compiler/formats/index.js';
import { writeTflite } from '../../src/compiler/formats/tflite/write.js';
import { checkModule } from '../../src/compiler/ir/check.js';
import { elementCount, mainGraph, tensorOf } from '../../src/compiler/ir/graph.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { operators } from '../../src/compiler/ops/index.js';
import type { Dataset } from '../../src/compress/data/dataset.js';
import { floatGraph } from '../../src/compress/float-graph.js';
import { lower } from '../../src/compress/quantize/lower.js';
import { observe } from '../../src/compress/quantize/observe.js';
import { quantizationOf } from '../../src/compress/quantize/ptq.js';
import { separated } from '../../src/compress/quantize/scheme.js';
import { loadBackend } from '../../src/compress/tensorflow.js';
import { runnerOf } from '../../src/compress/trace.js';
import { Random } from '../support/module.js';

describe('models of TensorFlow.js in int8', () => {
  for (const name of ['images', 'steps']) {
    it(`${name}: outputs in int8 are those in float but for a few steps`, async () => {
      const { tf } = await loadBackend('wasm');
      const read = (file: string) =>
        readFileSync(new URL(`../formats/tfjs-graph/${name}/${file}`, import.meta.url));
      const options = { name, where: name, rounding: 'tflm', beside: read } as const;
      const module = importModel(read('model.json'), options);
      const graph = separated(floatGraph(module));
      const [, ...shape] = tensorOf(graph, graph.inputs[0] as number).shape;
      const size = elementCount(shape);
      const random = new Random(1);
      const x = Float32Array.from({ length: 32 * size }, () => random.integer(-200, 200) / 100);
      const data: Dataset = { where: name, count: 32, shape, x, labels: null, classes: null };
      const runner = runnerOf(tf, graph);
      const seen = observe(tf, runner, data);
      const quantization = quantizationOf(graph, seen, { calibration: 'min-max', weights: 'int8' });
      const integer = lower(module, graph, quantization);
      checkModule(integer, operators, 'import');
      const main = mainGraph(integer);
      const [input, output] = [main.inputs[0], main.outputs[0]].map((id) =>
        tensorOf(main, id as number),
      );
      const [from, to] = [input?.quant, output?.quant];
      let total = 0;
      for (let i = 0; i < 32; i += 1) {
        const sample = x.slice(i * size, (i + 1) * size);
        const q = Int8Array.from(sample, (value) =>
          Math.round(value / (from?.scales[0] ?? 1) + (from?.zeroPoints[0] ?? 0)),
        );
        const [got] = evaluateGraph(main, [q]).outputs;
        const [wanted] = runner.run([tf.tensor(sample, [1, ...shape])]);
        wanted?.dataSync().forEach((value, o) => {
          const real = (Number(got?.[o]) - (to?.zeroPoints[0] ?? 0)) * (to?.scales[0] ?? 1);
          total += Math.abs(real - value) / (wanted?.size ?? 1);
        });
      }
      // Of probabilities; a tanh of weights that are as large as these magnifies its input's steps.
      expect(total / 32, 'mean difference').to.be.below(0.01);
      const again = importModel(writeTflite(integer), { name, where: name, rounding: 'tflm' });
      const ops = mainGraph(again).nodes.map(({ op }) => op);
      expect(ops).to.deep.equal(main.nodes.map(({ op }) => op));
    });
  }
});
