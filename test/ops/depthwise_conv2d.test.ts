import { GraphBuilder, perTensorQuant, Random } from '../support/module.js';
import { expectSameBits } from '../support/native.js';
import {
  randomAccumulation,
  randomActivation,
  randomWeights,
  randomWindow,
} from '../support/operands.js';
import { type OperatorCase, testOperator } from '../support/operator.js';
import { reals, realWeights, seeded, testReal } from '../support/real-layers.js';

function randomDepthwise(random: Random): Omit<OperatorCase, 'edge'> {
  const depthMultiplier = random.pick([1, 1, 2, 3, 5]);
  const { input, output, attrs } = randomAccumulation(random, ['double', 'single', 'float']);
  const [batch, h, w] = [random.integer(1, 2), random.integer(1, 9), random.integer(1, 9)];
  const shape = [batch, h, w, random.integer(1, 12)];
  const { kernelH, kernelW, attrs: window } = randomWindow(random, shape);
  const outC = (shape[3] ?? 1) * depthMultiplier;
  return {
    inputs: [{ shape, quant: input }, ...randomWeights(random, [1, kernelH, kernelW, outC], 3)],
    attrs: { ...attrs, ...window, depthMultiplier },
    quant: output,
  };
}

const attrs = {
  ...{ strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 },
  ...{ padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 },
  ...{ activation: 'none', rounding: 'double', depthMultiplier: 2 },
};
const quant = perTensorQuant(0.1, 0);

testOperator({
  op: 'depthwise_conv2d',
  random: randomDepthwise,
  refused: [
    {
      edge: 'weights for another depth multiplier',
      inputs: [
        { shape: [1, 4, 4, 2] },
        { shape: [1, 1, 1, 6], quant, data: new Int8Array(6) },
        null,
      ],
      attrs,
      code: 'bad-shape',
      message: /depth multiplier 2/,
    },
    {
      edge: 'a depth multiplier that is no integer',
      inputs: [
        { shape: [1, 4, 4, 2] },
        { shape: [1, 1, 1, 3], quant, data: new Int8Array(3) },
        null,
      ],
      attrs: { ...attrs, depthMultiplier: 1.5 },
      code: 'bad-shape',
      message: /depth multiplier 1.5/,
    },
  ],
});

describe('kernel portable/depthwise_conv2d', () => {
  it('also computes what the kernel of four channels does', async () => {
    const modules = Array.from({ length: 12 }, (_, seed) => {
      const random = new Random(seed + 100);
      const b = new GraphBuilder();
      const x = b.input([1, 5, 6, 4 + seed]);
      const shape = [1, 3, 2, 4 + seed];
      const [weights] = randomWeights(random, shape, 3);
      const data = weights.data as Int8Array;
      const filters = b.constant(data, shape, weights.quant ?? null);
      const same = { ...attrs, depthMultiplier: 1, padTop: 1, padBottom: 1, padRight: 1 };
      return b.module([b.node('depthwise_conv2d', [x, filters, null], same)]);
    });
    await expectSameBits(modules, { kernel: 'portable/depthwise_conv2d' });
  });

  it('four channels of the output at once, whatever the multiplier', async () => {
    const modules = [2, 3, 4, 5, 8].map((depthMultiplier) => {
      const random = new Random(depthMultiplier);
      const b = new GraphBuilder();
      const x = b.input([2, 5, 6, 3]);
      const shape = [1, 3, 2, 3 * depthMultiplier];
      const [weights] = randomWeights(random, shape, 3);
      const filters = b.constant(weights.data as Int8Array, shape, weights.quant ?? null);
      const all = { ...attrs, depthMultiplier, padTop: 1, padBottom: 1, padRight: 1 };
      return b.module([b.node('depthwise_conv2d', [x, filters, null], all)]);
    });
    const kernel = 'portable/depthwise_conv2d_by4';
    await expectSameBits(modules, { kernel, overlap: true });
  });
});

const realAttrs = {
  ...{ strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 },
  ...{ padTop: 1, padBottom: 1, padLeft: 1, padRight: 1 },
  ...{ activation: 'none', rounding: 'double', depthMultiplier: 1 },
};

testReal(
  'depthwise_conv2d',
  [
    {
      edge: '3×3 SAME with relu6',
      inputs: [reals([1, 5, 6, 5]), ...realWeights(seeded(1), [1, 3, 3, 5], 5)],
      attrs: { ...realAttrs, activation: 'relu6' },
    },
    {
      edge: 'three outputs a channel, stride 2, two images',
      inputs: [reals([2, 7, 7, 2]), ...realWeights(seeded(5), [1, 3, 3, 6], 6)],
      attrs: { ...realAttrs, strideH: 2, strideW: 2, depthMultiplier: 3 },
    },
  ],
  (random) => {
    const [inC, depthMultiplier] = [random.integer(1, 6), random.integer(1, 3)];
    const shape = [random.integer(1, 2), random.integer(1, 7), random.integer(1, 7), inC];
    const { kernelH, kernelW, attrs: window } = randomWindow(random, shape);
    const outC = inC * depthMultiplier;
    return {
      inputs: [reals(shape), ...realWeights(random, [1, kernelH, kernelW, outC], outC)],
      attrs: {
        ...window,
        activation: randomActivation(random),
        rounding: 'double',
        depthMultiplier,
      },
    };
  },
);
