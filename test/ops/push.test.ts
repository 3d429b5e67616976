/** push, over sequences: no runtime has it, so `evaluate` is compared with its definition. */
import { expect } from 'chai';
import {
  allocate,
  type DType,
  elementCount,
  type Module,
  mainGraph,
  type Shape,
} from '../../src/compiler/ir/graph.js';
import { evaluateGraph, initialStates } from '../../src/compiler/ops/evaluate.js';
import { BonsaiError } from '../../src/errors.js';
import { GraphBuilder, perTensorQuant, Random } from '../support/module.js';
import { expectSameBits } from '../support/native.js';

interface PushCase {
  readonly window: Shape;
  readonly axis: number;
  readonly frames: number;
  /** int8 if not given. */
  readonly dtype?: DType;
}

/** A window that moves on, and a copy of it as the output. */
function moduleOf({ window, axis, frames, dtype = 'int8' }: PushCase, seed: number): Module {
  const b = new GraphBuilder();
  const quant = dtype === 'float32' ? null : perTensorQuant(0.5, 0);
  const x = b.input(window.with(axis, frames), quant, 'frames', dtype);
  const initial = allocate(dtype, elementCount(window));
  initial.set(new Random(seed).int8(initial.length) as never);
  const state = b.state(initial, window, quant);
  const next = b.changes(state, b.node('push', [state, x], { axis }));
  return b.module([b.node('reshape', [next], { shape: window })]);
}

const rows: readonly (readonly [edge: string, row: PushCase])[] = [
  ['one row at a time', { window: [1, 4, 1, 3], axis: 1, frames: 1 }],
  ['rows of 16 bytes, moved by four words', { window: [1, 5, 1, 16], axis: 1, frames: 1 }],
  ['rows of 8 bytes, moved by two words', { window: [1, 4, 1, 8], axis: 1, frames: 1 }],
  ['rows of 4 bytes, moved by single words', { window: [1, 6, 1, 4], axis: 1, frames: 1 }],
  ['several rows', { window: [1, 5, 2, 2], axis: 1, frames: 3 }],
  ['the whole window', { window: [1, 3, 2], axis: 1, frames: 3 }],
  ['the first dimension', { window: [3, 4], axis: 0, frames: 2 }],
  ['the last dimension: many blocks', { window: [1, 3, 2, 5], axis: 3, frames: 2 }],
  ['int16', { window: [1, 4, 1, 3], axis: 1, frames: 1, dtype: 'int16' }],
  ['int16 in many blocks', { window: [2, 3, 2], axis: 1, frames: 1, dtype: 'int16' }],
  ['int16, all new', { window: [2, 3, 1], axis: 1, frames: 3, dtype: 'int16' }],
  ['float32, moved by words', { window: [1, 3, 2], axis: 1, frames: 1, dtype: 'float32' }],
  ['many blocks, all new', { window: [2, 3, 2], axis: 1, frames: 3 }],
];

describe('operator push', () => {
  it('forgets the oldest rows and appends the new ones', () => {
    const b = new GraphBuilder();
    const x = b.input([1, 2, 2]);
    const state = b.state(Int8Array.of(1, 2, 3, 4, 5, 6), [1, 3, 2]);
    const next = b.changes(state, b.node('push', [state, x], { axis: 1 }));
    const graph = mainGraph(b.module([b.node('reshape', [next], { shape: [6] })]));
    const first = evaluateGraph(graph, [Int8Array.of(7, 8, 9, 10)]);
    expect([...(first.outputs[0] ?? [])]).to.deep.equal([5, 6, 7, 8, 9, 10]);
    const second = evaluateGraph(graph, [Int8Array.of(1, 1, 2, 2)], first.states);
    expect([...(second.outputs[0] ?? [])]).to.deep.equal([9, 10, 1, 1, 2, 2]);
    expect([...(initialStates(graph)[0] ?? [])], 'the initial value stays').to.deep.equal([
      1, 2, 3, 4, 5, 6,
    ]);
  });

  it('in C gives the bits of evaluate over a sequence', () =>
    expectSameBits(
      rows.map(([, row], seed) => moduleOf(row, seed)),
      { runs: 7 },
    ));
  it('in C gives the bits of evaluate over a sequence, a kernel for each shape', () =>
    expectSameBits(
      rows.map(([, row], seed) => moduleOf(row, seed)),
      { runs: 7, optimize: 'speed' },
    ));

  it('refuses more rows than the window has, and another quantization', () => {
    const codeOf = (act: () => unknown) => {
      try {
        act();
      } catch (error) {
        return (error as BonsaiError).code;
      }
      return null;
    };
    expect(codeOf(() => moduleOf({ window: [1, 2, 1], axis: 1, frames: 3 }, 1))).to.equal(
      'bad-shape',
    );
    const b = new GraphBuilder();
    const x = b.input([1, 1, 2], perTensorQuant(0.25, 3));
    const state = b.state(new Int8Array(4), [1, 2, 2]);
    const next = b.changes(state, b.node('push', [state, x], { axis: 1 }));
    expect(codeOf(() => b.module([b.node('relu', [next])]))).to.equal('bad-quantization');
    expect(BonsaiError).to.be.a('function');
  });
});
