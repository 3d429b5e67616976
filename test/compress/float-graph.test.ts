/** Float graphs as they are trained and quantized: turns of recurrent layers have no integers. */
import { expect } from 'chai';
import { mainGraph } from '../../src/compiler/ir/graph.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { floatGraph, rebatched } from '../../src/compress/float-graph.js';
import { GraphBuilder, randomInputs } from '../support/module.js';

describe('float graph', () => {
  it('a gather of one index is a slice, and the first turn of a loop is a constant', () => {
    const b = new GraphBuilder();
    const x = b.input([5, 2, 3], null, 'x', 'float32');
    const options = { quant: null };
    const index = b.constant(Int32Array.of(1), []);
    const row = b.node('gather', [x, index], { axis: 1, batchDims: 0 }, options);
    const start = b.constant(new Float32Array(15).fill(2), [5, 3]);
    const h = b.node('neg', [start], {}, options);
    const module = b.module([b.node('add', [row, h], { activation: 'none' }, options)]);
    const graph = floatGraph(module);
    expect(graph.nodes.map(({ op }) => op)).to.deep.equal(['strided_slice', 'add']);
    const inputs = randomInputs(module, 1);
    const [before, after] = [mainGraph(module), graph].map(
      (each) => evaluateGraph(each, inputs).outputs[0],
    );
    expect(after).to.deep.equal(before);
  });

  for (const [edge, op, attrs] of [
    ['transpose', 'transpose', { perm: [1, 0, 2] }],
    ['reshape', 'reshape', { shape: [4, 1, 3] }],
  ] as const) {
    it(`steps of a recurrent layer leave samples apart: ${edge}`, () => {
      const b = new GraphBuilder();
      const options = { quant: null };
      const x = b.input([1, 4, 3], null, 'x', 'float32');
      const byTime = b.node(op, [x], attrs, options);
      const steps = b.nodeAll('unpack', [byTime], { axis: 0 }, { ...options, outputs: 4 });
      const index = b.constant(Int32Array.of(2), []);
      const third = b.node('gather', [byTime, index], { axis: 0, batchDims: 0 }, options);
      const sum = b.node('sub', [steps[1] ?? 0, third], { activation: 'none' }, options);
      const module = b.module([sum]);
      const graph = floatGraph(module);
      expect(graph.nodes.map((node) => node.op)).to.deep.equal(['unpack', 'strided_slice', 'sub']);
      expect(rebatched(graph, 5)?.tensors[sum]?.shape).to.deep.equal([5, 3]);
      const inputs = randomInputs(module, 1);
      const [before, after] = [mainGraph(module), graph].map(
        (each) => evaluateGraph(each, inputs).outputs[0],
      );
      expect(after).to.deep.equal(before);
    });
  }

  for (const [edge, kept] of [
    ['a sum brings it back', [1, 4]],
    ['a sum that has it already by rank alone stays', [4]],
  ] as const) {
    it(`an operand whose reshape drops the batch leaves samples apart: ${edge}`, () => {
      const b = new GraphBuilder();
      const options = { quant: null };
      const x = b.input([1, 4], null, 'x', 'float32');
      const dropped = b.node('reshape', [x], { shape: [4] }, options);
      const other = b.constant(Float32Array.of(1, 2, 3, 4), kept);
      const module = b.module([b.node('add', [dropped, other], { activation: 'none' }, options)]);
      const graph = floatGraph(module);
      const isApart = rebatched(graph, 5) !== null;
      expect(isApart).to.equal(kept.length === 2);
      const inputs = randomInputs(module, 1);
      const [before, after] = [mainGraph(module), graph].map(
        (each) => evaluateGraph(each, inputs).outputs[0],
      );
      expect(after).to.deep.equal(before);
    });
  }

  const moves = [
    ['a reshape', 'reshape', { shape: [1, 3, 2] }],
    ['a transposition', 'transpose', { perm: [1, 0, 2] }],
  ] as const;
  for (const [edge, op, attrs] of moves) {
    it(`a list of which each turn updates a row leaves samples apart: ${edge}`, () => {
      const b = new GraphBuilder();
      const options = { quant: null };
      const x = b.input([1, 2], null, 'x', 'float32');
      const scales = [1, 2, 3].map((k) => b.constant(Float32Array.of(k, 2 * k), [1, 2]));
      // Backward, and the first row twice: the later update counts.
      const list = [2, 1, 0, 0].reduce(
        (all, at, turn) => {
          const scale = scales[turn % 3] as number;
          const h = b.node('mul', [x, scale], { activation: 'none' }, options);
          const row = b.node('reshape', [h], { shape: [1, 1, 2] }, options);
          const start = b.constant(Int32Array.of(at, 0, 0));
          return b.node('dynamic_update_slice', [all, row, start], {}, options);
        },
        b.constant(new Float32Array(6), [3, 1, 2]),
      );
      const module = b.module([b.node(op, [list], attrs, options)]);
      const graph = floatGraph(module);
      expect(graph.nodes.at(-1)?.op).to.equal('concatenation');
      expect(graph.nodes.map((node) => node.op)).to.not.include('dynamic_update_slice');
      const [output = 0] = graph.outputs;
      expect(rebatched(graph, 5)?.tensors[output]?.shape).to.deep.equal([5, 3, 2]);
      const inputs = randomInputs(module, 1);
      const [before, after] = [mainGraph(module), graph].map(
        (each) => evaluateGraph(each, inputs).outputs[0],
      );
      expect(after).to.deep.equal(before);
    });
  }

  it('a list with a row that no turn updates stays as it is', () => {
    const b = new GraphBuilder();
    const options = { quant: null };
    const x = b.input([1, 1, 2], null, 'x', 'float32');
    const start = b.constant(Int32Array.of(1, 0, 0));
    const list = b.constant(new Float32Array(6), [3, 1, 2]);
    const module = b.module([b.node('dynamic_update_slice', [list, x, start], {}, options)]);
    expect(floatGraph(module).nodes.map(({ op }) => op)).to.deep.equal(['dynamic_update_slice']);
  });
});
