import { perChannelQuant, perTensorQuant, type Random } from '../support/module.js';
import {
  randomAccumulation,
  randomActivation,
  randomWeights,
  randomWindow,
} from '../support/operands.js';
import { type OperatorCase, testOperator } from '../support/operator.js';
import { reals, realWeights, seeded, testReal } from '../support/real-layers.js';

/** Any window; every third one 1×1 on pixels, every third one grouped. */
function randomConv(random: Random): Omit<OperatorCase, 'edge'> {
  const kind = random.pick(['any', 'pointwise', 'grouped']);
  const groups = kind === 'grouped' ? random.integer(2, 3) : 1;
  const filterC = random.integer(1, 9);
  const outC = groups * random.integer(1, 10);
  const { input, output, attrs } = randomAccumulation(random, ['double', 'single', 'float']);
  const [batch, h, w] = [random.integer(1, 2), random.integer(1, 9), random.integer(1, 9)];
  const shape = [batch, h, w, groups * filterC];
  const window = randomWindow(random, shape);
  const { kernelH, kernelW } = kind === 'pointwise' ? { kernelH: 1, kernelW: 1 } : window;
  const weights = randomWeights(random, [outC, kernelH, kernelW, filterC], 0);
  return {
    inputs: [{ shape, quant: input }, ...weights],
    attrs: { ...attrs, ...(kind === 'pointwise' ? pointwise : window.attrs) },
    quant: output,
  };
}

const pointwise = {
  ...{ strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 },
  ...{ padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 },
};
const attrs = { ...pointwise, activation: 'none', rounding: 'double' };
const image = { shape: [1, 4, 4, 2], quant: perTensorQuant(0.1, 3) };
const filters = (shape: readonly number[], quant = perTensorQuant(0.1, 0)) => ({
  shape,
  quant,
  data: new Int8Array(shape.reduce((product, extent) => product * extent, 1)),
});
const bias = (value: number) => ({ shape: [1], data: Int32Array.of(value) });

testOperator({
  op: 'conv2d',
  random: randomConv,
  refused: [
    {
      edge: 'a dilation whose padding leaves int32',
      inputs: [image, filters([1, 3, 3, 2])],
      attrs: { ...attrs, dilationH: 2 ** 30, padTop: 2 ** 30, padBottom: 2 ** 30 },
      code: 'unsupported-attribute',
      message: /beyond 32 bits/,
    },
    {
      edge: 'input channels that the filters do not divide',
      inputs: [image, filters([1, 1, 1, 3]), null],
      attrs,
      code: 'bad-shape',
      message: /\[1,1,1,3\] do not fit input \[1,4,4,2\]/,
    },
    {
      edge: 'a window larger than the image',
      inputs: [image, filters([1, 5, 1, 2]), null],
      attrs,
      code: 'bad-shape',
      message: /5×1 does not fit/,
    },
    {
      edge: 'stride 0',
      inputs: [image, filters([1, 1, 1, 2]), null],
      attrs: { ...attrs, strideW: 0 },
      code: 'unsupported-attribute',
      message: /stride 1×0/,
    },
    {
      edge: 'negative padding',
      inputs: [image, filters([1, 1, 1, 2]), null],
      attrs: { ...attrs, padLeft: -1 },
      code: 'unsupported-attribute',
      message: /negative side/,
    },
    {
      edge: 'an input of rank 3',
      inputs: [{ shape: [4, 4, 2] }, filters([1, 1, 1, 2]), null],
      attrs,
      code: 'bad-shape',
      message: /\[batch, height, width, channels\]/,
    },
    {
      edge: 'computed weights',
      inputs: [image, { shape: [1, 1, 1, 2], quant: perTensorQuant(0.1, 0) }, null],
      attrs,
      code: 'unsupported-attribute',
      message: /is computed/,
    },
    {
      edge: 'weights with a zero point',
      inputs: [image, filters([1, 1, 1, 2], perTensorQuant(0.1, 1)), null],
      attrs,
      code: 'bad-quantization',
      message: /zero point other than 0/,
    },
    {
      edge: 'scales along another axis',
      inputs: [image, filters([2, 1, 1, 2], perChannelQuant([1, 2], 3)), null],
      attrs,
      code: 'bad-quantization',
      message: /along axis 3, not 0/,
    },
    {
      edge: 'a weight scale of 0',
      inputs: [image, filters([1, 1, 1, 2], perTensorQuant(0, 0)), null],
      attrs,
      code: 'bad-quantization',
      message: /scale 0/,
    },
    {
      edge: 'a bias for another number of channels',
      inputs: [image, filters([2, 1, 1, 2]), bias(0)],
      attrs,
      code: 'bad-shape',
      message: /1 elements for 2 channels/,
    },
    {
      edge: 'an accumulator that can overflow',
      inputs: [
        image,
        { ...filters([1, 1, 1, 2]), data: Int8Array.of(-128, 127) },
        bias(2 ** 31 - 30000),
      ],
      attrs,
      code: 'bad-quantization',
      message: /channel 0 can overflow/,
    },
  ],
});

const realAttrs = { ...pointwise, activation: 'none', rounding: 'double' };

testReal(
  'conv2d',
  [
    {
      edge: '3×3 SAME with relu',
      inputs: [reals([1, 5, 6, 3]), ...realWeights(seeded(1), [7, 3, 3, 3], 7)],
      attrs: {
        ...{ ...realAttrs, activation: 'relu' },
        ...{ padTop: 1, padBottom: 1, padLeft: 1, padRight: 1 },
      },
    },
    {
      edge: 'stride 2, dilation 2, two images',
      inputs: [reals([2, 9, 9, 2]), ...realWeights(seeded(2), [5, 3, 2, 2], 5)],
      attrs: { ...realAttrs, strideH: 2, strideW: 2, dilationH: 2, dilationW: 2 },
    },
    {
      edge: 'two groups, relu6',
      inputs: [reals([1, 4, 4, 4]), ...realWeights(seeded(3), [6, 2, 2, 2], 6)],
      attrs: { ...realAttrs, activation: 'relu6' },
    },
    {
      edge: '1×1',
      inputs: [reals([1, 4, 3, 8]), ...realWeights(seeded(5), [3, 1, 1, 8], 3)],
      attrs: { ...realAttrs, activation: 'relu_n1_to_1' },
    },
  ],
  (random) => {
    const groups = random.pick([1, 1, 2]);
    const [filterC, outC] = [random.integer(1, 6), groups * random.integer(1, 7)];
    const shape = [
      random.integer(1, 2),
      random.integer(1, 7),
      random.integer(1, 7),
      groups * filterC,
    ];
    const { kernelH, kernelW, attrs: window } = randomWindow(random, shape);
    const activation = randomActivation(random);
    return {
      inputs: [reals(shape), ...realWeights(random, [outC, kernelH, kernelW, filterC], outC)],
      attrs: { ...window, activation, rounding: 'double' },
    };
  },
);
