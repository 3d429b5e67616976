/** Zeros and their patterns: planted ones are named, and whatever is named holds. */
import { expect } from 'chai';
import fc from 'fast-check';
import { grouped, type Keep, patterns, type Uniform } from '../../src/boards/tune/pruning.js';
import { type LayerSparsity, sparsityOf } from '../../src/compiler/analysis/sparsity.js';
import { type Module, mainGraph, type Shape, viewOf } from '../../src/compiler/ir/graph.js';
import { GraphBuilder, perTensorQuant, Random } from '../support/module.js';
import { keptWeights, prunedLayer } from '../support/pruned.js';
import { runs } from '../support/runs.js';

function sparsityOfFirst(module: Module): LayerSparsity {
  const graph = mainGraph(module);
  const [node] = graph.nodes;
  if (node === undefined) throw new RangeError('no node');
  return sparsityOf(viewOf(graph, node)) as LayerSparsity;
}

const window = {
  ...{ strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 },
  ...{ padTop: 1, padBottom: 1, padLeft: 1, padRight: 1 },
  ...{ activation: 'none', rounding: 'double' },
};

function layer(op: string, input: Shape, shape: Shape, data: Int8Array, attrs = {}): Module {
  const b = new GraphBuilder();
  const weights = b.constant(data, shape, perTensorQuant(0.01, 0));
  const all = { ...(op === 'fully_connected' ? {} : window), ...attrs };
  return b.module([b.node(op, [b.input(input), weights, null], all)]);
}

/** `count` of each `size` channels, not the same ones in every group. */
function ofEach(uniform: Uniform, count: number, size: number): Keep {
  const isMoved = grouped(uniform, 0.5, (o, tap, c) => [o, tap, Math.floor(c / size)]);
  return (o, tap, c) => (c + (isMoved(o, tap, c) ? 1 : 0)) % size < count;
}

type KeepOf = (uniform: Uniform, density: number) => Keep;

/** By its name in the analysis. */
const planted: Readonly<Record<string, KeepOf | undefined>> = {
  filters: patterns.filters,
  'input channels': patterns['input channels'],
  taps: patterns.taps,
  'block 4x4': patterns['blocks 4x4'],
  'block 1x8': (uniform, density) => grouped(uniform, density, (o, tap, c) => [o, tap, c >> 3]),
  'block 4x1': patterns['blocks 4x1'],
  'block 1x4': patterns['blocks 1x4'],
  '1:2': (uniform) => ofEach(uniform, 1, 2),
  '1:4': (uniform) => ofEach(uniform, 1, 4),
  '2:4': (uniform) => ofEach(uniform, 2, 4),
  '1:8': (uniform) => ofEach(uniform, 1, 8),
  '3:8': (uniform) => ofEach(uniform, 3, 8),
  unstructured: patterns.unstructured,
};

/** Of the weights at (o, tap, c): which are stored together. Written apart from the analysis. */
function partOf(pattern: string, o: number, tap: number, c: number, channels: number): string {
  const column = tap * channels + c;
  const [, rows = 1, columns = 1] = /^block (\d)x(\d)$/.exec(pattern)?.map(Number) ?? [];
  switch (pattern) {
    case 'dense':
      return '';
    case 'filters':
      return `${o}`;
    case 'input channels':
      return `${c}`;
    case 'taps':
      return `${tap}`;
    default:
      return `${Math.floor(o / rows)},${Math.floor(column / columns)}`;
  }
}

describe('sparsity', () => {
  for (const [pattern, keepOf] of Object.entries(planted)) {
    it(`names ${pattern}`, () => {
      const densities = fc.constantFrom(0.05, 0.2, 0.5, 0.8, 0.95);
      fc.assert(
        fc.property(densities, fc.nat(), (density, seed) => {
          const random = new Random(seed);
          const shape = [32, 3, 3, 32];
          const keep = keepOf?.(() => random.integer(0, 999) / 1000, density) as Keep;
          const data = keptWeights(random, shape, keep);
          const found = sparsityOfFirst(layer('conv2d', [1, 4, 4, 32], shape, data));
          const kept = data.filter((weight) => weight !== 0).length;
          const name = kept === 0 ? 'filters' : kept === data.length ? 'dense' : pattern;
          expect(found).to.include({ pattern: name, stored: kept, zeros: data.length - kept });
        }),
        { numRuns: runs(12) },
      );
    });
  }

  it('tells of random layers what counting by hand tells', () => {
    const ops = fc.constantFrom('conv2d', 'fully_connected');
    const names = new Set<string>();
    fc.assert(
      fc.property(ops, fc.nat(), (op, seed) => {
        const module = prunedLayer(op as 'conv2d', seed, 24);
        const [, weights] = viewOf(mainGraph(module), mainGraph(module).nodes[0] as never).inputs;
        const data = weights?.data as Int8Array;
        const [outputs = 1, ...rest] = weights?.shape ?? [];
        const channels = rest.at(-1) ?? 1;
        const taps = data.length / outputs / channels;
        const found = sparsityOfFirst(module);
        const parts = (pattern: string) => {
          const sizes = new Map<string, number>();
          const full = new Set<string>();
          data.forEach((weight, i) => {
            const [o, tap] = [Math.floor(i / channels / taps), Math.floor(i / channels) % taps];
            const part = partOf(pattern, o, tap, i % channels, channels);
            sizes.set(part, (sizes.get(part) ?? 0) + 1);
            if (weight !== 0) full.add(part);
          });
          const stored = [...full].reduce((sum, part) => sum + (sizes.get(part) ?? 0), 0);
          return { stored, empty: sizes.size - full.size };
        };
        const [, count, size] = /^(\d+):(\d+)$/.exec(found.pattern)?.map(Number) ?? [];
        const stored =
          count === undefined || size === undefined
            ? parts(found.pattern).stored
            : (data.length / size) * count;
        expect(found).to.include({
          stored,
          count: data.length,
          zeros: data.filter((weight) => weight === 0).length,
          zeroFilters: parts('filters').empty,
          zeroInputChannels: parts('input channels').empty,
          zeroTaps: parts('taps').empty,
          distinctValues: new Set(data).size,
        });
        names.add(found.pattern);
      }),
      { numRuns: runs(150) },
    );
    expect([...names]).to.include.members(['dense', 'filters', 'unstructured', 'block 4x4']);
  });

  const rows: readonly (readonly [edge: string, module: Module, found: object])[] = [
    [
      'a filter of a depthwise convolution is a column of its weights',
      layer(
        'depthwise_conv2d',
        [1, 4, 4, 2],
        [1, 1, 3, 4],
        Int8Array.of(1, 0, 2, 3, 4, 0, 5, 6, 7, 0, 8, 9),
        { depthMultiplier: 2 },
      ),
      { pattern: 'filters', stored: 9, zeroFilters: 1, zeroInputChannels: 0, zeroTaps: 0 },
    ],
    [
      'both filters of an input channel, with a depth multiplier of 2',
      layer('depthwise_conv2d', [1, 4, 4, 2], [1, 1, 2, 4], Int8Array.of(1, 2, 0, 0, 4, 5, 0, 0), {
        depthMultiplier: 2,
      }),
      { zeroFilters: 2, zeroInputChannels: 1 },
    ],
    [
      'an input channel of a group is not that of another group',
      layer('conv2d', [1, 4, 4, 4], [2, 1, 1, 2], Int8Array.of(0, 1, 2, 3)),
      { zeroInputChannels: 1, zeroFilters: 0 },
    ],
    [
      'a fully connected layer over an image has pixels for taps',
      layer(
        'fully_connected',
        [1, 1, 3, 2],
        [2, 6],
        Int8Array.of(1, 2, 0, 0, 3, 4, 5, 6, 0, 0, 7, 8),
        { activation: 'none', rounding: 'double' },
      ),
      { pattern: 'taps', zeroTaps: 1, zeroInputChannels: 0, stored: 8 },
    ],
    [
      'values of 4 bits',
      layer('conv2d', [1, 4, 4, 4], [2, 1, 1, 4], Int8Array.of(-8, 7, 1, 0, 3, -2, -8, 7)),
      { distinctValues: 6, valueBits: 4 },
    ],
    [
      'two values as far apart as they can be',
      layer('conv2d', [1, 4, 4, 4], [1, 1, 1, 4], Int8Array.of(-128, 127, 127, -128)),
      { distinctValues: 2, valueBits: 8, pattern: 'dense' },
    ],
    [
      'a single weight that is zero',
      layer('conv2d', [1, 4, 4, 1], [1, 1, 1, 1], Int8Array.of(0)),
      { pattern: 'filters', stored: 0, zeros: 1, distinctValues: 1, valueBits: 0 },
    ],
  ];
  it('at most two of each four, though seldom: the positions of each weight take fewer bits', () => {
    const random = new Random(1);
    const data = new Int8Array(96);
    for (let first = 0; first < 96; first += 4) {
      const most = first % 12 === 0 ? 1 : 2;
      const start = random.integer(0, 2);
      for (let i = 0; i < most; i++) data[first + start + i] = random.integer(1, 127);
    }
    const { pattern } = sparsityOfFirst(layer('conv2d', [1, 4, 4, 12], [8, 1, 1, 12], data));
    expect(pattern).to.equal('unstructured');
  });

  it('one of each two, across taps of three channels, is no 1:2', () => {
    const data = Int8Array.from({ length: 24 }, (_, i) =>
      (i + Math.floor(i / 12)) % 2 === 0 ? i + 1 : 0,
    );
    const { pattern } = sparsityOfFirst(layer('conv2d', [1, 4, 4, 3], [2, 2, 2, 3], data));
    expect(pattern).to.equal('unstructured');
  });

  it('other nodes, and weights of float32, have none', () => {
    const b = new GraphBuilder();
    const x = b.input([1, 4, 4, 2], null, 'x', 'float32');
    const weights = b.constant(new Float32Array(6), [3, 1, 1, 2]);
    const y = b.node('conv2d', [x, weights, null], window);
    const graph = mainGraph(b.module([b.node('relu', [y])]));
    for (const node of graph.nodes) expect(sparsityOf(viewOf(graph, node))).to.equal(null);
  });

  for (const [edge, module, found] of rows) {
    it(edge, () => expect(sparsityOfFirst(module)).to.include(found));
  }
});
