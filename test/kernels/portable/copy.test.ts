/** Copies by words, halves and bytes: in C under sanitizers, and where loads must be aligned. */
import { expect } from 'chai';
import { loadTarget } from '../../../src/boards/target/index.js';
import {
  type Attrs,
  elementCount,
  type Module,
  mainGraph,
  type Node,
  type Shape,
  viewOf,
} from '../../../src/compiler/ir/graph.js';
import { matchesOf } from '../../../src/compiler/kernels/index.js';
import { expectSameBitsOnBoard } from '../../support/board.js';
import { GraphBuilder, perTensorQuant, Random } from '../../support/module.js';
import { expectSameBits } from '../../support/native.js';
import { noFacts } from '../../support/plan.js';

interface Row {
  readonly edge: string;
  readonly op: string;
  readonly inputs: readonly Shape[];
  readonly attrs: Attrs;
  readonly outputs?: number;
  /** Whether the first input is a constant. */
  readonly constant?: true;
  /** The flags of the first call that are set. */
  readonly flags: readonly string[];
}

const join = (inputs: readonly Shape[], axis = 3) => ({
  op: 'concatenation',
  inputs,
  attrs: { axis, activation: 'none' },
});
const pixels = (channels: number): Shape => [1, 4, 3, channels];
const slice = (shape: Shape, begin: Shape, strides: Shape, taken: Shape) => ({
  op: 'strided_slice',
  inputs: [shape],
  attrs: { begin, strides, counts: taken, shape: taken },
});

const rows: readonly Row[] = [
  { edge: 'a word', ...join([pixels(4), pixels(4)]), flags: ['words'] },
  { edge: 'two words', ...join([pixels(8), pixels(4)]), flags: ['words', 'pairs'] },
  { edge: 'three words', ...join([pixels(12), pixels(4)]), flags: ['words', 'triples'] },
  { edge: 'groups of four words', ...join([pixels(48), pixels(4)]), flags: ['quads', 'words'] },
  { edge: 'five words in a loop', ...join([pixels(20), pixels(4)]), flags: ['words'] },
  { edge: '16 words are a call', ...join([pixels(64), pixels(4)]), flags: ['contiguous'] },
  { edge: 'a half word', ...join([pixels(2), pixels(2)]), flags: ['halves'] },
  { edge: 'words at odd half words', ...join([pixels(4), pixels(2)]), flags: ['halves', 'pairs'] },
  { edge: 'three halves', ...join([pixels(6), pixels(4)]), flags: ['halves', 'triples'] },
  { edge: 'four halves', ...join([pixels(8), pixels(2)]), flags: ['halves', 'quads'] },
  { edge: 'words at odd bytes', ...join([pixels(4), pixels(1)]), flags: ['quads'] },
  {
    edge: 'a constant begins anywhere',
    ...join([pixels(4), pixels(4)]),
    constant: true,
    flags: ['quads'],
  },
  {
    edge: 'every other pixel of four channels, in nested loops',
    ...slice([2, 8, 7, 4], [0, 1, 1, 0], [1, 3, 2, 1], [2, 2, 3, 4]),
    flags: ['nested', 'words'],
  },
  {
    edge: 'from the last row to the first',
    ...slice([1, 4, 3, 4], [0, 3, 0, 0], [1, -1, 1, 1], [1, 4, 3, 4]),
    flags: ['triples', 'words'],
  },
  {
    edge: 'an offset that is no word',
    ...slice([1, 3, 8], [0, 0, 2], [1, 1, 1], [1, 3, 4]),
    flags: ['halves', 'pairs'],
  },
  {
    edge: 'every other channel',
    ...slice([1, 3, 8], [0, 0, 0], [1, 1, 2], [1, 3, 4]),
    flags: [],
  },
  {
    edge: 'pixels of eight channels turned',
    op: 'transpose',
    inputs: [[1, 4, 3, 8]],
    attrs: { perm: [0, 2, 1, 3] },
    flags: ['pairs', 'words'],
  },
  {
    edge: 'after filling',
    op: 'pad',
    inputs: [[1, 2, 2, 4]],
    attrs: { pads: [0, 0, 1, 1, 1, 1, 0, 0] },
    flags: ['fill', 'pairs', 'words'],
  },
  {
    edge: 'into two outputs',
    op: 'split',
    inputs: [pixels(24)],
    attrs: { axis: 3, count: 2 },
    outputs: 2,
    flags: ['triples', 'words'],
  },
];

function moduleOf({ op, inputs, attrs, outputs = 1, constant }: Row, seed: number): Module {
  const random = new Random(seed);
  const b = new GraphBuilder();
  const ids = inputs.map((shape, i) =>
    i === 0 && constant
      ? b.constant(random.int8(elementCount(shape)), shape, perTensorQuant(0.5, 3))
      : b.input(shape),
  );
  return b.module(b.nodeAll(op, ids, attrs, { outputs }));
}

/** Slices and concatenations of one to nine channels. */
function randomModule(seed: number): Module {
  const random = new Random(seed);
  const b = new GraphBuilder();
  const shape = [1, random.integer(1, 4), random.integer(1, 5), random.integer(1, 9)];
  const begin = shape.map((extent) => random.integer(0, extent - 1));
  const strides = shape.map(() => random.integer(1, 3));
  const taken = shape.map((extent, d) => {
    const left = extent - (begin[d] as number);
    return random.integer(1, Math.ceil(left / (strides[d] as number)));
  });
  const attrs = { begin, strides, counts: taken, shape: taken };
  const part = b.node('strided_slice', [b.input(shape)], attrs);
  const other = b.input([...taken.slice(0, 3), random.integer(1, 9)]);
  const join = { axis: 3, activation: 'none' };
  return b.module([part, b.node('concatenation', [part, other], join)]);
}

/** The flags that are set in the first call. */
function flagsOf(module: Module): readonly string[] {
  const graph = mainGraph(module);
  const view = viewOf(graph, graph.nodes[0] as Node);
  const target = { ...loadTarget('rp2040'), features: new Set<never>() };
  const context = { facts: noFacts, target, optimize: 'balanced' } as const;
  const [match] = matchesOf(view, context, () => true);
  const flags = match?.kernel.calls()[0]?.flags ?? {};
  return Object.keys(flags).filter((flag) => flags[flag]);
}

describe('portable/copy', function () {
  this.timeout(240_000);
  const modules = rows.map(moduleOf);
  const random = Array.from({ length: 40 }, (_, seed) => randomModule(seed));

  rows.forEach(({ edge, flags }, i) => {
    it(`copies ${edge}`, () => {
      expect(flagsOf(modules[i] as Module)).to.have.members(flags);
    });
  });

  it('gives the bits of evaluate in C', async () => {
    await expectSameBits([...modules, ...random]);
    await expectSameBits([...modules, ...random], { optimize: 'speed' });
  });

  it('gives them on the simulated RP2040, which loads words from aligned addresses alone', async () => {
    await expectSameBitsOnBoard([...modules, ...random], 'rp2040');
  });
});
