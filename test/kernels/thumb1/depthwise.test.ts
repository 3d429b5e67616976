/**
 * Depthwise convolution of packed lines, and window by window: in C, on the simulated RP2040, and
 * where bounds end.
 */
import { expect } from 'chai';
import fc from 'fast-check';
import { type Attrs, elementCount, type Module } from '../../../src/compiler/ir/graph.js';
import { isExact } from '../../../src/compiler/kernels/thumb1/depthwise.js';
import { depthwiseToConvolution } from '../../../src/compiler/passes/depthwise-to-convolution.js';
import { eachGraph } from '../../../src/compiler/passes/rewrite.js';
import { expectSameBitsOnBoard } from '../../support/board.js';
import { GraphBuilder, perChannelQuant, perTensorQuant, Random } from '../../support/module.js';
import { expectSameBits } from '../../support/native.js';
import { randomAccumulation, randomWindow } from '../../support/operands.js';
import { noFacts } from '../../support/plan.js';
import { runs } from '../../support/runs.js';

const kernel = 'thumb1/depthwise_conv2d';
const unit = { strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 };
const padsOf = (top: number, bottom: number, left: number, right: number) => ({
  padTop: top,
  padBottom: bottom,
  padLeft: left,
  padRight: right,
});

interface Layer {
  readonly edge: string;
  readonly input: readonly [number, number, number, number];
  readonly filter: readonly [number, number];
  readonly window: Attrs;
  readonly zeroPoint?: number;
  readonly activation?: string;
  readonly outputZero?: number;
  /** Weights from −weight to weight. */
  readonly weight?: number;
  readonly multiplier?: number;
  readonly outputScale?: number;
}

const layers: readonly Layer[] = [
  {
    edge: 'columns as lines, an odd number of rows: kws',
    input: [1, 25, 5, 3],
    filter: [3, 3],
    window: { ...unit, ...padsOf(1, 1, 1, 1) },
  },
  {
    edge: 'no run is cut',
    input: [1, 7, 9, 3],
    filter: [3, 3],
    window: { ...unit, ...padsOf(1, 1, 1, 1) },
    weight: 80,
  },
  {
    edge: 'bands of rows that keep lines',
    input: [1, 48, 48, 2],
    filter: [3, 3],
    window: { ...unit, ...padsOf(1, 1, 1, 1) },
  },
  {
    edge: 'stride 2, padding below and right only',
    input: [1, 48, 48, 2],
    filter: [3, 3],
    window: { ...unit, strideH: 2, strideW: 2, ...padsOf(0, 1, 0, 1) },
  },
  {
    edge: 'an image of one pixel',
    input: [1, 1, 1, 5],
    filter: [3, 3],
    window: { ...unit, ...padsOf(1, 1, 1, 1) },
  },
  {
    edge: '5×5: segments of three taps and of two',
    input: [2, 6, 7, 3],
    filter: [5, 5],
    window: { ...unit, ...padsOf(2, 2, 2, 2) },
  },
  {
    edge: 'dilated along the lines: taps with gaps',
    input: [1, 9, 9, 3],
    filter: [3, 3],
    window: { ...unit, dilationH: 2, dilationW: 3, ...padsOf(2, 2, 3, 3) },
  },
  {
    edge: 'one row, filter 1×7',
    input: [1, 1, 40, 3],
    filter: [1, 7],
    window: { ...unit, ...padsOf(0, 0, 3, 3) },
  },
  {
    edge: 'stride 3 down, 1 across: lines are rows, some rows are skipped',
    input: [1, 20, 8, 3],
    filter: [2, 3],
    window: { ...unit, strideH: 3, ...padsOf(0, 0, 1, 1) },
  },
  {
    edge: 'stride 3 both ways, an odd number of words',
    input: [1, 16, 17, 3],
    filter: [3, 3],
    window: { ...unit, strideH: 3, strideW: 3, ...padsOf(1, 1, 0, 1) },
    activation: 'none',
    outputZero: 0,
  },
  {
    edge: 'stride 3 along columns, windows that overlap',
    input: [1, 20, 7, 2],
    filter: [5, 4],
    window: { ...unit, strideH: 3, strideW: 3, ...padsOf(2, 1, 1, 0) },
  },
  {
    edge: 'rows too long for the stack: in three chunks, the last one odd',
    input: [1, 2, 413, 2],
    filter: [2, 3],
    window: { ...unit, ...padsOf(0, 1, 1, 1) },
  },
  {
    edge: 'the same, stride 2, all runs cut',
    input: [1, 1, 413, 1],
    filter: [1, 4],
    window: { ...unit, strideW: 2, ...padsOf(0, 0, 1, 1) },
  },
  {
    edge: 'two channels for each',
    input: [1, 7, 6, 3],
    filter: [3, 3],
    window: { ...unit, ...padsOf(1, 1, 1, 1) },
    multiplier: 2,
  },
  {
    edge: 'three channels for each, batches, bands of rows, stride 2, both sides of zero',
    input: [2, 48, 48, 1],
    filter: [3, 3],
    window: { ...unit, strideH: 2, strideW: 2, ...padsOf(0, 1, 0, 1) },
    activation: 'none',
    outputZero: 3,
    multiplier: 3,
  },
  {
    edge: 'phases of a dilated line, the last one shorter',
    input: [1, 1, 29, 2],
    filter: [1, 5],
    window: { ...unit, dilationW: 3, ...padsOf(0, 0, 6, 6) },
  },
  {
    edge: 'phases that read pixels of others: columns, padding 1',
    input: [2, 23, 1, 2],
    filter: [5, 1],
    window: { ...unit, dilationH: 2, ...padsOf(1, 2, 0, 0) },
    multiplier: 2,
  },
  {
    edge: 'accumulators of more than 18 bits',
    input: [1, 8, 8, 8],
    filter: [7, 7],
    window: { ...unit, ...padsOf(3, 3, 3, 3) },
    activation: 'none',
    outputZero: 0,
    outputScale: 2,
  },
  {
    edge: 'outputs on both sides of zero',
    input: [1, 9, 6, 4],
    filter: [3, 3],
    window: { ...unit, ...padsOf(1, 1, 1, 1) },
    activation: 'none',
    outputZero: 5,
  },
  {
    edge: 'the same, stride 2',
    input: [1, 9, 6, 4],
    filter: [3, 3],
    window: { ...unit, strideH: 2, strideW: 2, ...padsOf(1, 1, 1, 1) },
    activation: 'none',
    outputZero: -5,
  },
  {
    edge: 'padding on one side, zero point 127',
    input: [1, 5, 6, 3],
    filter: [3, 3],
    window: { ...unit, ...padsOf(2, 0, 0, 2) },
    zeroPoint: 127,
  },
];

/** Convolutions of one channel. */
const singles: readonly Layer[] = [
  {
    edge: 'a stem of an image: bands of rows, stride 2',
    input: [1, 48, 47, 1],
    filter: [3, 3],
    window: { ...unit, strideH: 2, strideW: 2, ...padsOf(0, 1, 1, 1) },
    multiplier: 4,
  },
  {
    edge: 'a stem of a spectrogram, both sides of zero, two images',
    input: [2, 25, 10, 1],
    filter: [10, 4],
    window: { ...unit, strideH: 2, strideW: 2, ...padsOf(4, 5, 1, 1) },
    multiplier: 3,
    activation: 'none',
    outputZero: 4,
  },
  {
    edge: 'one product an output, every third pixel',
    input: [1, 13, 12, 1],
    filter: [1, 1],
    window: { ...unit, strideH: 3, strideW: 3, ...padsOf(0, 0, 0, 0) },
    multiplier: 5,
  },
  {
    edge: 'one product an output, every pixel: a row',
    input: [1, 5, 7, 1],
    filter: [1, 1],
    window: { ...unit, ...padsOf(0, 0, 0, 0) },
    multiplier: 2,
  },
];

/** As layers of conv2d. */
function convolutionsOf(rows: readonly Layer[]): readonly Module[] {
  const convert = eachGraph(depthwiseToConvolution);
  return rows.map((row, i) => convert(layerOf(row, i)));
}

function layerOf(row: Layer, seed: number): Module {
  const { input, filter, window, zeroPoint = -128, activation = 'relu' } = row;
  const { weight = 127, outputZero = -128, multiplier = 1, outputScale = 0.09 } = row;
  const channels = input[3] * multiplier;
  const random = new Random(seed);
  const b = new GraphBuilder();
  const x = b.input(input, perTensorQuant(0.05, zeroPoint));
  const scales = Array.from({ length: channels }, () => random.integer(1, 9) / 500);
  const weights = b.constant(
    random.int8(filter[0] * filter[1] * channels, -weight, weight),
    [1, ...filter, channels],
    perChannelQuant(scales, 3),
  );
  const bias = b.constant(random.int32(channels, -3000, 3000));
  const attrs = { depthMultiplier: multiplier, activation, rounding: 'double', ...window };
  const quant = perTensorQuant(outputScale, outputZero);
  return b.module([b.node('depthwise_conv2d', [x, weights, bias], attrs, { quant })]);
}

/** Any window, number of channels for each, type of activation, zero points. */
function randomLayer(seed: number): Module {
  const random = new Random(seed);
  const { input, output, attrs } = randomAccumulation(random);
  const [inputs, multiplier] = [random.integer(1, 4), random.pick([1, 1, 2, 3])];
  const channels = inputs * multiplier;
  const shape = [random.integer(1, 2), random.integer(1, 12), random.integer(1, 12), inputs];
  const { kernelH, kernelW, attrs: window } = randomWindow(random, shape);
  const b = new GraphBuilder();
  const x = b.input(shape, input);
  const low = random.pick([-128, -127]);
  const weights = b.constant(
    random.int8(kernelH * kernelW * channels, low),
    [1, kernelH, kernelW, channels],
    perChannelQuant(
      Array.from({ length: channels }, () => random.integer(1, 400) / 10000),
      3,
    ),
  );
  const bias = b.constant(random.int32(channels, -30000, 30000));
  const all = { ...window, ...attrs, depthMultiplier: multiplier };
  return b.module([b.node('depthwise_conv2d', [x, weights, bias], all, { quant: output })]);
}

describe(kernel, () => {
  it('gives the bits of evaluate in C', async () => {
    const rows = layers.map((layer, i) => layerOf(layer, i));
    await expectSameBits(rows, { kernel });
    const random = Array.from({ length: 40 }, (_, seed) => randomLayer(seed));
    await expectSameBits(random, { kernel });
  });

  it('gives them in the memory of its input, band by band', async () => {
    const rows = layers.map((layer, i) => layerOf(layer, i));
    const random = Array.from({ length: 20 }, (_, seed) => randomLayer(seed));
    await expectSameBits([...rows, ...random], { kernel, overlap: true });
  });

  it('gives them on the simulated RP2040', async () => {
    const rows = layers.map((layer, i) => layerOf(layer, i));
    const kernels = await expectSameBitsOnBoard(rows, 'rp2040', { kernel, overlap: true });
    expect(kernels.filter((other) => other !== kernel)).to.deep.equal([]);
    const random = Array.from({ length: 40 }, (_, seed) => randomLayer(seed));
    const chosen = await expectSameBitsOnBoard(random, 'rp2040', { kernel });
    const share = chosen.filter((other) => other === kernel).length / chosen.length;
    expect(share).to.be.greaterThan(0.5);
  });

  it('computes convolutions of one channel, in C and on the simulated RP2040', async () => {
    const convolutions = convolutionsOf(singles);
    for (const template of [kernel, 'thumb1/depthwise_conv2d_pairs']) {
      await expectSameBits(convolutions, { kernel: template, overlap: true });
      const chosen = await expectSameBitsOnBoard(convolutions, 'rp2040', { kernel: template });
      expect(chosen.filter((other) => other !== template)).to.deep.equal([]);
    }
  });

  it('sums no run whose lanes could leave 16 bits', () => {
    const weights = fc.array(fc.integer({ min: -128, max: 127 }), { minLength: 1, maxLength: 3 });
    const bounds = fc.tuple(fc.integer({ min: -128, max: 127 }), fc.nat(255));
    fc.assert(
      fc.property(weights, bounds, (run, [low, width]) => {
        const high = Math.min(127, low + width);
        const pick = (weight: number, sign: number) => (weight * sign > 0 ? high : low);
        const extreme = (sign: number) =>
          run.reduce((sum, weight) => sum + weight * pick(weight, sign), 0);
        const fits = extreme(1) <= 32767 && extreme(-1) >= -32767;
        expect(isExact(run, low, high)).to.equal(fits);
      }),
      { numRuns: runs(100) },
    );
  });

  it('is exact up to the last bit of a lane, and wrong one weight further', async () => {
    // 85 · 3 · −128 = −32640 and 86 · 3 · −128 = −33024; 127 and −128 in both lanes of each run.
    const b = new GraphBuilder();
    const x = b.input([1, 6, 6, 2], perTensorQuant(0.05, -128));
    const build = (weight: number) => {
      const data = new Int8Array(18).fill(weight);
      const weights = b.constant(data, [1, 3, 3, 2], perTensorQuant(0.01, 0));
      const attrs = { depthMultiplier: 1, activation: 'none', rounding: 'double', ...unit };
      const all = { ...attrs, ...padsOf(1, 1, 1, 1) };
      return b.node('depthwise_conv2d', [x, weights, null], all, {
        quant: perTensorQuant(0.5, -100),
      });
    };
    await expectSameBits([b.module([build(85), build(-85), build(86)])], { kernel, runs: 6 });
    // A range that does not hold lets the kernel sum runs that are too long.
    const range = () => ({ min: Int32Array.of(-9, -9, -9), max: Int32Array.of(9, 9, 9) });
    const layer = { ...(layers[0] as Layer), zeroPoint: 0 };
    const wrong = expectSameBits([layerOf(layer, 3)], { kernel, facts: { ...noFacts, range } });
    const message = await wrong.then(
      () => '',
      (error: Error) => error.message,
    );
    expect(message).to.match(/by evaluate/);
  });
});

const windows: readonly Layer[] = [
  {
    edge: 'the window is the image, an odd last channel in its own block, one tap left over',
    input: [1, 9, 1, 33],
    filter: [9, 1],
    window: { ...unit, ...padsOf(0, 0, 0, 0) },
  },
  {
    edge: 'the same in each of two images, fewer than four taps',
    input: [2, 1, 3, 5],
    filter: [1, 3],
    window: { ...unit, ...padsOf(0, 0, 0, 0) },
  },
  {
    edge: 'whole rows, stride 2, two images, three taps left over',
    input: [2, 8, 5, 6],
    filter: [3, 5],
    window: { ...unit, strideH: 2, ...padsOf(0, 0, 0, 0) },
    activation: 'none',
    outputZero: 7,
  },
  {
    edge: 'one row, stride 3, pixels left at its end',
    input: [1, 1, 18, 2],
    filter: [1, 8],
    window: { ...unit, strideW: 3, ...padsOf(0, 0, 0, 0) },
  },
  {
    edge: 'one column with padding is gathered as a row',
    input: [1, 12, 1, 4],
    filter: [5, 1],
    window: { ...unit, strideH: 4, ...padsOf(3, 2, 0, 0) },
  },
  {
    edge: 'more padding than image',
    input: [1, 2, 2, 8],
    filter: [5, 5],
    window: { ...unit, ...padsOf(2, 2, 2, 2) },
    zeroPoint: 5,
  },
];

describe('thumb1/depthwise_conv2d_windows', function () {
  this.timeout(240_000);
  const windowed = 'thumb1/depthwise_conv2d_windows';
  const rows = [...windows, ...layers].map((layer, i) => layerOf(layer, i));
  const random = Array.from({ length: 30 }, (_, seed) => randomLayer(seed));

  it('gives the bits of evaluate in C, also in the memory of its input', async () => {
    await expectSameBits([...rows, ...random], { kernel: windowed });
    await expectSameBits([...rows, ...random], { kernel: windowed, overlap: true });
  });

  it('gives them on the simulated RP2040', async () => {
    const own = windows.map((layer, i) => layerOf(layer, i));
    const kernels = await expectSameBitsOnBoard(own, 'rp2040', { kernel: windowed, overlap: true });
    expect(kernels.filter((other) => other !== windowed)).to.deep.equal([]);
    await expectSameBitsOnBoard(random, 'rp2040', { kernel: windowed });
  });
});

const pairs: readonly Layer[] = [
  {
    edge: '2×2 stride 2 of even sides: one rectangle, in place',
    input: [1, 6, 8, 3],
    filter: [2, 2],
    window: { ...unit, strideH: 2, strideW: 2, ...padsOf(0, 0, 0, 0) },
  },
  {
    edge: 'an odd row of outputs and an even column: pairs lie below each other',
    input: [2, 12, 10, 2],
    filter: [2, 2],
    window: { ...unit, strideH: 2, strideW: 2, ...padsOf(0, 0, 0, 0) },
  },
  {
    edge: 'a rectangle for each side and corner, single outputs, nine taps and fewer',
    input: [1, 4, 5, 2],
    filter: [3, 3],
    window: { ...unit, ...padsOf(1, 1, 1, 1) },
    zeroPoint: 5,
  },
  {
    edge: 'more taps than are unrolled: 16, two passes, both sides of zero',
    input: [1, 11, 10, 3],
    filter: [4, 4],
    window: { ...unit, strideH: 2, strideW: 2, ...padsOf(1, 2, 1, 1) },
    activation: 'none',
    outputZero: -9,
  },
  {
    edge: '18 taps: two whole passes',
    input: [1, 9, 7, 2],
    filter: [6, 3],
    window: { ...unit, ...padsOf(0, 0, 0, 0) },
  },
  {
    edge: 'one output, multiplier 3',
    input: [1, 5, 1, 4],
    filter: [5, 1],
    window: { ...unit, ...padsOf(0, 0, 0, 0) },
    multiplier: 3,
  },
];

describe('thumb1/depthwise_conv2d_pairs', function () {
  this.timeout(240_000);
  const paired = 'thumb1/depthwise_conv2d_pairs';
  const own = pairs.map((layer, i) => layerOf(layer, i));
  const rows = [...own, ...layers.map((layer, i) => layerOf(layer, i))];
  const random = Array.from({ length: 30 }, (_, seed) => randomLayer(seed));

  it('gives the bits of evaluate in C, also in the memory of its input', async () => {
    await expectSameBits([...rows, ...random], { kernel: paired });
    await expectSameBits([...rows, ...random], { kernel: paired, overlap: true });
  });

  it('gives them on the simulated RP2040', async () => {
    const kernels = await expectSameBitsOnBoard(own, 'rp2040', { kernel: paired, overlap: true });
    expect(kernels.filter((other) => other !== paired)).to.deep.equal([]);
    const chosen = await expectSameBitsOnBoard(random, 'rp2040', { kernel: paired });
    // Most random windows lie in padding alone somewhere.
    expect(chosen.filter((other) => other === paired)).to.have.lengthOf.above(5);
  });
});

const few: readonly Layer[] = [
  {
    edge: '1×1, 16 channels to one: an odd last pixel, two passes',
    input: [1, 5, 7, 16],
    filter: [1, 1],
    window: { ...unit, ...padsOf(0, 0, 0, 0) },
  },
  {
    edge: '1×1, stride 2, both sides of zero',
    input: [2, 5, 7, 6],
    filter: [1, 1],
    window: { ...unit, strideH: 2, strideW: 2, ...padsOf(0, 0, 0, 0) },
    activation: 'none',
    outputZero: 9,
  },
  {
    edge: '3×3: taps that padding takes are whole pixels',
    input: [1, 5, 4, 5],
    filter: [3, 3],
    window: { ...unit, ...padsOf(1, 1, 1, 1) },
    zeroPoint: 7,
  },
  {
    edge: 'rows apart',
    input: [1, 9, 4, 3],
    filter: [3, 2],
    window: { ...unit, dilationH: 3, ...padsOf(2, 2, 0, 0) },
  },
  {
    edge: '255 taps',
    input: [1, 5, 17, 3],
    filter: [5, 17],
    window: { ...unit, ...padsOf(0, 0, 0, 0) },
  },
];

/** A convolution of all channels to one. */
function convolutionOf(row: Layer, seed: number): Module {
  const { input, filter, window, zeroPoint = -128, activation = 'relu', outputZero = -128 } = row;
  const random = new Random(seed);
  const b = new GraphBuilder();
  const x = b.input(input, perTensorQuant(0.05, zeroPoint));
  const shape = [1, ...filter, input[3]];
  const data = random.int8(elementCount(shape), -127);
  const weights = b.constant(data, shape, perTensorQuant(0.005, 0));
  const bias = b.constant(random.int32(1, -3000, 3000));
  const quant = perTensorQuant(0.3, outputZero);
  const attrs = { activation, rounding: 'double', ...window };
  return b.module([b.node('conv2d', [x, weights, bias], attrs, { quant })]);
}

describe('thumb1/depthwise_conv2d_pairs, convolutions to one channel', () => {
  const paired = 'thumb1/depthwise_conv2d_pairs';
  const modules = few.map((row, i) => convolutionOf(row, i));

  it('gives the bits of evaluate in C and on the simulated RP2040', async () => {
    await expectSameBits(modules, { kernel: paired, overlap: true });
    const kernels = await expectSameBitsOnBoard(modules, 'rp2040', { kernel: paired });
    expect(kernels.filter((other) => other !== paired)).to.deep.equal([]);
  });

  it('leaves windows whose taps lie at two distances to others', async () => {
    const row = { ...(few[2] as Layer), window: { ...unit, dilationW: 2, ...padsOf(1, 1, 2, 2) } };
    const module = convolutionOf(row, 0);
    const [chosen] = await expectSameBitsOnBoard([module], 'rp2040', { kernel: paired });
    expect(chosen).to.not.equal(paired);
  });
});

describe('thumb1/conv2d, depthwise convolutions', function () {
  this.timeout(240_000);
  const coded = 'thumb1/conv2d';
  const rows = [...layers, ...windows].map((layer, i) => layerOf(layer, i));
  const random = Array.from({ length: 30 }, (_, seed) => randomLayer(seed));

  it('gives the bits of evaluate in C, also in the memory of its input', async () => {
    await expectSameBits([...rows, ...random], { kernel: coded });
    await expectSameBits([...rows, ...random], { kernel: coded, overlap: true });
  });

  it('gives them on the simulated RP2040', async () => {
    const kernels = await expectSameBitsOnBoard(rows, 'rp2040', { kernel: coded, overlap: true });
    expect(kernels.filter((other) => other !== coded)).to.deep.equal([]);
    await expectSameBitsOnBoard(random, 'rp2040', { kernel: coded });
  });
});
