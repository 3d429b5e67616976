/** Kernels for the DSP extension: in C on this machine, and as assembly on a simulated Cortex-M4. */

import { expect } from 'chai';
import fc from 'fast-check';
import { qemuCommand } from '../../../src/boards/device/qemu.js';
import { packageTemplates } from '../../../src/boards/project/templates.js';
import { emitProgram } from '../../../src/compiler/codegen/program.js';
import { type Module, mainGraph, viewOf } from '../../../src/compiler/ir/graph.js';
import type { Facts, Optimize } from '../../../src/compiler/ir/op.js';
import {
  type ChannelFinish,
  type Finish,
  finishOf,
} from '../../../src/compiler/kernels/dsp/finish.js';
import { matchesOf } from '../../../src/compiler/kernels/index.js';
import { finish, type OutputStage } from '../../../src/compiler/ops/arithmetic/accumulation.js';
import {
  floatRequantizers,
  integerRequantizers,
} from '../../../src/compiler/ops/arithmetic/float-scale.js';
import {
  bentMultiplier,
  clamp,
  floatOfBits,
  type Multiplier,
  quantizeMultiplier,
} from '../../../src/compiler/ops/arithmetic/quant.js';
import { expectSameBitsOfAllOnBoard, expectSameBitsOnBoard } from '../../support/board.js';
import { GraphBuilder, perChannelQuant, perTensorQuant, Random } from '../../support/module.js';
import {
  expectSameBits,
  expectSameBitsOfAll,
  firstDifference,
  runProgram,
} from '../../support/native.js';
import {
  randomAccumulation,
  randomPool,
  randomWindow,
  tyingScale,
} from '../../support/operands.js';
import { contextOf, noFacts, simplePlan } from '../../support/plan.js';
import { fused, randomSum } from '../../support/residual.js';
import { runs } from '../../support/runs.js';
import { needs } from '../../support/skip.js';

/** What the core computes, in exact integers. */
function finished(
  { method, offset, step, channels, isClamped }: Finish,
  stage: OutputStage,
  acc: number,
) {
  const [{ start, constants, isConstant, lowered }] = channels as [Finish['channels'][number]];
  const [multiplier = 0n, own = 0n, shift = 0n] = constants.map(BigInt);
  // The bias is part of `acc` here, and of `start` there.
  const bias = BigInt(stage.biases[0] as number);
  const a = BigInt.asIntN(
    32,
    isConstant ? BigInt(start) : 256n * (BigInt(acc) - bias) + BigInt(start),
  );
  const half = 1n << 31n;
  let y = 0n;
  if (method === 'linear') {
    const result = ((a * multiplier + half) >> 32n) + BigInt(offset);
    y = BigInt(Math.floor(Number(result) / step));
    const [word = 0, bit] = [lowered?.[Number(y & 255n) >> 5], Number(y & 31n)];
    if (Number(result) % step === 0 && (word >> bit) & 1) y -= 1n;
  } else if (method === 'once') y = (((a * multiplier) >> 32n) + own) >> shift;
  else {
    const high = ((a >> 7n) * multiplier + half) >> 32n;
    y = (high + (high >> 63n) + own) >> shift;
  }
  const byte = clamp(Number(y), -128, 127);
  return isClamped ? clamp(byte, stage.min, stage.max) : byte;
}

const stages = fc
  .record({
    multiplier: fc.integer({ min: 2 ** 30, max: 2 ** 31 - 1 }),
    shift: fc.integer({ min: -14, max: 0 }),
    bias: fc.integer({ min: -(2 ** 17), max: 2 ** 17 }),
    rounding: fc.constantFrom('double' as const, 'single' as const),
    zeroPoint: fc.oneof(fc.integer({ min: -128, max: 127 }), fc.constantFrom(-128, 127)),
    min: fc.oneof(fc.integer({ min: -128, max: 0 }), fc.constant(-128)),
    max: fc.oneof(fc.integer({ min: 1, max: 127 }), fc.constant(127)),
  })
  .map(
    ({ multiplier, shift, bias, ...rest }): OutputStage => ({
      biases: Int32Array.of(bias),
      multipliers: [{ multiplier, shift }],
      ...rest,
    }),
  );
const ranges = fc.tuple(
  fc.integer({ min: -(2 ** 22), max: 2 ** 21 }),
  fc.oneof(fc.integer({ min: 0, max: 2 ** 22 }), fc.integer({ min: 0, max: 2000 })),
);
const boundsFrom = (min: number, max: number) => ({
  min: Int32Array.of(min),
  max: Int32Array.of(max),
});

describe('outputs in a few instructions', () => {
  it('equal the definition for every accumulator within the bounds', () => {
    const forms = new Map<string, number>();
    const property = fc.property(stages, ranges, fc.nat(), (stage, [min, extent], offset) => {
      const result = finishOf(stage, stage.biases, boundsFrom(min, min + extent));
      const method = result?.method ?? 'none';
      forms.set(method, (forms.get(method) ?? 0) + 1);
      if (result === null) return;
      const stride = Math.max(1, Math.floor(extent / 800));
      const accumulators = [min, min + extent];
      for (let x = min + (offset % stride); x <= min + extent; x += stride) accumulators.push(x);
      for (const x of accumulators)
        expect(finished(result, stage, x), `${method}, ${x}`).to.equal(finish(stage, x, 0));
    });
    fc.assert(property, { numRuns: runs(400) });
    for (const method of ['linear', 'twice']) {
      expect(forms.get(method) ?? 0, `${method} of ${[...forms]}`).to.be.greaterThan(2);
    }
    expect(forms.get('none') ?? 0).to.be.lessThan(200);
  });

  it('have exceptions, whose scale is that of the channel, where float32 makes halves that no line separates', () => {
    const [scale, zeroPoint] = [3 / 2048, 7];
    const channel = { scale, zeroPoint, min: -128, max: 127, least: -200000, most: 200000 };
    const stage = {
      ...{ biases: Int32Array.of(0), zeroPoint, min: -128, max: 127 },
      ...floatRequantizers([channel], ['single', 'double', 'nudged']),
    };
    const result = finishOf(stage, stage.biases, boundsFrom(-200000, 200000)) as Finish;
    expect(result).to.include({ method: 'linear', isMixed: true });
    expect(floatOfBits(result.channels[0]?.constants[0] ?? 0)).to.equal(-scale);
    const wide = boundsFrom(-(2 ** 23), 0);
    expect(finishOf(stage, stage.biases, wide), '24 bits in float32').to.equal(null);
  });

  it('have lines where halves go up on both sides of zero, as on x86 with AVX2', () => {
    let linear = 0;
    for (let seed = 0; seed < 60; seed += 1) {
      const random = new Random(seed);
      const multiplier = { multiplier: random.integer(2 ** 30, 2 ** 31 - 1), shift: -8 };
      const clamps = { zeroPoint: random.integer(-40, 40), min: -128, max: 127 };
      const bounds = { least: -50000, most: 50000 };
      const by = { multiplier, rounding: 'upward' as const };
      const scale = multiplier.multiplier * 2 ** -39;
      const channel = { scale, ...clamps, ...bounds, by };
      const found = integerRequantizers([channel], ['double', 'single', 'nudged']);
      if (found === null) continue;
      const stage = { biases: Int32Array.of(0), ...clamps, ...found };
      const result = finishOf(stage, stage.biases, boundsFrom(-50000, 50000));
      if (result?.method !== 'linear') continue;
      linear += 1;
      for (let x = -50000; x <= 50000; x += 7) {
        if (finished(result, stage, x) !== finish(stage, x, 0)) expect.fail(`seed ${seed}: ${x}`);
      }
    }
    expect(linear).to.be.greaterThan(55);
  });

  it('begin above zero where another channel of the layer has a step there', () => {
    for (let seed = 0; seed < 20; seed += 1) {
      const isBent = seed % 4 !== 0;
      const random = new Random(seed);
      const scale = Math.fround(1 / random.pick([60, 120, 240, random.integer(100, 4000)]));
      const own = quantizeMultiplier(scale);
      const stage: OutputStage = {
        ...{ biases: Int32Array.of(0, 0), zeroPoint: random.integer(-40, 40), min: -128, max: 127 },
        ...{
          rounding: 'bent',
          multipliers: [bentMultiplier(own, isBent), bentMultiplier(own, false)],
        },
      };
      const most = random.integer(20000, 300000);
      const bounds = { min: Float64Array.of(-most, -most), max: Float64Array.of(most, most) };
      const result = finishOf(stage, stage.biases, bounds as never) as Finish;
      const methods = isBent ? ['twice'] : ['linear', 'once'];
      expect(result?.method, `seed ${seed}, ${scale}, ${most}`).to.be.oneOf(methods);
      for (const channel of [0, 1]) {
        const one = { ...result, channels: [result.channels[channel] as ChannelFinish] };
        const alone = { ...stage, multipliers: [stage.multipliers[channel] as Multiplier] };
        for (let x = -most; x <= most; x += 1 + (x & 1)) {
          if (finished(one, alone, x) !== finish(alone, x, 0)) expect.fail(`seed ${seed}: ${x}`);
        }
      }
    }
  });

  it('decide ties by a table, with steps by the scale', () => {
    const rows = [
      ['of a fine step', 3 / 2048, 200000, 2 ** 16],
      ['of the usual step', 5 / 254, 8000, 2 ** 12],
      ['of a coarse step', 1 / 6, 2000, 2 ** 8],
    ] as const;
    for (const [edge, scale, most, step] of rows) {
      const channel = { scale: Math.fround(scale), zeroPoint: 7, min: -128, max: 100 };
      const stage = {
        ...{ biases: Int32Array.of(0), zeroPoint: 7, min: -128, max: 100 },
        ...floatRequantizers([{ ...channel, least: -most, most }], ['single', 'double', 'nudged']),
      };
      const result = finishOf(stage, stage.biases, boundsFrom(-most, most), true) as Finish;
      expect(result, edge).to.include({ method: 'linear', isMixed: false, step });
      expect(result.channels[0]?.lowered, edge).to.have.length(8);
      for (let x = -most; x <= most; x += 1) {
        if (finished(result, stage, x) !== finish(stage, x, 0)) expect.fail(`${edge}: ${x}`);
      }
    }
  });

  const relu = (multiplier: number, shift: number): OutputStage => ({
    ...{ biases: Int32Array.of(0), multipliers: [{ multiplier, shift }], rounding: 'double' },
    ...{ zeroPoint: -128, min: -128, max: 127 },
  });
  it('have lines of finer steps where the usual ones leave their multipliers too few bits', () => {
    for (const [scale, most, step] of [
      [2 ** -6.3, 30000, 2 ** 8],
      [2 ** -10.3, 2 ** 20, 2 ** 12],
      [2 ** -12.2, 2 ** 21, 2 ** 16],
    ] as const) {
      for (const rounding of ['double', 'single'] as const) {
        const { multiplier, shift } = quantizeMultiplier(scale);
        const stage = { ...relu(multiplier, shift), rounding };
        const result = finishOf(stage, stage.biases, boundsFrom(-most, most)) as Finish;
        expect(result, `${scale} ${rounding}`).to.include({ method: 'linear', step });
        for (let x = -most; x <= most; x += 1) {
          if (finished(result, stage, x) !== finish(stage, x, 0)) expect.fail(`${scale}: ${x}`);
        }
      }
    }
  });

  it('round once by definition where one channel needs finer steps than another has', () => {
    const stage: OutputStage = {
      ...{ biases: Int32Array.of(0, 0), zeroPoint: 3, min: -128, max: 127, rounding: 'single' },
      multipliers: [quantizeMultiplier(2 ** -4.7), quantizeMultiplier(2 ** -12.2)],
    };
    const bounds = { min: Int32Array.of(-9000, -(2 ** 21)), max: Int32Array.of(9000, 2 ** 21) };
    const result = finishOf(stage, stage.biases, bounds) as Finish;
    expect(result.method).to.equal('once');
    for (const channel of [0, 1]) {
      const one = { ...result, channels: [result.channels[channel] as ChannelFinish] };
      const alone = { ...stage, multipliers: [stage.multipliers[channel] as Multiplier] };
      const [min, max] = [bounds.min[channel] as number, bounds.max[channel] as number];
      for (let x = min; x <= max; x += 1) {
        if (finished(one, alone, x) !== finish(alone, x, 0)) expect.fail(`${channel}: ${x}`);
      }
    }
  });

  it('need accumulators that fit when they are 256 times as large', () => {
    const stage = relu(1234567890, -9);
    const most = 2 ** 23 - 2 ** 10;
    expect(finishOf(stage, stage.biases, boundsFrom(-most, most))).to.not.equal(null);
    expect(finishOf(stage, stage.biases, boundsFrom(-most, 2 ** 23))).to.equal(null);
  });

  it('give one output for all accumulators beyond the point where they saturate', () => {
    const stage = relu(1234567890, -9);
    const result = finishOf(stage, stage.biases, boundsFrom(2 ** 24, 2 ** 25)) as Finish;
    expect(result.channels[0]?.isConstant).to.equal(true);
    expect(finished(result, stage, 2 ** 24)).to.equal(127);
  });
});

const pointwise = {
  ...{ strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 },
  ...{ padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 },
};
type Op = 'conv2d' | 'depthwise_conv2d' | 'fully_connected';

interface Kind {
  /** Of depthwise layers. */
  readonly multipliers?: readonly number[];
  /** Three output channels at most; one input channel of depthwise layers. */
  readonly few?: boolean;
  /** One input channel under windows of one column. */
  readonly columns?: boolean;
  /** One input channel. */
  readonly one?: boolean;
}

/** Any channels, odd ones among them; weights of all kinds, now and then with −128. */
function randomLayer(op: Op, seed: number, kind: Kind = {}): Module {
  const { multipliers = [1], few = false, columns = false, one = false } = kind;
  const random = new Random(seed);
  const b = new GraphBuilder();
  const { input, output, attrs } = randomAccumulation(random);
  const isDepthwise = op === 'depthwise_conv2d';
  const inC = one || columns || (few && isDepthwise) ? 1 : random.integer(1, 13);
  const depthMultiplier = random.pick(multipliers);
  const outC = isDepthwise ? inC * depthMultiplier : random.integer(1, few ? 3 : 21);
  const shape = [random.integer(1, 2), random.integer(1, 9), random.integer(1, 9), inC];
  const window = randomWindow(random, shape);
  const isPointwise = op === 'conv2d' && !columns && seed % 3 === 0;
  const is3x3 = op === 'depthwise_conv2d' && seed % 3 > 0;
  const isBent = seed > 36;
  const side = { ...window.attrs, padTop: 1, padBottom: 2, padLeft: 1, padRight: 2 };
  const undilated = { ...side, dilationH: 1, dilationW: 1 };
  const attributes = {
    ...{ depthMultiplier, ...attrs },
    ...(is3x3 ? undilated : isPointwise ? pointwise : window.attrs),
    // A ReLU and one rounding have lines; two roundings on both sides of zero have none.
    ...(seed % 4 > 0 ? { activation: 'relu' } : {}),
    ...(isBent ? { activation: 'none', rounding: 'double' as const } : {}),
  };
  const [kernelH, kernelW] = is3x3
    ? [3, 3]
    : isPointwise
      ? [1, 1]
      : [window.kernelH, columns ? 1 : window.kernelW];
  const depth = random.integer(1, 70);
  const weightShape = {
    conv2d: [outC, kernelH, kernelW, inC],
    depthwise_conv2d: [1, kernelH, kernelW, outC],
    fully_connected: [outC, depth],
  }[op];
  const lowest = seed % 5 === 0 ? -128 : -127;
  const weight = random.pick([
    () => random.integer(lowest, 127),
    () => random.pick([lowest, 127, 1, -1, 0]),
    () => random.integer(-20, 20),
  ]);
  const isFloat = seed % 7 < 3;
  const zeroPoint = attributes.activation === 'relu' ? -128 : isBent ? 9 : output.zeroPoints[0];
  const quant = perTensorQuant(output.scales[0] ?? 1, zeroPoint ?? 0);
  const unit = (quant.scales[0] ?? 1) / (input.scales[0] ?? 1);
  const scales = Array.from({ length: outC }, () =>
    isFloat && random.integer(0, 3) === 0
      ? tyingScale(random) * unit
      : random.integer(10, 100) / 10000,
  );
  const weights = b.constant(
    Int8Array.from({ length: weightShape.reduce((count, n) => count * n, 1) }, weight),
    weightShape,
    perChannelQuant(scales, op === 'depthwise_conv2d' ? 3 : 0),
  );
  const bias = b.constant(random.int32(outC, -5000, 5000));
  const x = b.input(op === 'fully_connected' ? [random.pick([1, 1, 2, 5]), depth] : shape, input);
  if (isFloat) attributes.rounding = 'float';
  return b.module([b.node(op, [x, weights, bias], attributes, { quant, name: `seed ${seed}` })]);
}

const seeds = Array.from({ length: 42 }, (_, i) => i + 1);
interface Row extends Kind {
  readonly op: Op;
  readonly kernel: string;
  /** Of the layers are computed by the kernel, at least. */
  readonly share: number;
  /** The only goal that it serves. */
  readonly goal?: Optimize;
}

const rows: readonly Row[] = [
  { op: 'conv2d', kernel: 'dsp/conv2d', share: 0.8 },
  { op: 'conv2d', kernel: 'dsp/conv2d', share: 0.8, columns: true },
  { op: 'fully_connected', kernel: 'dsp/fully_connected', share: 0.3 },
  { op: 'fully_connected', kernel: 'dsp/fully_connected_packed', share: 0.3, goal: 'speed' },
  // Not where scales are both above 2^-5 and below 2^-8, and some of the latter have ties.
  { op: 'fully_connected', kernel: 'dsp/conv2d', share: 0.25 },
  {
    op: 'depthwise_conv2d',
    kernel: 'dsp/depthwise_conv2d',
    share: 0.5,
    multipliers: [1, 1, 1, 2, 3],
  },
  { op: 'conv2d', kernel: 'dsp/depthwise_conv2d', share: 0.3, one: true },
  { op: 'depthwise_conv2d', kernel: 'dsp/depthwise_conv2d_3x3', share: 0.2 },
  {
    op: 'depthwise_conv2d',
    kernel: 'dsp/depthwise_conv2d_taps',
    share: 0.9,
    multipliers: [1, 1, 2, 3, 4, 5, 8],
  },
  { op: 'conv2d', kernel: 'dsp/conv2d_few', share: 0.5, few: true },
  { op: 'fully_connected', kernel: 'dsp/conv2d_few', share: 0.9, few: true },
  {
    op: 'depthwise_conv2d',
    kernel: 'dsp/conv2d_few',
    share: 0.6,
    few: true,
    multipliers: [1, 1, 2, 3],
  },
];
const goals = ['speed', 'balanced'] as const;

/** Depths around whole rounds of a loop over 16 steps of two taps; all ways to finish outputs. */
const depths = [1, 2, 3, 30, 31, 32, 33, 34, 35, 36, 63, 64, 65, 66, 67, 97, 128];

function deepLayer(depth: number): Module {
  const random = new Random(depth);
  const b = new GraphBuilder();
  const outC = random.integer(4, 10);
  const [activation, rounding] = random.pick([
    ['relu', 'float'],
    ['relu', 'double'],
    ['none', 'double'],
    ['none', 'single'],
  ] as const);
  const scales = Array.from({ length: outC }, () => random.integer(10, 50) / 10000);
  const weights = b.constant(
    random.int8(outC * depth, -127),
    [outC, 1, 1, depth],
    perChannelQuant(scales, 0),
  );
  const operands = [b.input([1, 3, 3, depth]), weights, b.constant(random.int32(outC, -999, 999))];
  const attrs = { ...pointwise, activation, rounding };
  const quant = perTensorQuant(0.1, activation === 'relu' ? -128 : random.integer(-20, 20));
  return b.module([b.node('conv2d', operands, attrs, { quant, name: `depth ${depth}` })]);
}

describe('kernels for the DSP extension', () => {
  const groupsFor = (optimize: Optimize) =>
    rows
      .filter(({ goal = optimize }) => goal === optimize)
      .map(({ op, kernel, share, goal, ...kind }) => ({
        modules: seeds.map((seed) => randomLayer(op, seed, kind)),
        options: { kernel, optimize, overlap: true },
        share,
        name: `${op} by ${kernel} ${JSON.stringify(kind)}`,
      }));
  for (const optimize of goals) {
    it(`layers for ${optimize}, in C`, () => expectSameBitsOfAll(groupsFor(optimize)));
    it(`layers for ${optimize}, on a simulated Cortex-M4`, async function () {
      needs(this, qemuCommand);
      const groups = groupsFor(optimize);
      const all = await expectSameBitsOfAllOnBoard(groups, 'stm32f405');
      groups.forEach(({ options: { kernel }, share, name }, i) => {
        const kernels = all[i] ?? [];
        const own = kernels.filter((other) => other === kernel).length;
        expect(own / kernels.length, name).to.be.greaterThan(share);
      });
    });
  }

  const onCortexM7 = [
    { op: 'fully_connected', kernel: 'dsp/fully_connected', goal: 'speed' },
    { op: 'conv2d', kernel: 'dsp/conv2d', goal: 'speed' },
    { op: 'conv2d', kernel: 'dsp/conv2d', goal: 'balanced' },
    { op: 'depthwise_conv2d', kernel: 'dsp/depthwise_conv2d', goal: 'speed' },
  ] as const;
  for (const { op, kernel, goal } of onCortexM7) {
    it(`${op} with loads beside products for ${goal}, on a simulated Cortex-M7`, async function () {
      needs(this, qemuCommand);
      const modules = seeds.map((seed) => randomLayer(op, seed));
      if (op === 'conv2d') modules.push(...depths.map(deepLayer));
      const options = { kernel, optimize: goal, overlap: true, features: ['dual'] } as const;
      const kernels = await expectSameBitsOnBoard(modules, 'mps2-an500', options);
      expect(kernels.filter((other) => other === kernel)).to.have.length.greaterThan(9);
    });
  }

  for (const optimize of goals) {
    it(`residual sums for ${optimize}, on a simulated Cortex-M4`, async function () {
      needs(this, qemuCommand);
      const sums = seeds.slice(0, 20).map((seed) => {
        const op = seed % 2 === 0 ? 'conv2d' : 'fully_connected';
        return fused(randomSum(new Random(seed), op));
      });
      await expectSameBitsOnBoard(sums, 'stm32f405', {
        kernel: 'dsp/conv2d',
        optimize,
        overlap: true,
      });
    });
  }

  /** Channels with and without a rest of a word; windows inside the image and across its borders. */
  const pools = seeds.map((seed) => {
    const random = new Random(seed);
    const { inputs, attrs = {} } = randomPool(random);
    const [n = 1, h = 1, w = 1] = inputs[0]?.shape ?? [];
    const b = new GraphBuilder();
    const x = b.input([n, h, w, random.integer(4, 21)], inputs[0]?.quant);
    return b.module([b.node('max_pool2d', [x], attrs, { name: `seed ${seed}` })]);
  });
  for (const optimize of goals) {
    const options = { kernel: 'dsp/max_pool2d', optimize, overlap: true } as const;
    it(`max pools for ${optimize}, in C`, () => expectSameBits(pools, options));
    it(`max pools for ${optimize}, on a simulated Cortex-M4`, async function () {
      needs(this, qemuCommand);
      const kernels = await expectSameBitsOnBoard(pools, 'stm32f405', options);
      expect(new Set(kernels)).to.deep.equal(new Set([options.kernel]));
    });
  }

  it('use every method of weights and of outputs', () => {
    const flags = new Set<string>();
    for (const { op, kernel, ...kind } of rows) {
      for (const seed of seeds) {
        const graph = mainGraph(randomLayer(op, seed, kind));
        const view = viewOf(graph, graph.nodes[0] as never);
        for (const optimize of goals) {
          const context = contextOf({ target: 'host', options: { optimize } as never });
          const [match] = matchesOf(view, context, ({ template }) => template === kernel);
          for (const call of match?.kernel.calls() ?? []) {
            for (const [flag, value] of Object.entries(call.flags)) flags.add(`${flag} ${value}`);
          }
        }
      }
    }
    const both = [
      'packed',
      'linear',
      'twice',
      'clamped',
      'pointwise',
      'by_tap',
      'whole_words',
      'by_column',
    ];
    const depthwise = [
      'stride1',
      'stride2',
      'any_window',
      'pairs1',
      'pairs2',
      'single',
      'pair',
      'by_column',
      'in_place',
    ];
    for (const flag of [...both, 'staged', 'mixed', 'fine', 'finest', ...depthwise]) {
      expect([...flags]).to.include.members([`${flag} true`, `${flag} false`]);
    }
  });
});

/** What random layers seldom are, computed by dsp/depthwise_conv2d. */
const edges: readonly (readonly [
  edge: string,
  input: readonly [h: number, w: number, c: number],
  kernel: readonly [h: number, w: number],
  outC: number,
  stride?: readonly [h: number, w: number],
])[] = [
  ['one channel in bands, the last of fewer rows', [41, 37, 1], [3, 3], 3],
  ['one channel in bands of two rows, stride 2', [23, 211, 1], [4, 5], 2, [2, 2]],
  ['a row of one channel, computed as a column', [1, 50, 1], [1, 7], 2],
  ['wider than high, one channel, stride 2', [9, 60, 1], [2, 3], 2, [1, 2]],
  ['1×1 over one channel', [9, 8, 1], [1, 1], 3],
  ['the longest column of words', [40, 2, 3], [31, 1], 3],
  ['one tap more: in C', [40, 2, 3], [32, 1], 3],
  ['a window that is wider than high', [3, 40, 4], [2, 9], 8],
  ['one row of outputs at stride 2', [2, 9, 2], [2, 3], 2, [2, 2]],
  ['an odd last row at stride 2, even window', [9, 5, 4], [4, 4], 4, [2, 2]],
  ['3×3, a single row of outputs', [1, 7, 2], [3, 3], 2],
  ['3×3, an odd number of rows', [5, 4, 3], [3, 3], 6],
  ['3×3, an even number of rows', [6, 4, 3], [3, 3], 3],
  ['3×3 at stride 2, a single row of outputs', [2, 7, 2], [3, 3], 4, [2, 2]],
  ['3×3 at stride 2, an odd number of rows', [9, 5, 3], [3, 3], 3, [2, 2]],
  ['3×3 at stride 2, an even number of rows', [8, 5, 3], [3, 3], 6, [2, 2]],
  ['3×3 at stride 2 down, 1 across', [8, 5, 3], [3, 3], 3, [2, 1]],
  ['3×3 at stride 2 over one channel', [12, 11, 1], [3, 3], 2, [2, 2]],
  ['strides of 3 down, 2 across: turned', [13, 13, 3], [5, 5], 6, [3, 2]],
  ['strides of 3 both ways: in C', [13, 13, 3], [5, 5], 6, [3, 3]],
];

function edgeLayer([
  edge,
  [h, w, c],
  [kernelH, kernelW],
  outC,
  stride = [1, 1],
]: (typeof edges)[0]) {
  const random = new Random(h + w);
  const b = new GraphBuilder();
  const op = c === 1 ? 'conv2d' : 'depthwise_conv2d';
  const shape = c === 1 ? [outC, kernelH, kernelW, 1] : [1, kernelH, kernelW, outC];
  const scales = perChannelQuant(
    Array.from({ length: outC }, () => random.integer(10, 100) / 10000),
    c === 1 ? 0 : 3,
  );
  const [padTop, padLeft] = [kernelH >> 1, kernelW >> 1];
  const attrs = {
    ...{ strideH: stride[0], strideW: stride[1], dilationH: 1, dilationW: 1 },
    ...{ padTop, padBottom: padTop, padLeft, padRight: padLeft },
    ...{ activation: 'relu', rounding: 'double' },
    ...(c === 1 ? {} : { depthMultiplier: outC / c }),
  };
  const weights = b.constant(random.int8(kernelH * kernelW * outC, -127), shape, scales);
  const operands = [b.input([2, h, w, c]), weights, b.constant(random.int32(outC, -5000, 5000))];
  const quant = perTensorQuant(0.1, -128);
  return b.module([b.node(op, operands, attrs, { quant, name: edge })]);
}

describe('dsp/depthwise_conv2d at its edges', () => {
  const modules = edges.map(edgeLayer);
  const kernel = 'dsp/depthwise_conv2d';
  it('in C', () => expectSameBits(modules, { kernel, overlap: true }));
  const boards = [
    ['Cortex-M4', 'stm32f405', []],
    ['Cortex-M7', 'mps2-an500', ['dual']],
  ] as const;
  for (const [core, board, features] of boards) {
    it(`on a simulated ${core}`, async function () {
      needs(this, qemuCommand);
      const options = { kernel, overlap: true, features };
      const kernels = await expectSameBitsOnBoard(modules, board, options);
      expect(kernels).to.deep.equal(modules.map(() => kernel));
    });
  }
});

/** One filter of 127s as long as accumulators of 23 bits allow, and its like of the other sign. */
function longest(): Module {
  const b = new GraphBuilder();
  const depth = Math.floor((2 ** 23 - 2 ** 10) / (127 * 128));
  const x = b.input([1, depth], perTensorQuant(0.02, 0));
  const data = Int8Array.from({ length: 4 * depth }, (_, i) => (i < 2 * depth ? 127 : -127));
  const weights = b.constant(data, [4, depth], perTensorQuant(0.0001, 0));
  const attrs = { activation: 'none', rounding: 'single' };
  return b.module([
    b.node('fully_connected', [x, weights, null], attrs, { quant: perTensorQuant(0.03, 0) }),
  ]);
}

describe('the bounds of accumulators', () => {
  const kernel = 'dsp/fully_connected';
  const differs = async (facts: Facts, optimize: 'speed' | 'balanced') => {
    const module = longest();
    const planned = simplePlan(module, { kernel, facts, optimize });
    const { plan } = planned;
    expect(plan.steps[0]?.kernel).to.equal(kernel);
    const program = emitProgram(module, planned, packageTemplates());
    const extent = mainGraph(module).tensors[0]?.shape[1] ?? 0;
    const vectors = [-128, 127, 0].map((value) => [new Int8Array(extent).fill(value)]);
    const traces = await runProgram(module.name, plan, program, vectors);
    return traces.map((trace, i) => firstDifference(module, vectors[i] ?? [], trace) !== null);
  };

  for (const optimize of goals) {
    it(`are met exactly, for ${optimize}`, async () =>
      expect(await differs(noFacts, optimize)).to.deep.equal([false, false, false]));

    it(`give other bits where they are wrong, for ${optimize}`, async () => {
      // As if no accumulator were above zero: the two other channels saturate, and never move.
      const wrong: Facts = {
        ...noFacts,
        accumulator: (view) => {
          const { min, max } = noFacts.accumulator(view);
          return { min, max: max.map(() => Math.max(...min)) };
        },
      };
      expect(await differs(wrong, optimize)).to.include(true);
    });
  }
});
