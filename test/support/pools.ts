/** Nodes of all pools over images: refusals of integers, and float32. */
import { perTensorQuant, type Random } from './module.js';
import { randomPool } from './operands.js';
import type { OperatorCase, Refusal } from './operator.js';
import { reals } from './real-layers.js';

const noPads = { padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 };

/** Of 2×2 with stride 2. */
export const poolAttrs = {
  ...{ kernelH: 2, kernelW: 2, strideH: 2, strideW: 2, activation: 'none' },
  ...noPads,
};

/** What pools of int8 refuse. */
export const poolRefusals: readonly Refusal[] = [
  {
    edge: 'an input of rank 3',
    inputs: [{ shape: [4, 4, 2] }],
    attrs: poolAttrs,
    code: 'bad-shape',
    message: /3 dimensions/,
  },
  {
    edge: 'a window larger than the image, VALID',
    inputs: [{ shape: [1, 1, 4, 2] }],
    attrs: poolAttrs,
    code: 'bad-shape',
    message: /does not fit/,
  },
  {
    edge: 'a change of scale',
    inputs: [{ shape: [1, 4, 4, 2], quant: perTensorQuant(0.1, 3) }],
    attrs: poolAttrs,
    quant: perTensorQuant(0.11, 3),
    code: 'bad-quantization',
    message: /same scale/,
  },
  {
    edge: 'a change of zero point',
    inputs: [{ shape: [1, 4, 4, 2], quant: perTensorQuant(0.1, 3) }],
    attrs: poolAttrs,
    quant: perTensorQuant(0.1, 4),
    code: 'bad-quantization',
    message: /zero point/,
  },
  {
    edge: 'a window that lies in the padding',
    inputs: [{ shape: [1, 4, 4, 2] }],
    attrs: { ...poolAttrs, padTop: 2 },
    code: 'unsupported-attribute',
    message: /padding/,
  },
];

export const realPools: readonly OperatorCase[] = [
  {
    edge: 'SAME, windows over the edge',
    inputs: [reals([1, 5, 7, 3])],
    attrs: {
      ...{ kernelH: 3, kernelW: 3, strideH: 2, strideW: 2, activation: 'none' },
      ...{ padTop: 1, padBottom: 1, padLeft: 1, padRight: 1 },
    },
  },
  {
    edge: 'the whole image, relu6',
    inputs: [reals([2, 4, 6, 2])],
    attrs: { kernelH: 4, kernelW: 6, strideH: 4, strideW: 6, activation: 'relu6', ...noPads },
  },
];

export function randomRealPool(random: Random): Omit<OperatorCase, 'edge'> {
  const { inputs, attrs = {} } = randomPool(random);
  return { inputs: inputs.map((one) => reals(one?.shape ?? [])), attrs };
}
