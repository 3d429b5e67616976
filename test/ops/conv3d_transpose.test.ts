import { samePadding } from '../../src/compiler/ops/shape/window.js';
import type { Random } from '../support/module.js';
import { randomActivation } from '../support/operands.js';
import { reals, realWeights, seeded, testReal } from '../support/real-layers.js';

/** An axis whose output is `size`: the runtime wants the one that leads back to the input. */
interface Axis {
  readonly extent: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly size: number;
}

function windowOf(axes: readonly Axis[], same: boolean) {
  return {
    strides: axes.map(({ stride }) => stride),
    dilations: axes.map(({ dilation }) => dilation),
    size: axes.map(({ size }) => size),
    pads: axes.map(({ size, kernel, stride, dilation }) =>
      same ? samePadding(size, kernel, stride, dilation)[0] : 0,
    ),
  };
}

/** @param more outputs of those beyond the fewest that lead back to `extent` inputs */
function axis(
  extent: number,
  kernel: number,
  [stride, dilation]: number[],
  same: boolean,
  more = 0,
) {
  const reach = (kernel - 1) * (dilation as number) + 1;
  const least = (extent - 1) * (stride as number) + (same ? 1 : reach);
  return {
    ...{ extent, kernel, stride: stride as number, dilation: dilation as number },
    size: least + more,
  };
}

/** A layer of `channels` over [batches, ...axes, depth]. */
function layer(
  random: Random,
  [batches, depth, channels]: readonly [number, number, number],
  axes: readonly Axis[],
  same: boolean,
  activation = 'none',
) {
  const kernels = axes.map(({ kernel }) => kernel);
  return {
    inputs: [
      reals([batches, ...axes.map(({ extent }) => extent), depth]),
      ...realWeights(random, [...kernels, channels, depth], channels),
    ],
    attrs: { ...windowOf(axes, same), activation },
  };
}

function randomAxis(random: Random, same: boolean): Axis {
  const [extent, kernel] = [random.integer(1, 4), random.integer(1, 4)];
  const [stride, dilation] = [random.integer(1, 3), random.integer(1, 3)];
  return axis(extent, kernel, [stride, dilation], same, random.integer(0, stride - 1));
}

const cube = [3, 3, 3].map((extent) => axis(extent, 2, [1, 1], false));
const { inputs, attrs } = layer(seeded(1), [1, 2, 3], cube, false);
const [volume = null, weights = null, bias = null] = inputs;
const real = { attrs, quant: null, dtype: 'float32' } as const;

testReal(
  'conv3d_transpose',
  [
    {
      edge: '2×2×2 VALID, stride 1',
      ...layer(
        seeded(1),
        [1, 2, 5],
        [2, 3, 4].map((extent) => axis(extent, 2, [1, 1], false)),
        false,
      ),
    },
    {
      edge: 'SAME, stride 2, two batches, relu',
      ...layer(
        seeded(2),
        [2, 3, 4],
        [2, 3, 2].map((extent) => axis(extent, 3, [2, 1], true, 1)),
        true,
        'relu',
      ),
    },
    {
      edge: 'a kernel smaller than the stride: outputs of the bias alone',
      ...layer(
        seeded(5),
        [1, 1, 2],
        [2, 2, 2].map((extent) => axis(extent, 1, [3, 1], false, 2)),
        false,
      ),
    },
    {
      edge: 'stride and dilation with a common divisor, and without one',
      ...layer(
        seeded(4),
        [1, 2, 2],
        [axis(3, 3, [2, 2], false), axis(3, 4, [2, 3], false, 1), axis(3, 3, [3, 2], false)],
        false,
      ),
    },
  ],
  (random) => {
    const same = random.integer(0, 1) === 0;
    const axes = [0, 1, 2].map(() => randomAxis(random, same));
    const sizes = [random.integer(1, 2), random.integer(1, 4), random.integer(1, 9)] as const;
    return layer(random, sizes, axes, same, randomActivation(random));
  },
  {
    differs: [],
    refused: [
      {
        edge: 'filters of other channels',
        inputs: [reals([1, 3, 3, 3, 4]), weights, bias],
        ...{
          ...real,
          code: 'bad-shape',
          message: /\[2,2,2,3,2\].* do not fit input \[1,3,3,3,4\]/,
        },
      },
      {
        edge: 'an image',
        inputs: [reals([3, 3, 3, 2]), weights, bias],
        ...{ ...real, code: 'bad-shape', message: /do not fit input \[3,3,3,2\]/ },
      },
      {
        edge: 'a size of two dimensions',
        inputs: [volume, weights, bias],
        ...{ ...real, attrs: { ...attrs, size: [4, 4] } },
        ...{ code: 'bad-shape', message: /size \[4,4\] do not fit/ },
      },
      {
        edge: 'computed weights',
        inputs: [volume, reals([2, 2, 2, 3, 2]), null],
        ...{ ...real, code: 'unsupported-attribute', message: /is computed/ },
      },
      {
        edge: 'int8',
        inputs: [{ shape: [1, 3, 3, 3, 2] }, weights, bias],
        ...{ attrs, code: 'unsupported-type', message: /int8; only float32 is supported/ },
      },
    ],
  },
);
