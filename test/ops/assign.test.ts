/** assign, over sequences. */
import { expect } from 'chai';
import { type Module, mainGraph } from '../../src/compiler/ir/graph.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { GraphBuilder, Random } from '../support/module.js';
import { expectSameBits } from '../support/native.js';

/** Reads the state before its change and after it, and assigns its sum with the input. */
function counter(length: number, initial: Int8Array): Module {
  const b = new GraphBuilder();
  const x = b.input([1, length]);
  const state = b.state(initial, [1, length]);
  const before = b.node('reshape', [state], { shape: [1, length] });
  const sum = b.node('add', [state, x], { activation: 'none' });
  const next = b.changes(state, b.node('assign', [state, sum]));
  const after = b.node('relu', [next]);
  return b.module([b.node('concatenation', [before, after], { axis: 1, activation: 'none' })]);
}

describe('operator assign', () => {
  it('gives the old value to readers before it, and the new one to readers after it', () => {
    const graph = mainGraph(counter(2, Int8Array.of(3, 13)));
    const first = evaluateGraph(graph, [Int8Array.of(5, 5)]);
    // Zero point 3 and one scale: 0 + 2 and 10 + 2.
    expect([...(first.outputs[0] ?? [])]).to.deep.equal([3, 13, 5, 15]);
    const second = evaluateGraph(graph, [Int8Array.of(4, 4)], first.states);
    expect([...(second.outputs[0] ?? [])]).to.deep.equal([5, 15, 6, 16]);
  });

  it('in C gives the bits of evaluate over a sequence', () => {
    const random = new Random(5);
    const modules = [1, 3, 4, 17].map((length) => counter(length, random.int8(length)));
    return expectSameBits(modules, { runs: 6 });
  });

  it('refuses a value of another shape', () => {
    const b = new GraphBuilder();
    const state = b.state(new Int8Array(2), [1, 2]);
    expect(() => b.node('assign', [state, b.input([1, 3])]))
      .to.throw()
      .with.property('code', 'bad-shape');
  });
});
