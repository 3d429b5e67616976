/** The reference evaluator against TFLM's reference kernels: every layer of real models, by CRC. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';
import { expect } from 'chai';
import { importModel } from '../src/compiler/formats/index.js';
import { mainGraph, type Tensor, type TensorData } from '../src/compiler/ir/graph.js';
import { evaluateGraph } from '../src/compiler/ops/evaluate.js';
import { skip } from './support/skip.js';

interface Golden {
  readonly pairs: readonly {
    readonly input: readonly number[];
    readonly output: readonly number[];
    /** By operator; `tensor` is the index in the file. */
    readonly layers?: readonly { op: number; tensor: number; bytes: number; crc32: number }[];
  }[];
}

const shared = fileURLToPath(new URL('../../shared/', import.meta.url));
const models = ['kws', 'vww', 'ic', 'ad', 'kws_u80', 'kws_u90', 'kws_b4_80', 'ic_u80', 'ad_u80'];

describe('golden models: evaluate, layer by layer', () => {
  for (const model of models) {
    it(`${model}: outputs and every layer's CRC`, function () {
      const file = `${shared}models/${model}.tflite`;
      const vectors = `${shared}golden/${model}.json`;
      if (!existsSync(file) || !existsSync(vectors)) skip(this, 'the shared models are not here');
      const graph = mainGraph(
        importModel(readFileSync(file), { name: model, where: file, rounding: 'tflm' }),
      );
      const { pairs } = JSON.parse(readFileSync(vectors, 'utf8')) as Golden;
      expect(pairs).to.not.have.length(0);
      for (const { input, output, layers = [] } of pairs) {
        const { outputs, tensors } = evaluateGraph(graph, [Int8Array.from(input)]);
        const bySource = new Map<number | null | undefined, TensorData>(
          [...tensors].map(([id, data]) => [(graph.tensors[id] as Tensor).source, data]),
        );
        for (const { op, tensor, crc32: expected } of layers) {
          const data = bySource.get(tensor) as Int8Array;
          expect(
            crc32(new Uint8Array(data.buffer, data.byteOffset, data.length)),
            `layer ${op}`,
          ).to.equal(expected);
        }
        expect(Array.from(outputs[0] as Int8Array)).to.deep.equal(output);
      }
    });
  }
});
