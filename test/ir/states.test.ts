/** States in the IR: what is checked, printed, ordered and kept by passes. */
import { expect } from 'chai';
import { checkModule } from '../../src/compiler/ir/check.js';
import { type Graph, type Module, mainGraph, type State } from '../../src/compiler/ir/graph.js';
import { inStateOrder } from '../../src/compiler/ir/order.js';
import { printModule } from '../../src/compiler/ir/print.js';
import { operators } from '../../src/compiler/ops/index.js';
import { removeDeadNodes } from '../../src/compiler/passes/remove-dead-nodes.js';
import { orderSteps } from '../../src/compiler/plan/schedule/order.js';
import { BonsaiError, InternalError } from '../../src/errors.js';
import { GraphBuilder } from '../support/module.js';

/** Tensors: 0 input, 1 state, 2 its copy, 3 its next value, 4 output. Nodes: reshape, assign, add. */
function valid(): Module {
  const b = new GraphBuilder();
  const x = b.input([1, 4]);
  const state = b.state(Int8Array.of(1, 2, 3, 4), [1, 4]);
  const copy = b.node('reshape', [state], { shape: [1, 4] });
  const next = b.changes(state, b.node('assign', [state, x]));
  return b.module([b.node('add', [copy, next], { activation: 'none' })]);
}

const withGraph = (change: (graph: Graph) => Partial<Graph>): Module => {
  const module = valid();
  const graph = mainGraph(module);
  return { ...module, graphs: [{ ...graph, ...change(graph) }] };
};
const withState = (change: Partial<State>) =>
  withGraph(({ states = [] }) => ({ states: states.map((state) => ({ ...state, ...change })) }));

const rows: readonly (readonly [edge: string, says: RegExp, module: () => Module])[] = [
  [
    'a next value of another shape',
    /is int8\[1, 4\], its next value undefined/,
    () => withState({ next: 9 }),
  ],
  [
    'too few initial elements',
    /3 initial elements/,
    () => withState({ initial: new Int8Array(3) }),
  ],
  ['initial elements of another type', /no int8/, () => withState({ initial: new Int16Array(4) })],
  [
    'a next value that is not made of the state',
    /no node that reads it/,
    () => withState({ next: 4 }),
  ],
  ['a state that nothing changes', /no node that reads it/, () => withState({ next: 1 })],
  [
    'a reader of the old value after the change',
    /is read by operator 0 \(reshape\) "reshape_0" after it has changed/,
    () =>
      withGraph(({ nodes }) => ({
        nodes: [1, 0, 2].map((i) => nodes[i]).filter((n) => n !== undefined),
      })),
  ],
  ['a state as an output', /is an output/, () => withGraph(() => ({ outputs: [3] }))],
  ['a state as an input', /written already/, () => withGraph(() => ({ inputs: [0, 1] }))],
];

describe('states in the IR', () => {
  it('a valid one passes', () => checkModule(valid(), operators, 'import'));

  for (const [edge, says, module] of rows) {
    it(`${edge}: the model's fault at import, the pass's later`, () => {
      const counted = () => {
        const made = module();
        const names = (count: number) => Array.from({ length: count }, (_, i) => `t${i}`);
        const { inputs, outputs } = mainGraph(made);
        return { ...made, inputNames: names(inputs.length), outputNames: names(outputs.length) };
      };
      expect(() => checkModule(counted(), operators, 'import')).to.throw(BonsaiError, says);
      expect(() => checkModule(counted(), operators, 'a-pass')).to.throw(InternalError, says);
    });
  }

  it('the listing has the state, its initial elements as a hash, and its next value', () => {
    const lines = printModule(valid()).split('\n');
    expect(lines[3]).to.match(
      /^ {2}%1 = state "state_0" {2}int8\[1, 4\] q\(0\.5, 3\) #[0-9a-f]{8} -> %3$/,
    );
    const other = printModule(withState({ initial: Int8Array.of(1, 2, 3, 5) })).split('\n');
    expect(other[3]).to.not.equal(lines[3]);
  });

  it('a change moves back behind the readers of the old value', () => {
    const graph = mainGraph(valid());
    const [reshape, assign, add] = graph.nodes;
    const mixed = { ...graph, nodes: [assign, reshape, add].filter((n) => n !== undefined) };
    expect(inStateOrder(mixed)?.nodes).to.deep.equal([reshape, assign, add]);
    expect(inStateOrder(graph)?.nodes, 'a valid order stays').to.deep.equal(graph.nodes);
  });

  it('there is no order if a reader of the old value needs the new one', () => {
    const graph = mainGraph(valid());
    const nodes = graph.nodes.map((node) =>
      node.op === 'add' ? { ...node, inputs: [1, 3] } : node,
    );
    expect(inStateOrder({ ...graph, nodes })).to.equal(null);
  });

  it('a state that no output depends on goes, with the node that changes it', () => {
    const b = new GraphBuilder();
    const x = b.input([1, 4]);
    const [used, unused] = [b.state(new Int8Array(4), [1, 4]), b.state(new Int8Array(4), [1, 4])];
    b.changes(unused, b.node('assign', [unused, x]));
    const y = b.node('add', [used, x], { activation: 'none' });
    // The next value is read by no node of this run, but by those of the next one.
    b.changes(used, b.node('assign', [used, x]));
    const { nodes, states } = removeDeadNodes(mainGraph(b.module([y])));
    expect(states?.map(({ tensor }) => tensor)).to.deep.equal([used]);
    expect(nodes.map(({ op }) => op)).to.deep.equal(['add', 'assign']);
  });

  it('a step that changes a state waits for all readers, though memory would want it first', () => {
    const b = new GraphBuilder();
    const x = b.input([1, 8]);
    const state = b.state(new Int8Array(8), [1, 8]);
    // The copy is large and lives long; the assignment would free the input.
    const copy = b.node('pad', [state], { pads: [0, 0, 0, 100] });
    const next = b.changes(state, b.node('assign', [state, x]));
    const sum = b.node('relu', [next]);
    const wide = b.node('pad', [sum], { pads: [0, 0, 0, 100] });
    const graph = mainGraph(b.module([b.node('add', [copy, wide], { activation: 'none' })]));
    const steps = [...graph.nodes.keys()];
    const none = steps.map(() => [{ scratchBytes: 0, overlaps: [] }]);
    const order = orderSteps({ graph, steps, keepInput: false }, none);
    expect(order.indexOf(0), 'the read comes first').to.be.below(order.indexOf(1));
  });
});
