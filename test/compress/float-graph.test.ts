/** Float graphs as they are trained and quantized: turns of recurrent layers have no integers. */
import { expect } from 'chai';
import { floatGraph } from '../../src/compress/float-graph.js';
import { mainGraph } from '../../src/ir/graph.js';
import { evaluateGraph } from '../../src/ops/evaluate.js';
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
});
