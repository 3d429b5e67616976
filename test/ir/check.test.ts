/** What checkModule finds: one row for each promise that a pass can break. */
import { expect } from 'chai';
import { checkModule } from '../../src/compiler/ir/check.js';
import {
  type Graph,
  type Module,
  mainGraph,
  type Node,
  type Tensor,
  tensorOf,
} from '../../src/compiler/ir/graph.js';
import { operators } from '../../src/compiler/ops/index.js';
import { BonsaiError, InternalError } from '../../src/errors.js';
import { GraphBuilder, perTensorQuant } from '../support/module.js';

/** Tensors: 0 input, 1 constant, 2 sum, 3 output. Nodes: add, relu. */
function valid(): Module {
  const graph = new GraphBuilder();
  const input = graph.input([1, 4]);
  const constant = graph.constant(Int8Array.of(1, 2, 3, 4), [1, 4], perTensorQuant(0.5, 0));
  const [sum = 0] = graph.nodeAll('add', [input, constant], { activation: 'none' });
  const outputs = graph.nodeAll('relu', [sum], {});
  return graph.module(outputs);
}

const withGraph = (change: (graph: Graph) => Partial<Graph>): Module => {
  const module = valid();
  const graph = mainGraph(module);
  return { ...module, graphs: [{ ...graph, ...change(graph) }] };
};
const withTensor = (id: number, change: Partial<Tensor>) =>
  withGraph((graph) => ({
    tensors: graph.tensors.with(id, { ...tensorOf(graph, id), ...change }),
  }));
const withNode = (index: number, change: Partial<Node>) =>
  withGraph((graph) => ({
    nodes: graph.nodes.with(index, { ...(graph.nodes[index] as Node), ...change }),
  }));

const rows: readonly (readonly [edge: string, says: RegExp, module: () => Module])[] = [
  ['no graph', /no graph/, () => ({ ...valid(), graphs: [] })],
  ['an input id beyond the list', /tensor 9/, () => withGraph(() => ({ inputs: [9] }))],
  ['an operand id beyond the list', /tensor 9/, () => withNode(1, { inputs: [9] })],
  ['a result id beyond the list', /tensor 9/, () => withNode(1, { outputs: [9] })],
  ['an output that nothing writes', /nothing writes/, () => withNode(1, { outputs: [] })],
  ['nodes out of order', /before/, () => withGraph(({ nodes }) => ({ nodes: nodes.toReversed() }))],
  ['a tensor written twice', /written already/, () => withNode(1, { outputs: [2] })],
  ['a constant written', /constant/, () => withNode(1, { outputs: [1] })],
  ['an operator that is not known', /not known/, () => withNode(1, { op: 'nonsense' })],
  ['too few results', /outputs|nothing writes/, () => withNode(1, { outputs: [] })],
  ['another shape than the operator has', /declared/, () => withTensor(3, { shape: [4, 1] })],
  ['an extent of 0', /shape/, () => withTensor(3, { shape: [1, 0] })],
  ['an extent that is no integer', /shape/, () => withTensor(3, { shape: [1.5, 4] })],
  [
    'fewer elements than the shape says',
    /3 elements/,
    () => withTensor(1, { data: new Int8Array(3) }),
  ],
  ['data of another type', /int8/, () => withTensor(1, { data: new Uint8Array(4) })],
  ['a scale of 0', /scale 0/, () => withTensor(0, { quant: perTensorQuant(0, 0) })],
  [
    'a zero point outside int8',
    /zero point 200/,
    () => withTensor(0, { quant: perTensorQuant(1, 200) }),
  ],
  [
    'scales for channels that are not there',
    /2 scales for 4/,
    () => withTensor(0, { quant: { scales: [1, 1], zeroPoints: [0, 0], axis: 1 } }),
  ],
  ['a type that the operator cannot take', /./, () => withTensor(0, { dtype: 'int16' })],
];

describe('checkModule', () => {
  it('passes a valid module', () => checkModule(valid(), operators, 'import'));

  for (const [edge, says, module] of rows) {
    it(`${edge}: the model's fault at import, the pass's later`, () => {
      expect(() => checkModule(module(), operators, 'import')).to.throw(BonsaiError, says);
      expect(() => checkModule(module(), operators, 'fold-constants'))
        .to.throw(InternalError, says)
        .with.property('stage', 'fold-constants');
    });
  }

  it('not one name for each port is always a bug', () => {
    const module = { ...valid(), inputNames: [] };
    expect(() => checkModule(module, operators, 'import')).to.throw(InternalError, /input/);
  });

  it('a float node is checked for its shape only', () => {
    const { graphs } = valid();
    const tensors = (graphs[0]?.tensors ?? []).map((tensor) => ({
      ...tensor,
      dtype: 'float32' as const,
      quant: null,
      data: tensor.data === null ? null : Float32Array.of(1, 2, 3, 4),
    }));
    checkModule({ ...valid(), graphs: [{ ...mainGraph(valid()), tensors }] }, operators, 'import');
  });
});
