/** Networks over time that take new frames alone: the bits of the whole window, computed once. */
import { expect } from 'chai';
import { modelSize } from '../../src/compiler/analysis/index.js';
import { checkModule } from '../../src/compiler/ir/check.js';
import {
  type Attrs,
  elementCount,
  type Module,
  mainGraph,
  type TensorId,
  tensorOf,
} from '../../src/compiler/ir/graph.js';
import { evaluateGraph, initialStates } from '../../src/compiler/ops/evaluate.js';
import { operators } from '../../src/compiler/ops/index.js';
import { runPasses } from '../../src/compiler/passes/index.js';
import { type Stream, streamed } from '../../src/compiler/passes/stream.js';
import { GraphBuilder, perTensorQuant, Random } from '../support/module.js';
import { expectSameBits } from '../support/native.js';

/** Adds layers to `x`; the last tensor is the output. */
type Layers = (b: Net, x: TensorId) => TensorId;

class Net extends GraphBuilder {
  private readonly random = new Random(3);

  /** A convolution with the kernel [time, space]; the window moves without padding. */
  conv(
    x: TensorId,
    channels: number,
    kernel: readonly [number, number],
    change: Attrs = {},
  ): TensorId {
    const depth = this.shape(x)[3] ?? 1;
    return this.layer('conv2d', x, [channels, ...kernel, depth], channels, change);
  }

  depthwise(x: TensorId, time: number, change: Attrs = {}): TensorId {
    const depth = this.shape(x)[3] ?? 1;
    const all = { depthMultiplier: 1, ...change };
    return this.layer('depthwise_conv2d', x, [1, time, 1, depth], depth, all);
  }

  dense(x: TensorId, outputs: number, change: Attrs = {}): TensorId {
    const depth = this.shape(x).at(-1) ?? 1;
    const data = this.random.int8(outputs * depth);
    const operands = [x, this.constant(data, [outputs, depth], perTensorQuant(0.01, 0)), null];
    const attrs = { activation: 'none', rounding: 'double', keepDims: false, ...change };
    return this.node('fully_connected', operands, attrs, { quant: perTensorQuant(0.7, -3) });
  }

  pool(op: string, x: TensorId, time: number, stride: number): TensorId {
    const attrs = {
      ...noPads,
      kernelH: time,
      kernelW: 1,
      strideH: stride,
      strideW: 1,
      activation: 'none',
    };
    return this.node(op, [x], attrs);
  }

  slice(x: TensorId, begin: number, count: number): TensorId {
    const counts = this.shape(x).with(1, count);
    return this.sliceTo(x, [0, begin, 0, 0], counts, counts);
  }

  /** The elements [begin, begin + counts), as `shape`. */
  sliceTo(x: TensorId, begin: number[], counts: readonly number[], shape: readonly number[]) {
    const attrs = { begin, strides: begin.map(() => 1), counts, shape };
    return this.node('strided_slice', [x], attrs);
  }

  private layer(op: string, x: TensorId, shape: number[], channels: number, change: Attrs) {
    const data = this.random.int8(elementCount(shape), -127, 127);
    const bias = this.constant(this.random.int32(channels, -999, 999));
    const operands = [x, this.constant(data, shape, perTensorQuant(0.02, 0)), bias];
    const attrs = {
      ...{ ...noPads, strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 },
      ...{ activation: 'none', rounding: 'double', ...change },
    };
    return this.node(op, operands, attrs, { quant: perTensorQuant(0.9, 5) });
  }
}

const noPads = { padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 };
const flat = (b: Net, x: TensorId) =>
  b.node('reshape', [x], { shape: [1, elementCount(b.shape(x))] });

const narrow = (b: Net, x: TensorId) =>
  b.node(
    'quantize',
    [x],
    { algorithm: 'scalar' },
    { quant: perTensorQuant(0.5, 3), dtype: 'int8' },
  );

interface Row {
  readonly edge: string;
  readonly shape?: readonly number[];
  readonly stream?: Stream;
  readonly layers: Layers;
  /** Multiply-accumulates of a run. */
  readonly macs?: number;
  /** Rows that states hold, of the sizes of the tensors. */
  readonly windows?: readonly number[];
  readonly notes?: readonly RegExp[];
}

const rows: readonly Row[] = [
  {
    edge: 'convolutions without padding: only new columns',
    layers: (b, x) => b.dense(flat(b, b.conv(b.conv(x, 3, [3, 1]), 2, [6, 1])), 2),
    macs: 3 * 3 * 2 + 2 * 6 * 3 + 4,
    windows: [3, 6],
  },
  {
    edge: 'a flatten over several columns: the state collects them',
    layers: (b, x) => b.dense(flat(b, b.conv(x, 3, [3, 1])), 2),
    windows: [3, 6],
  },
  {
    edge: 'depthwise, 1x1, dilation and an activation',
    layers: (b, x) => {
      const y = b.depthwise(b.conv(x, 4, [1, 1]), 3, { dilationH: 2 });
      return b.dense(flat(b, b.depthwise(b.node('relu', [y]), 4)), 3);
    },
    windows: [5, 4],
  },
  {
    edge: 'a sum of each column with each: an operand of fewer dimensions has its time elsewhere',
    shape: [1, 8, 4],
    layers: (b, x) => {
      const y = b.node('expand_dims', [x], { shape: [1, 8, 1, 4] });
      return b.dense(flat(b, b.node('add', [y, x], { activation: 'none' })), 2);
    },
  },
  {
    edge: 'a stride with rows that no window reads: they are delayed',
    stream: { axis: 1, hop: 2 },
    shape: [1, 9, 1, 2],
    layers: (b, x) => b.dense(flat(b, b.conv(x, 3, [4, 1], { strideH: 2 })), 2),
    windows: [5, 3],
  },
  {
    edge: 'two strides, and a hop of their product',
    stream: { axis: 1, hop: 4 },
    shape: [1, 16, 1, 2],
    layers: (b, x) => {
      const y = b.conv(x, 3, [3, 1], { strideH: 2 });
      return b.dense(flat(b, b.pool('max_pool2d', y, 2, 2)), 2);
    },
  },
  {
    edge: 'pools over time, average and max',
    layers: (b, x) => flat(b, b.pool('average_pool2d', b.pool('max_pool2d', x, 3, 1), 2, 1)),
  },
  {
    edge: 'a sum with a branch that was cut to its columns',
    layers: (b, x) => {
      const y = b.conv(x, 2, [3, 1]);
      const sum = b.node('add', [y, b.slice(x, 1, 6)], { activation: 'none' });
      return b.dense(flat(b, b.conv(sum, 2, [6, 1])), 2);
    },
  },
  {
    edge: 'branches side by side, joined over channels',
    layers: (b, x) => {
      const [y, z] = [b.conv(x, 2, [3, 1]), b.slice(b.conv(x, 3, [2, 1]), 1, 6)];
      const both = b.node('concatenation', [y, z], { axis: 3, activation: 'none' });
      return b.dense(flat(b, b.conv(both, 2, [6, 1])), 2);
    },
  },
  {
    edge: 'time in dimension 2, space in 1: many blocks',
    stream: { axis: 2, hop: 1 },
    shape: [1, 3, 8, 2],
    layers: (b, x) => b.dense(flat(b, b.conv(b.conv(x, 3, [2, 3]), 2, [2, 6])), 2),
  },
  {
    edge: 'a hop of several frames, more than the last layer has columns',
    stream: { axis: 1, hop: 3 },
    layers: (b, x) => b.dense(flat(b, b.conv(b.conv(x, 3, [3, 1]), 2, [6, 1])), 2),
  },
  {
    edge: 'the mean over time: all columns',
    layers: (b, x) =>
      b.node('mean', [b.conv(x, 3, [3, 1])], {
        axes: [1, 2],
        keepDims: true,
        algorithm: 'general',
      }),
  },
  {
    edge: 'the mean over space streams on',
    shape: [1, 8, 3, 2],
    layers: (b, x) => {
      const y = b.node('mean', [x], { axes: [2], keepDims: true, algorithm: 'general' });
      return flat(b, b.conv(y, 2, [3, 1]));
    },
  },
  {
    edge: 'time leaves its place: expanded, transposed, dense on each column',
    shape: [1, 8, 4],
    layers: (b, x) => {
      const y = b.dense(x, 3, { keepDims: true });
      const z = b.node('expand_dims', [y], { shape: [1, 8, 1, 3] });
      return flat(b, b.conv(b.node('transpose', [z], { perm: [0, 2, 1, 3] }), 2, [1, 8]));
    },
  },
  {
    edge: 'padding in time: whole windows from there on, and a note',
    layers: (b, x) => {
      const y = b.conv(b.conv(x, 3, [3, 1]), 3, [3, 1], { padTop: 1, padBottom: 1 });
      return b.dense(flat(b, y), 2);
    },
    notes: [/^operator 1 \(conv2d\).* pads time.*padding='valid'/],
  },
  {
    edge: 'padding in space is no obstacle',
    shape: [1, 8, 3, 2],
    layers: (b, x) => flat(b, b.conv(x, 2, [3, 3], { padLeft: 1, padRight: 1 })),
    notes: [],
  },
  {
    edge: 'a stride that the hop is no multiple of: whole windows, and a note',
    layers: (b, x) => b.dense(flat(b, b.conv(x, 3, [2, 1], { strideH: 2 })), 2),
    notes: [/has a stride of 2 in time.*hop of 2 times/],
  },
  {
    edge: 'a constant that differs by column: all columns',
    layers: (b, x) => {
      const table = b.constant(new Random(9).int8(16), [1, 8, 1, 2], perTensorQuant(0.5, 0));
      return flat(b, b.node('add', [x, table], { activation: 'none' }));
    },
  },
  {
    edge: 'slices that drop space: time moves one dimension ahead',
    stream: { axis: 2, hop: 1 },
    shape: [1, 3, 8, 2],
    layers: (b, x) => {
      const [y, z] = [0, 1].map((row) => b.sliceTo(x, [0, row, 0, 0], [1, 1, 8, 2], [1, 8, 2]));
      return b.node('add', [y ?? 0, z ?? 0], { activation: 'none' });
    },
  },
  {
    edge: 'slices of time that drop space and add a dimension',
    stream: { axis: 2, hop: 1 },
    shape: [1, 3, 8, 2],
    layers: (b, x) => {
      const y = b.sliceTo(x, [0, 1, 2, 0], [1, 1, 5, 2], [1, 5, 1, 2]);
      return b.dense(flat(b, b.conv(y, 3, [3, 1])), 2);
    },
    macs: 3 * 3 * 2 + 9 * 2,
  },
  {
    edge: 'one column alone, without its dimension',
    layers: (b, x) => b.sliceTo(x, [0, 5, 0, 0], [1, 1, 1, 2], [1, 2]),
    windows: [3],
  },
  {
    edge: 'a slice that joins time and space: whole windows',
    shape: [1, 8, 2, 2],
    layers: (b, x) => b.sliceTo(x, [0, 2, 0, 0], [1, 4, 2, 2], [1, 8, 2]),
    windows: [8],
  },
  {
    edge: 'time between new dimensions and back: pack, unpack, tile',
    layers: (b, x) => {
      const pair = b.node('pack', [x, b.conv(x, 2, [1, 1])], { axis: 0 });
      const twice = b.node('tile', [pair], { multiples: [1, 1, 1, 2, 1] });
      const [y, z] = b.nodeAll('unpack', [twice], { axis: 0 }, { outputs: 2 });
      return flat(b, b.conv(b.node('maximum', [y ?? 0, z ?? 0]), 2, [3, 2]));
    },
    macs: 2 * 2 + 2 * 3 * 2 * 2,
  },
  {
    edge: 'channels picked, mirrored and padded',
    shape: [1, 8, 3, 2],
    layers: (b, x) => {
      const indices = b.constant(Int32Array.of(1, 0, 1), [3]);
      const y = b.node('gather', [x, indices], { axis: 3, batchDims: 0 });
      const z = b.node('mirror_pad', [y], { pads: [0, 0, 0, 0, 1, 1, 0, 0], mode: 'reflect' });
      return flat(b, b.conv(z, 2, [3, 5]));
    },
    windows: [3, 6],
  },
  {
    edge: 'rows picked one by one: whole windows',
    layers: (b, x) => {
      const indices = b.constant(Int32Array.of(1, 2, 4, 5), [4]);
      return b.node('gather', [x, indices], { axis: 1, batchDims: 0 });
    },
    windows: [8],
  },
  {
    edge: 'all rows picked by name: whole windows',
    layers: (b, x) => {
      const indices = b.constant(Int32Array.of(0, 1, 2, 3, 4, 5, 6, 7), [8]);
      return b.node('gather', [x, indices], { axis: 1, batchDims: 0 });
    },
    windows: [8],
  },
  {
    edge: 'each row moved in a way of its own: whole windows',
    shape: [1, 2, 1, 2],
    layers: (b, x) => {
      const places = [0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 0].map((at, i) =>
        i % 4 === 1 ? (i < 8 ? 0 : 1) : at,
      );
      const indices = b.constant(Int32Array.from(places), [1, 2, 1, 2, 4]);
      return b.node('gather_nd', [x, indices], { batchDims: 0 });
    },
    windows: [2],
  },
  {
    edge: 'time mirrored: whole windows',
    layers: (b, x) => {
      const counts = [1, 8, 1, 2];
      const attrs = { begin: [0, 7, 0, 0], strides: [1, -1, 1, 1], counts, shape: counts };
      return b.node('strided_slice', [x], attrs);
    },
    windows: [8],
  },
  {
    edge: 'time padded by reflection: whole windows, and a note',
    layers: (b, x) =>
      b.node('mirror_pad', [x], { pads: [0, 0, 2, 0, 0, 0, 0, 0], mode: 'symmetric' }),
    notes: [/pads time/],
    windows: [8],
  },
  {
    edge: 'joined with a constant that differs by column: whole windows',
    layers: (b, x) => {
      const table = b.constant(new Random(9).int8(16), [1, 8, 1, 2], b.quant(x));
      return flat(b, b.node('concatenation', [x, table], { axis: 3, activation: 'none' }));
    },
    windows: [8],
  },
  {
    edge: 'every second row, with a hop of two',
    stream: { axis: 1, hop: 2 },
    layers: (b, x) => {
      const counts = [1, 4, 1, 2];
      const attrs = { begin: [0, 1, 0, 0], strides: [1, 2, 1, 1], counts, shape: counts };
      return flat(b, b.conv(b.node('strided_slice', [x], attrs), 3, [2, 1]));
    },
    macs: 3 * 2 * 2,
  },
  {
    edge: 'every second row, with a hop of one: whole windows',
    layers: (b, x) => {
      const counts = [1, 4, 1, 2];
      const attrs = { begin: [0, 1, 0, 0], strides: [1, 2, 1, 1], counts, shape: counts };
      return b.node('strided_slice', [x], attrs);
    },
    windows: [8],
  },
  {
    edge: 'slopes by channel know nothing of time',
    layers: (b, x) => {
      const slopes = b.constant(Int8Array.of(40, -90), [1, 1, 2], perTensorQuant(0.01, 0));
      return flat(b, b.conv(b.node('prelu', [x, slopes], { activation: 'none' }), 2, [3, 1]));
    },
    macs: 2 * 3 * 2,
  },
  {
    edge: 'sums over space stream on',
    shape: [1, 8, 3, 2],
    layers: (b, x) => {
      const y = b.node(
        'reduce_sum',
        [x],
        { axes: [2], keepDims: true, algorithm: 'fixed' },
        { quant: perTensorQuant(1.5, 2) },
      );
      return flat(b, b.conv(y, 2, [3, 1]));
    },
    macs: 2 * 3 * 2,
  },
  {
    edge: 'normalized columns, logarithms of their softmax',
    layers: (b, x) => {
      const unit = { quant: perTensorQuant(1 / 128, 0) };
      const y = b.node('l2_normalization', [x], {}, unit);
      const logs = { quant: perTensorQuant(1 / 16, 127) };
      const z = b.node('log_softmax', [b.conv(y, 3, [2, 1])], { algorithm: 'fixed' }, logs);
      return flat(b, b.conv(z, 2, [3, 1]));
    },
    macs: 3 * 2 * 2 + 2 * 3 * 3,
  },
  {
    edge: 'the best channel of each column, behind space',
    stream: { axis: 2, hop: 1 },
    shape: [1, 3, 8, 2],
    layers: (b, x) => {
      const best = { quant: null, dtype: 'int32' } as const;
      const y = b.node('arg_extreme', [x], { axis: 1, function: 'max' }, best);
      return b.node('arg_extreme', [y], { axis: 2, function: 'min' }, best);
    },
    windows: [],
  },
  {
    edge: 'the best column: whole windows',
    layers: (b, x) =>
      b.node('arg_extreme', [x], { axis: 1, function: 'max' }, { quant: null, dtype: 'int32' }),
    windows: [8],
  },
  {
    edge: 'maxima over space stream on',
    shape: [1, 8, 3, 2],
    layers: (b, x) => {
      const y = b.node('reduce_max', [x], { axes: [2], keepDims: true });
      return flat(b, b.conv(y, 2, [3, 1]));
    },
    macs: 2 * 3 * 2,
  },
  {
    edge: 'int16 columns',
    layers: (b, x) => {
      const wide = { quant: perTensorQuant(0.5, 0), dtype: 'int16' } as const;
      const y = b.node('quantize', [x], { algorithm: 'scalar' }, wide);
      return b.dense(flat(b, narrow(b, b.pool('max_pool2d', y, 3, 1))), 2);
    },
    windows: [3, 6],
  },
  {
    edge: 'functions of single elements, comparisons and a choice',
    layers: (b, x) => {
      const [real, truth] = [
        { quant: null, dtype: 'float32' },
        { quant: null, dtype: 'bool' },
      ] as const;
      const y = b.node('dequantize', [x], { algorithm: 'scalar' }, real);
      const square = b.node('real_function', [y], { function: 'square' });
      const isLess = b.node('compare', [y, square], { relation: 'less' }, truth);
      const other = b.node('logical_not', [isLess]);
      const both = b.node('logical', [isLess, other], { function: 'or' });
      const chosen = b.node('select', [both, b.node('add_n', [y, square, y]), y], {}, real);
      const z = b.node(
        'quantize',
        [chosen],
        { algorithm: 'scalar' },
        { quant: perTensorQuant(0.5, 3), dtype: 'int8' },
      );
      return flat(b, b.conv(z, 2, [3, 1]));
    },
    macs: 2 * 3 * 2,
  },
  {
    edge: 'elements rounded by their place in the tensor, the last two apart: whole windows',
    shape: [1, 9, 1, 2],
    layers: (b, x) =>
      b.node('quantize', [x], { algorithm: 'vector' }, { quant: perTensorQuant(2, 3) }),
    windows: [9],
  },
  {
    edge: 'elements rounded by their place, the new ones not as they were: whole windows',
    layers: (b, x) =>
      b.node('quantize', [x], { algorithm: 'vector' }, { quant: perTensorQuant(2, 3) }),
    windows: [8],
  },
  { edge: 'an output over time has the new columns', layers: (b, x) => b.conv(x, 3, [3, 1]) },
];

function modulesOf({ shape = [1, 8, 1, 2], stream = { axis: 1, hop: 1 }, layers }: Row) {
  const b = new Net();
  const whole = b.module([layers(b, b.input(shape))]);
  const notes: string[] = [];
  return { whole, stream, notes, part: streamed(whole, stream, (text) => notes.push(text)) };
}

/** Frames [from, from + count) of a signal of `shape`, along `axis`. */
function framesOf(
  signal: Int8Array,
  shape: readonly number[],
  axis: number,
  from: number,
  count: number,
) {
  const inner = elementCount(shape.slice(axis + 1));
  const outer = elementCount(shape.slice(0, axis));
  const rows = signal.length / outer / inner;
  const picked: number[] = [];
  for (let o = 0; o < outer; o += 1) {
    const begin = (o * rows + from) * inner;
    picked.push(...signal.subarray(begin, begin + count * inner));
  }
  return Int8Array.from(picked);
}

/** The newest columns that both outputs have, of a run on `frames` windows of a signal. */
function expectSameWindows(whole: Module, part: Module, { axis, hop }: Stream): void {
  const [graph, small] = [mainGraph(whole), mainGraph(part)];
  const { shape } = tensorOf(graph, graph.inputs[0] ?? 0);
  const window = shape[axis] ?? 1;
  const runs = Math.ceil(window / hop) + 5;
  const signal = new Random(11).int8((elementCount(shape) / window) * runs * hop);
  let states = initialStates(small);
  for (let run = 0; run < runs; run += 1) {
    const frames = framesOf(signal, shape, axis, run * hop, hop);
    const result = evaluateGraph(small, [frames], states);
    states = result.states;
    const begin = (run + 1) * hop - window;
    if (begin < 0) continue;
    const [expected] = evaluateGraph(graph, [framesOf(signal, shape, axis, begin, window)]).outputs;
    const found = Array.from(result.outputs[0] ?? [], Number);
    const newest = Array.from(expected ?? [], Number).slice(-found.length);
    expect(found, `run ${run}`).to.deep.equal(newest);
  }
}

describe('passes/stream', () => {
  for (const row of rows) {
    it(`gives the bits of the whole window: ${row.edge}`, () => {
      const { whole, stream, part, notes } = modulesOf(row);
      checkModule(part, operators, 'stream');
      const passed = runPasses(part, { faithful: false });
      expectSameWindows(whole, part, stream);
      expectSameWindows(whole, passed, stream);
      const graph = mainGraph(part);
      const windows = (graph.states ?? []).map(({ tensor }) => tensorOf(graph, tensor).shape);
      if (row.windows)
        expect(windows.map((shape) => shape[stream.axis])).to.deep.equal(row.windows);
      if (row.macs) expect(modelSize(mainGraph(passed)).macs).to.equal(row.macs);
      const says = row.notes ?? [];
      expect(notes).to.have.length(says.length);
      for (const [i, pattern] of says.entries()) expect(notes[i]).to.match(pattern);
    });
  }

  it('in C gives the bits of evaluate over a sequence', () =>
    expectSameBits(
      rows.map((row) => modulesOf(row).part),
      { runs: 12 },
    ));

  const refused: readonly (readonly [edge: string, stream: Stream, says: RegExp])[] = [
    ['a dimension that is not there', { axis: 4, hop: 1 }, /no dimension 4/],
    ['a hop beyond the window', { axis: 1, hop: 9 }, /8 rows in dimension 1; a run takes 9/],
  ];
  for (const [edge, stream, says] of refused) {
    it(`refuses ${edge}`, () => {
      const b = new Net();
      const module = b.module([b.conv(b.input([1, 8, 1, 2]), 2, [3, 1])]);
      expect(() => streamed(module, stream))
        .to.throw(says)
        .with.property('code', 'usage');
    });
  }
});
