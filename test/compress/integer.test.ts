import { expect } from 'chai';
import { mainGraph } from '../../src/compiler/ir/graph.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { integerRunner } from '../../src/compress/integer.js';
import { loadBackend, type Tf } from '../../src/compress/tensorflow.js';
import { growGraph, growths } from '../support/graphs.js';
import {
  GraphBuilder,
  perChannelQuant,
  perTensorQuant,
  Random,
  randomInputs,
} from '../support/module.js';

describe('int8 graphs over many samples', () => {
  let tf: Tf;
  before(async () => {
    ({ tf } = await loadBackend('wasm'));
  });

  for (const op of Object.keys(growths)) {
    it(`${op}: the bits of evaluate, sample by sample`, () => {
      for (let seed = 1; seed <= 25; seed += 1) {
        const module = growGraph({ ops: [op], seed });
        const graph = mainGraph(module);
        const samples = [1, 2, 3].map((n) => randomInputs(module, seed * 10 + n)[0] as Int8Array);
        const size = samples[0]?.length ?? 0;
        const all = new Int8Array(3 * size);
        samples.forEach((sample, i) => {
          all.set(sample, i * size);
        });
        const got = integerRunner(tf, graph).run([all], 3);
        const wanted = samples.map((sample) => evaluateGraph(graph, [sample]));
        for (const id of wanted[0]?.tensors.keys() ?? []) {
          const parts = wanted.flatMap(({ tensors }) => [...(tensors.get(id) as Int8Array)]);
          expect([...(got.get(id) as Int8Array)], `seed ${seed}, tensor ${id}`).to.deep.equal(
            parts,
          );
        }
      }
    });
  }

  it('sums that float32 cannot hold are split', () => {
    const random = new Random(3);
    const depth = 2000;
    const b = new GraphBuilder();
    const x = b.input([1, depth], perTensorQuant(0.1, -128));
    const weights = b.constant(
      new Int8Array(2 * depth).fill(127, 0, depth).fill(-128, depth),
      [2, depth],
      perChannelQuant([0.01, 0.02], 0),
    );
    const bias = b.constant(Int32Array.of(7, -9));
    const attrs = { activation: 'none', rounding: 'double', keepDims: false };
    const y = b.node('fully_connected', [x, weights, bias], attrs, {
      quant: perTensorQuant(3000, 0),
    });
    const module = b.module([y]);
    const input = random.int8(depth, 100, 127);
    const got = integerRunner(tf, mainGraph(module)).run([input], 1).get(y);
    expect(got).to.deep.equal(evaluateGraph(mainGraph(module), [input]).outputs[0]);
  });
});
