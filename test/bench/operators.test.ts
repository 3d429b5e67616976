/** What `npm run bench -- --operators` says of measured layers, and the layers that it measures. */
import { expect } from 'chai';
import { depthwise, operatorGrid } from '../../bench/operators/grid.js';
import {
  type Measured,
  shapeOf,
  summarize,
  tableOf,
  textOf,
} from '../../bench/operators/summary.js';
import { loadTarget } from '../../src/boards/target/index.js';
import type { Layer } from '../../src/boards/tune/layers.js';
import { chosenTrials } from '../../src/boards/tune/trials.js';
import { mainGraph } from '../../src/compiler/ir/graph.js';
import { operators } from '../../src/compiler/ops/index.js';

const layer = (op: string, change: Partial<Layer> = {}): Layer => ({
  ...{ op, inputs: [[1, 8, 8, 4]], attrs: {} },
  ...change,
});

const measured = (op: string, count: number, change: Partial<Measured> = {}): Measured => ({
  ...{ layer: layer(op), template: 'portable/x', count, macs: 0, outputs: [[1, 8, 8, 4]] },
  ...change,
});

describe('bench --operators: summary', () => {
  it('compares layers with the median of their kind, the worst first', () => {
    const counts = [256, 512, 2560, 768];
    const [summary, ...others] = summarize(counts.map((count) => measured('add', count)));
    expect(others).to.deep.equal([]);
    expect(summary).to.include({ kind: 'add', unit: 'element', layers: 4, median: 2.5 });
    expect(summary?.rows.map(({ each }) => each)).to.deep.equal([10, 3, 2, 1]);
    expect(summary?.rows[0]?.ratio).to.equal(4);
  });

  const kinds: [edge: string, one: Measured, kind: string, each: number][] = [
    ['products', measured('conv2d', 8192, { macs: 4096 }), 'conv2d', 2],
    [
      '16 products an output are many',
      measured('conv2d', 1, { macs: 16 * 256 }),
      'conv2d',
      1 / 4096,
    ],
    [
      'fewer are a kind of their own',
      measured('conv2d', 1, { macs: 15 * 256 }),
      'conv2d, < 16 products an output',
      1 / 3840,
    ],
    [
      'fewer than 4 another one',
      measured('conv2d', 1, { macs: 3 * 256 }),
      'conv2d, < 4 products an output',
      1 / 768,
    ],
    ['elements of the output', measured('pad', 512), 'pad', 2],
    ['of all outputs', measured('split', 512, { outputs: [[128], [128]] }), 'split', 2],
    ['of the input, where it is averaged', measured('mean', 512, { outputs: [[1, 4]] }), 'mean', 2],
    [
      'of the window, where it slides',
      measured('max_pool2d', 512, {
        layer: layer('max_pool2d', { attrs: { kernelH: 2, kernelW: 4 } }),
        outputs: [[1, 4, 4, 4]],
      }),
      'max_pool2d',
      1,
    ],
    ['few elements', measured('pad', 254, { outputs: [[127]] }), 'pad, < 128 elements', 2],
  ];
  for (const [edge, one, kind, each] of kinds) {
    it(`counts ${edge}`, () => {
      const [summary] = summarize([one]);
      expect(summary?.kind).to.equal(kind);
      expect(summary?.median).to.be.closeTo(each, 1e-9);
    });
  }

  it('says shapes in words', () => {
    const slide = { stride: [2, 1], dilation: [1, 2] } as const;
    expect(shapeOf(depthwise([1, 9, 8, 4], 2, [3, 5], slide))).to.equal(
      '1×9×8×4, 3×5, stride 2×1, dilation 1×2, padded, multiplier 2',
    );
    expect(shapeOf(layer('add', { inputs: [[4], [1, 4]] }))).to.equal('4 and 1×4');
  });

  it('prints the kinds with the worst layers first, and a row for each', () => {
    const even = [256, 256, 256].map((count) => measured('add', count));
    const uneven = [256, 256, 2560].map((count) => measured('mul', count));
    const summaries = summarize([...even, ...uneven]);
    const lines = textOf(summaries).split('\n');
    expect(lines.filter((line) => !line.startsWith(' '))).to.deep.equal([
      'mul: 3 layers, median 1.00 for each element',
      'add: 3 layers, median 1.00 for each element',
    ]);
    expect(lines[1]).to.match(/^ {3}10\.00 {5}10\.0 {2}portable\/x +1×8×8×4$/);
    expect(tableOf(summaries).split('\n').at(-1)).to.equal(
      '| mul | element | 3 | 1.00 | 10.0 | 10.0 | portable/x | 1×8×8×4 |',
    );
  });
});

/** They need constants, states or other types than int8, which the grid has no form for. */
const unmeasured = [
  'add_n',
  'arg_extreme',
  'assign',
  'bucketize',
  'cast',
  'compare',
  'conv3d',
  'conv3d_transpose',
  'cumsum',
  'dequantize',
  'dynamic_update_slice',
  'floor_div',
  'floor_mod',
  'gather',
  'gather_nd',
  'interleave',
  'l2_pool2d',
  'logical',
  'logical_not',
  'lstm',
  'one_hot',
  'pow',
  'push',
  'real_function',
  'reduce_all',
  'reduce_any',
  'reduce_prod',
  'reverse_sequence',
  'select',
  'svdf',
  'take',
  'take_nd',
  'topk',
  'transpose_conv',
];

describe('bench --operators: grid', () => {
  it('has every operator that takes time', () => {
    const tried = new Set(operatorGrid().map(({ op }) => op));
    const free = ['expand_dims', 'if', 'reshape', 'squeeze', 'while'];
    expect([...tried, ...free, ...unmeasured].sort()).to.deep.equal([...operators.keys()].sort());
  });

  it('has one step for each layer, with the chosen kernel', () => {
    const target = loadTarget('stm32f405');
    const layers = operatorGrid().filter((_, i) => i % 10 === 0);
    const { module, trials } = chosenTrials(layers, { target, optimize: 'balanced' });
    expect(mainGraph(module).nodes.map(({ name }) => name)).to.deep.equal(
      trials.map(({ name }) => name),
    );
    expect(trials.map(({ layer }) => layer)).to.deep.equal(layers);
    for (const { template } of trials) expect(template).to.match(/^(portable|swar|dsp)\//);
  });
});
