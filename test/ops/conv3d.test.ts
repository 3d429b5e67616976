import { samePadding } from '../../src/compiler/ops/shape/window.js';
import type { Random } from '../support/module.js';
import { randomActivation } from '../support/operands.js';
import { reals, realWeights, seeded, testReal } from '../support/real-layers.js';

interface Axis {
  readonly extent: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
}

function windowOf(axes: readonly Axis[], same: boolean) {
  return {
    strides: axes.map(({ stride }) => stride),
    dilations: axes.map(({ dilation }) => dilation),
    pads: axes.flatMap(({ extent, kernel, stride, dilation }) =>
      same ? samePadding(extent, kernel, stride, dilation) : [0, 0],
    ),
  };
}

const axis = (extent: number, kernel: number, stride = 1, dilation = 1): Axis => ({
  ...{ extent, kernel, stride, dilation },
});

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
      ...realWeights(random, [...kernels, depth, channels], channels),
    ],
    attrs: { ...windowOf(axes, same), activation },
  };
}

function randomAxis(random: Random, same: boolean): Axis {
  const [kernel, stride] = [random.integer(1, 3), random.integer(1, 3)];
  const dilation = random.integer(1, 3);
  const least = same ? 1 : (kernel - 1) * dilation + 1;
  return axis(random.integer(least, least + 3), kernel, stride, dilation);
}

const cube = [axis(3, 2), axis(3, 2), axis(3, 2)];
const [volume, weights, bias] = layer(seeded(1), [1, 2, 3], cube, false).inputs;
const attrs = { ...windowOf(cube, false), activation: 'none' };
const real = { attrs, quant: null, dtype: 'float32' } as const;

testReal(
  'conv3d',
  [
    {
      edge: '3×3×3 VALID, five channels',
      ...layer(seeded(1), [1, 2, 5], [axis(4, 3), axis(5, 3), axis(6, 3)], false),
    },
    {
      edge: 'SAME, stride 2, an even extent, two batches, relu6',
      ...layer(seeded(2), [2, 3, 4], [axis(5, 3, 2), axis(4, 3, 2), axis(3, 2, 2)], true, 'relu6'),
    },
    {
      edge: 'one plane of a kernel, as a layer of images',
      ...layer(seeded(3), [1, 2, 3], [axis(3, 1), axis(5, 3), axis(4, 3)], true),
    },
    {
      edge: 'dilation, SAME: taps outside on both sides',
      ...layer(seeded(4), [1, 1, 1], [axis(3, 3, 1, 2), axis(4, 2, 1, 3), axis(2, 3, 1, 2)], true),
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
        edge: 'filters of half the channels: groups',
        inputs: [reals([1, 3, 3, 3, 4]), weights ?? null, bias ?? null],
        ...{ ...real, code: 'bad-shape', message: /\[2,2,2,2,3\] do not fit input \[1,3,3,3,4\]/ },
      },
      {
        edge: 'a window larger than the volume',
        inputs: [reals([1, 3, 1, 3, 2]), weights ?? null, bias ?? null],
        ...{ ...real, code: 'bad-shape', message: /do not fit/ },
      },
      {
        edge: 'an image',
        inputs: [reals([3, 3, 3, 2]), weights ?? null, bias ?? null],
        ...{ ...real, code: 'bad-shape', message: /do not fit input \[3,3,3,2\]/ },
      },
      {
        edge: 'computed weights',
        inputs: [volume ?? null, reals([2, 2, 2, 2, 3]), null],
        ...{ ...real, code: 'unsupported-attribute', message: /is computed/ },
      },
      {
        edge: 'a bias of other channels',
        inputs: [volume ?? null, weights ?? null, { ...reals([2]), data: new Float32Array(2) }],
        ...{ ...real, code: 'bad-shape', message: /2 elements for 3 channels/ },
      },
      {
        edge: 'int8, which desktop TFLite does not compute either',
        inputs: [{ shape: [1, 3, 3, 3, 2] }, weights ?? null, bias ?? null],
        ...{ attrs, code: 'unsupported-type', message: /int8; only float32 is supported/ },
      },
    ],
  },
);
