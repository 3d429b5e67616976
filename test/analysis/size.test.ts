/** What is counted of a graph: work, parameters, zeros, and how long each tensor is needed. */
import { expect } from 'chai';
import { analyse, liveness, modelSize } from '../../src/compiler/analysis/index.js';
import { zeroShare } from '../../src/compiler/analysis/sparsity.js';
import { mainGraph, type TensorId, tensorOf } from '../../src/compiler/ir/graph.js';
import { GraphBuilder, perTensorQuant } from '../support/module.js';

/** Two layers of the same weights, one of them with a bias, and an output that is read too. */
function twoLayers() {
  const b = new GraphBuilder();
  const x = b.input([1, 3], perTensorQuant(0.5, 0));
  const weights = b.constant(Int8Array.of(1, 0, 2, 0, 3, 0, 4, 0, 5), [3, 3], perTensorQuant(1, 0));
  const bias = b.constant(Int32Array.of(1, 2, 3));
  const attrs = { activation: 'none', rounding: 'double' };
  const quant = perTensorQuant(0.5, 0);
  const y = b.node('fully_connected', [x, weights, bias], attrs, { quant });
  const z = b.node('fully_connected', [y, weights, null], attrs, { quant });
  const unread = b.node('relu', [z], {}, { quant });
  return { graph: mainGraph(b.module([y, z])), x, y, z, unread, weights, bias };
}

describe('analysis: what is counted', () => {
  it('parameters once, however many layers read them; the work of each', () => {
    expect(modelSize(twoLayers().graph)).to.deep.equal({ macs: 18, sums: 6, parameters: 12 });
  });

  it('the share of zeros: of nothing none', () => {
    const { graph, weights, x } = twoLayers();
    expect(zeroShare(tensorOf(graph, weights))).to.equal(4 / 9);
    expect(zeroShare(null), 'absent').to.equal(0);
    expect(zeroShare(tensorOf(graph, x)), 'computed').to.equal(0);
  });

  it('the values of a constant are its elements', () => {
    const { graph, weights } = twoLayers();
    const { min, max } = analyse(graph).range(tensorOf(graph, weights));
    expect([[...min], [...max]]).to.deep.equal([
      [0, 0, 0],
      [4, 3, 5],
    ]);
  });

  it('a tensor is needed from its writer to its last reader, an output to the end', () => {
    const { graph, x, y, z, unread } = twoLayers();
    const intervals: [id: TensorId, first: number, last: number][] = [
      [x, -1, 0],
      [y, 0, 3],
      [z, 1, 3],
      [unread, 2, 2],
    ];
    expect([...liveness(graph)]).to.deep.equal(
      intervals.map(([id, first, last]) => [id, { first, last }]),
    );
  });
});
