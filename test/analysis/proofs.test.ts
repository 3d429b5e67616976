/** What `inspect` says is proved of a layer: sums over inputs of −128 to 127, worked out by hand. */
import { expect } from 'chai';
import { proofsOf } from '../../src/compiler/analysis/proofs.js';
import { type Graph, mainGraph, type Tensor } from '../../src/compiler/ir/graph.js';
import { GraphBuilder, perTensorQuant } from '../support/module.js';

type Layer = 'fully_connected' | 'conv2d';

const window = {
  ...{ strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 },
  ...{ padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 },
};

/**
 * Two inputs, a channel for each row of weights; relu after it. An accumulator is 0.01 of real
 * value, an output 0.04: a quarter of it, so that −6 is a tie, which one shift rounds up.
 */
function graphOf(rows: readonly (readonly number[])[], bias: readonly number[], op: Layer): Graph {
  const b = new GraphBuilder();
  const isRow = op === 'fully_connected';
  const x = b.input(isRow ? [1, 2] : [1, 1, 1, 2], perTensorQuant(0.5, 0));
  const shape = isRow ? [rows.length, 2] : [rows.length, 1, 1, 2];
  const weights = b.constant(Int8Array.from(rows.flat()), shape, perTensorQuant(0.02, 0));
  const attrs = { activation: 'none', rounding: 'double', ...(isRow ? {} : window) };
  const inputs = [x, weights, b.constant(Int32Array.from(bias))];
  const y = b.node(op, inputs, attrs, { name: 'layer', quant: perTensorQuant(0.04, 0) });
  return mainGraph(b.module([b.node('relu', [y], {}, { name: 'after' })]));
}

const proofOf = (rows: readonly (readonly number[])[], bias: readonly number[], op: Layer) => {
  const graph = graphOf(rows, bias, op);
  return proofsOf(graph, graph)[0];
};

describe('analysis: proofs', () => {
  const widths: [edge: string, weight: number, bias: number, bits: number][] = [
    ['−128 to 127', 1, 0, 8],
    ['−127 to 128', 1, 1, 9],
    ['−129 to 126', 1, -1, 9],
    ['−256 to 254', 2, 0, 9],
    ['−127 to 128, of a negative weight', -1, 0, 9],
    ['0', 0, 0, 1],
    ['−1', 0, -1, 1],
    ['1', 0, 1, 2],
  ];
  for (const op of ['fully_connected', 'conv2d'] as const) {
    for (const [edge, weight, bias, bits] of widths) {
      it(`${op}: an accumulator of ${edge} needs ${bits} bits`, () => {
        expect(proofOf([[weight, 0]], [bias], op)?.accumulator?.bits).to.equal(bits);
      });
    }

    it(`${op}: channels that hold one value, and those that meet no tie`, () => {
      // −128 to 127 meets −6, which is −1.5, as the last one always is; always 4 is 1.
      const proof = proofOf(
        [
          [1, 0],
          [0, 0],
          [0, 0],
        ],
        [0, 4, -6],
        op,
      );
      expect(proof).to.deep.equal({
        ...{ op, name: 'layer', ops: [0] },
        ...{ channels: 3, constantChannels: 2, liveChannels: 3, macs: 6, liveMacs: 6 },
        range: [-32, 32],
        accumulator: { bits: 8, tieFreeChannels: 1 },
      });
    });
  }

  const all = graphOf(
    [
      [1, 0],
      [0, 0],
    ],
    [0, 200],
    'fully_connected',
  );

  it('of the remaining layers are those of the graph after the passes', () => {
    const left = graphOf([[1, 0]], [0], 'fully_connected');
    const [proof] = proofsOf(all, left);
    expect(proof).to.deep.include({ channels: 2, liveChannels: 1, macs: 4, liveMacs: 2 });
    expect(proof?.range, 'without the channel that is always 50').to.deep.equal([-32, 32]);
  });

  it('leave out the accumulator of operators that have none, and name fused operators', () => {
    const nodes = all.nodes.map((node) => ({ ...node, fused: ['pad', 'relu'] }));
    const [, proof] = proofsOf({ ...all, nodes }, all);
    expect(proof).to.deep.include({ op: 'relu+pad+relu', name: 'after', accumulator: null });
    expect(proof?.range).to.deep.equal([0, 50]);
  });

  it('leave out nodes that are gone, and those that write no int8', () => {
    expect(proofsOf(all, { ...all, nodes: all.nodes.slice(0, 1) })).to.have.length(1);
    const retyped = all.tensors.map((tensor): Tensor => ({ ...tensor, dtype: 'int16' }));
    expect(proofsOf({ ...all, tensors: retyped }, all)).to.deep.equal([]);
  });
});
