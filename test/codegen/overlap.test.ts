/** Outputs in the memory of their inputs: kernels stand their own leads, and one byte less shows. */

import { expect } from 'chai';
import { loadTarget } from '../../src/boards/target/index.js';
import type { Module, Shape } from '../../src/compiler/ir/graph.js';
import { kernelsOf } from '../../src/compiler/kernels/index.js';
import { makePlan, type Planned } from '../../src/compiler/plan/index.js';
import { GraphBuilder, perTensorQuant, Random } from '../support/module.js';
import { expectSameBits } from '../support/native.js';
import { NetworkBuilder } from '../support/networks.js';
import { defaults, noFacts, simplePlan } from '../support/plan.js';

const window = { strideH: 1, strideW: 1, dilationH: 1, dilationW: 1, activation: 'none' };
const pads = { padTop: 1, padBottom: 1, padLeft: 1, padRight: 1 };
const none = { padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 };

/** One node over an image. */
function node(
  op: string,
  weights: readonly number[] | null,
  attrs: object,
  image: Shape = [1, 6, 5, 8],
): Module {
  const b = new GraphBuilder();
  const random = new Random(5);
  const x = b.input(image, perTensorQuant(0.02, 3));
  const quant = perTensorQuant(0.01, 0);
  const constants = weights && [
    b.constant(random.int8(weights.reduce((p, n) => p * n, 1)), weights, quant),
    null,
  ];
  const output = weights === null ? {} : { quant: perTensorQuant(0.04, -5) };
  return b.module([b.node(op, [x, ...(constants ?? [])], { ...attrs }, output)]);
}

const convolution = { ...window, ...pads, rounding: 'double' };
const rows: readonly { edge: string; module: Module; kernel?: string }[] = [
  { edge: 'conv2d 3x3', module: node('conv2d', [8, 3, 3, 8], convolution) },
  { edge: 'conv2d to more channels', module: node('conv2d', [11, 3, 3, 8], convolution) },
  {
    edge: 'conv2d 1x1',
    module: node('conv2d', [8, 1, 1, 8], { ...convolution, ...none }),
  },
  {
    edge: 'conv2d stride 2',
    module: node('conv2d', [8, 3, 3, 8], { ...convolution, strideH: 2, strideW: 2 }),
  },
  {
    edge: 'depthwise_conv2d',
    module: node('depthwise_conv2d', [1, 3, 3, 8], { ...convolution, depthMultiplier: 1 }),
  },
  {
    edge: 'depthwise_conv2d with two channels for each',
    module: node('depthwise_conv2d', [1, 3, 3, 16], { ...convolution, depthMultiplier: 2 }),
  },
  ...[1, 2, 3, 4].map((depthMultiplier) => ({
    edge: `dsp/depthwise_conv2d_taps, ${depthMultiplier} for each`,
    module: node('depthwise_conv2d', [1, 3, 3, 8 * depthMultiplier], {
      ...convolution,
      depthMultiplier,
    }),
    kernel: 'dsp/depthwise_conv2d_taps',
  })),
  {
    edge: 'depthwise_conv2d by single channels',
    module: node('depthwise_conv2d', [1, 3, 3, 8], { ...convolution, depthMultiplier: 1 }),
    kernel: 'portable/depthwise_conv2d',
  },
  {
    edge: 'thumb1/depthwise_conv2d with two channels for each, channel after channel',
    module: node('depthwise_conv2d', [1, 3, 3, 16], { ...convolution, depthMultiplier: 2 }),
    kernel: 'thumb1/depthwise_conv2d',
  },
  {
    edge: 'thumb1/depthwise_conv2d of one channel, band after band',
    module: node(
      'depthwise_conv2d',
      [1, 3, 3, 2],
      { ...convolution, depthMultiplier: 2 },
      [1, 40, 24, 1],
    ),
    kernel: 'thumb1/depthwise_conv2d',
  },
  {
    edge: 'thumb1/depthwise_conv2d_windows, gathered',
    module: node('depthwise_conv2d', [1, 3, 3, 8], { ...convolution, depthMultiplier: 1 }),
    kernel: 'thumb1/depthwise_conv2d_windows',
  },
  {
    edge: 'thumb1/depthwise_conv2d_windows in place, two blocks of channels',
    module: node(
      'depthwise_conv2d',
      [1, 3, 1, 64],
      { ...window, ...none, rounding: 'double', depthMultiplier: 1 },
      [1, 7, 1, 64],
    ),
    kernel: 'thumb1/depthwise_conv2d_windows',
  },
  ...[3, 1].map((side) => ({
    edge: `dsp/conv2d_few ${side}x${side}`,
    module: node('conv2d', [3, side, side, 8], { ...convolution, ...(side === 1 ? none : {}) }),
    kernel: 'dsp/conv2d_few',
  })),
  ...['dsp/conv2d', 'mve/conv2d', 'swar/sparse_conv2d_pixels'].map((kernel) => ({
    edge: `${kernel} 3x3`,
    module: node('conv2d', [8, 3, 3, 8], convolution),
    kernel,
  })),
  {
    edge: 'mve/sparse_conv2d 3x3, two bands of rows',
    module: node('conv2d', [8, 3, 3, 8], convolution, [1, 16, 9, 8]),
    kernel: 'mve/sparse_conv2d',
  },
  {
    edge: 'mve/depthwise_conv2d',
    module: node('depthwise_conv2d', [1, 3, 3, 8], { ...convolution, depthMultiplier: 1 }),
    kernel: 'mve/depthwise_conv2d',
  },
  {
    edge: 'max_pool2d',
    module: node('max_pool2d', null, { ...window, ...pads, kernelH: 3, kernelW: 3 }),
    kernel: 'portable/max_pool2d',
  },
  {
    edge: 'dsp/max_pool2d_rows, rows of columns in scratch',
    module: node('max_pool2d', null, { ...window, ...pads, kernelH: 3, kernelW: 3 }),
    kernel: 'dsp/max_pool2d_rows',
  },
  {
    edge: 'dsp/max_pool2d_rows, windows of one row: the third column after a row of outputs',
    module: node('max_pool2d', null, { ...window, ...none, kernelH: 1, kernelW: 4 }),
    kernel: 'dsp/max_pool2d_rows',
  },
  {
    edge: 'average_pool2d',
    module: node('average_pool2d', null, { ...window, ...pads, kernelH: 3, kernelW: 3 }),
  },
  {
    edge: 'fully_connected, a row for each pixel',
    module: node('fully_connected', [10, 8], {
      activation: 'none',
      rounding: 'double',
      keepDims: true,
    }),
  },
  {
    edge: 'swar/sparse_fully_connected, three blocks of channels',
    module: node('fully_connected', [20, 240], { activation: 'none', rounding: 'double' }),
    kernel: 'swar/sparse_fully_connected',
  },
];

/** A plan whose arena ends where its input does. */
function inputLast(module: Module, kernel: string): Planned {
  const { plan, implementations } = simplePlan(module, { kernel });
  const [input, ...others] = plan.placements;
  const [port] = plan.inputs;
  if (input === undefined || port === undefined) throw new RangeError('no input');
  const offset = plan.arenaBytes;
  const moved = {
    ...plan,
    placements: [{ ...input, offset }, ...others],
    inputs: [{ ...port, offset }],
    arenaBytes: offset + input.bytes,
  };
  return { plan: moved, implementations };
}

describe('overlap in C', () => {
  for (const { edge, module, ...options } of rows) {
    it(`${edge}: intact at the lead, not one byte nearer`, async () => {
      await expectSameBits([module], { ...options, overlap: true });
      const near = await expectSameBits([module], { ...options, overlap: 'too near' }).then(
        () => 'the same bits',
        (error: Error) => error.message,
      );
      expect(near).to.match(/in C, .* by evaluate/);
    });
  }

  for (const [channels, multiplier] of [
    [1, 1],
    [3, 1],
    [9, 1],
    [3, 2],
    [5, 3],
  ] as const) {
    it(`nothing is read behind the arena: depthwise convolutions of ${channels} channels times ${multiplier}`, async () => {
      const b = new NetworkBuilder(new Random(channels));
      const options = { pad: 1, quant: perTensorQuant(2, 0), multiplier };
      const module = b.module([b.depthwise(b.input([1, 4, 4, channels]), options)]);
      for (const { template } of kernelsOf({ op: 'depthwise_conv2d' }).variants) {
        const planned = inputLast(module, template);
        if (planned.plan.steps[0]?.kernel === template)
          await expectSameBits([module], { plan: () => planned });
      }
    });
  }

  it('an input is moved before its kernel runs', async () => {
    const b = new NetworkBuilder(new Random(4));
    let x = b.input([1, 9, 5, 8]);
    for (let i = 0; i < 6; i++) x = b.conv2d(b.depthwise(x, { pad: 1 }), 8);
    const module = b.module([x]);
    const planned = makePlan(module, noFacts, loadTarget('host'), { ...defaults, faithful: false });
    expect(planned.plan.steps.some(({ move }) => move !== null)).to.equal(true);
    await expectSameBits([module], { plan: () => planned });
  });
});
