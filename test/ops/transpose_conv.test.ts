import { samePadding } from '../../src/compiler/ops/shape/window.js';
import { perChannelQuant, perTensorQuant, type Random } from '../support/module.js';
import { randomAccumulation, randomActivation, randomWeights } from '../support/operands.js';
import { type OperatorCase, testOperator } from '../support/operator.js';
import { reals, realWeights, seeded, testReal } from '../support/real-layers.js';

interface Axis {
  readonly extent: number;
  readonly kernel: number;
  readonly stride: number;
  readonly size: number;
}

/** SAME (`size` is a multiple of the stride, or less) or VALID. */
function windowOf(rows: Axis, columns: Axis, same: boolean) {
  const pad = ({ size, kernel, stride }: Axis) =>
    same ? samePadding(size, kernel, stride, 1)[0] : 0;
  return {
    ...{ strideH: rows.stride, strideW: columns.stride },
    ...{ padTop: pad(rows), padLeft: pad(columns) },
    size: [rows.size, columns.size],
  };
}

function randomAxis(random: Random, same: boolean): Axis {
  const [extent, kernel, stride] = [6, 5, 4].map((most) => random.integer(1, most)) as [
    number,
    number,
    number,
  ];
  const whole = same ? extent * stride : (extent - 1) * stride + kernel;
  // An output smaller than all that inputs reach, or larger.
  const change = random.integer(0, 3) === 0 ? random.integer(-2, 2) : 0;
  return { extent, kernel, stride, size: Math.max(1, whole + change) };
}

function randomTransposed(random: Random): Omit<OperatorCase, 'edge'> {
  const same = random.integer(0, 1) === 0;
  const [rows, columns] = [randomAxis(random, same), randomAxis(random, same)];
  const [batches, depth, channels] = [2, 9, 9].map((most) => random.integer(1, most)) as number[];
  const filters = [channels as number, rows.kernel, columns.kernel, depth as number];
  const [weights, bias] = randomWeights(random, filters, 0);
  const wide = random.integer(0, 2) === 0;
  const shape = [batches as number, rows.extent, columns.extent, depth as number];
  const { input, output } = randomAccumulation(random);
  const attrs = {
    ...windowOf(rows, columns, same),
    ...{ activation: randomActivation(random), rounding: 'double' },
  };
  if (!wide) return { inputs: [{ shape, quant: input }, weights, bias], attrs, quant: output };
  const large = random.integer(0, 1) === 0 ? 1 : 8e4;
  const biases = BigInt64Array.from(Array.from(bias?.data ?? [], Number), (value) =>
    BigInt(value * large),
  );
  return {
    inputs: [
      { shape, dtype: 'int16', quant: perTensorQuant(0.002, 0) },
      weights,
      bias === null ? null : { shape: bias.shape, data: biases, quant: null },
    ],
    ...{ attrs, dtype: 'int16', quant: perTensorQuant(0.0004 * 2 ** random.integer(0, 10), 0) },
  };
}

const axis = (extent: number, kernel: number, stride: number, size: number): Axis => ({
  ...{ extent, kernel, stride, size },
});
const plain = { activation: 'none', rounding: 'double' };
const image = { shape: [1, 3, 4, 2], quant: perTensorQuant(0.1, 3) };
const filters = (shape: readonly number[], quant = perTensorQuant(0.1, 0)) => ({
  shape,
  quant,
  data: new Int8Array(shape.reduce((product, extent) => product * extent, 1)).map(
    (_, i) => ((i * 37) % 255) - 127,
  ),
});
const scales = (count: number) =>
  perChannelQuant(
    Array.from({ length: count }, (_, i) => 0.01 * (i + 1)),
    0,
  );
const bias = (count: number) => ({
  shape: [count],
  quant: perTensorQuant(0.001, 0),
  data: Int32Array.from({ length: count }, (_, i) => 500 * (i - 1)),
});
const quant = perTensorQuant(0.9, -5);

testOperator({
  op: 'transpose_conv',
  random: randomTransposed,
  cases: [
    {
      edge: 'stride 2, 3×3 SAME, per channel',
      inputs: [image, filters([5, 3, 3, 2], scales(5)), bias(5)],
      attrs: { ...windowOf(axis(3, 3, 2, 6), axis(4, 3, 2, 8), true), ...plain },
      quant,
    },
    {
      edge: 'stride 2, 4×4 SAME: all phases alike, without a bias',
      inputs: [image, filters([3, 4, 4, 2]), null],
      attrs: { ...windowOf(axis(3, 4, 2, 6), axis(4, 4, 2, 8), true), ...plain },
      quant,
    },
    {
      edge: 'kernel smaller than the stride: outputs of the bias alone',
      inputs: [image, filters([2, 2, 1, 2]), bias(2)],
      attrs: { ...windowOf(axis(3, 2, 3, 9), axis(4, 1, 3, 12), true), ...plain },
      quant,
    },
    {
      edge: 'VALID, strides that differ, relu6',
      inputs: [image, filters([4, 3, 5, 2], scales(4)), bias(4)],
      attrs: {
        ...windowOf(axis(3, 3, 1, 5), axis(4, 5, 3, 14), false),
        ...{ activation: 'relu6', rounding: 'double' },
      },
      quant,
    },
    {
      edge: 'SAME with an odd output: a row and a column are cut off before the first',
      inputs: [image, filters([1, 3, 3, 2]), bias(1)],
      attrs: { ...windowOf(axis(3, 3, 2, 5), axis(4, 3, 2, 7), true), ...plain },
      quant,
    },
    {
      edge: 'stride 1, 1×1',
      inputs: [image, filters([4, 1, 1, 2]), bias(4)],
      attrs: { ...windowOf(axis(3, 1, 1, 3), axis(4, 1, 1, 4), false), ...plain },
      quant,
    },
    {
      edge: 'int16 with a bias of int64',
      inputs: [
        { ...image, dtype: 'int16', quant: perTensorQuant(0.0001, 0) },
        filters([3, 3, 4, 2], scales(3)),
        { shape: [3], quant: null, data: BigInt64Array.of(-(2n ** 33n), 5n, 2n ** 34n) },
      ],
      attrs: { ...windowOf(axis(3, 3, 1, 5), axis(4, 4, 2, 10), false), ...plain },
      ...{ quant: perTensorQuant(0.001, 0), dtype: 'int16' },
    },
  ],
  refused: [
    {
      edge: 'filters of other channels',
      inputs: [image, filters([1, 2, 2, 3]), null],
      attrs: { ...windowOf(axis(3, 2, 1, 4), axis(4, 2, 1, 5), false), ...plain },
      code: 'bad-shape',
      message: /\[1,2,2,3\].* do not fit input \[1,3,4,2\]/,
    },
    {
      edge: 'a stride of 0',
      inputs: [image, filters([1, 2, 2, 2]), null],
      attrs: { ...windowOf(axis(3, 2, 1, 4), axis(4, 2, 1, 5), false), strideW: 0, ...plain },
      code: 'bad-shape',
      message: /do not fit/,
    },
    {
      edge: 'computed weights',
      inputs: [image, { shape: [1, 1, 1, 2], quant: perTensorQuant(0.1, 0) }, null],
      attrs: { ...windowOf(axis(3, 1, 1, 3), axis(4, 1, 1, 4), false), ...plain },
      code: 'unsupported-attribute',
      message: /is computed/,
    },
    {
      edge: 'int16 with a bias of int32, which TFLM would read as int64',
      inputs: [
        { ...image, dtype: 'int16', quant: perTensorQuant(0.1, 0) },
        filters([2, 1, 1, 2]),
        bias(2),
      ],
      attrs: { ...windowOf(axis(3, 1, 1, 3), axis(4, 1, 1, 4), false), ...plain },
      ...{ quant: perTensorQuant(0.1, 0), dtype: 'int16' },
      code: 'unsupported-type',
      message: /int32, it must be int64/,
    },
  ],
});

testReal(
  'transpose_conv',
  [
    {
      edge: '3×3, stride 2, SAME',
      inputs: [reals([1, 3, 4, 3]), ...realWeights(seeded(1), [5, 3, 3, 3], 5)],
      attrs: { ...windowOf(axis(3, 3, 2, 6), axis(4, 3, 2, 8), true), ...plain },
    },
    {
      edge: '5×2 VALID, stride 1 and 3, relu',
      inputs: [reals([2, 3, 2, 4]), ...realWeights(seeded(2), [2, 5, 2, 4], 2)],
      attrs: {
        ...windowOf(axis(3, 5, 1, 7), axis(2, 2, 3, 5), false),
        ...{ activation: 'relu', rounding: 'double' },
      },
    },
  ],
  (random) => {
    const same = random.integer(0, 1) === 0;
    const [rows, columns] = [randomAxis(random, same), randomAxis(random, same)];
    const [depth, channels] = [random.integer(1, 6), random.integer(1, 6)];
    return {
      inputs: [
        reals([1, rows.extent, columns.extent, depth]),
        ...realWeights(random, [channels, rows.kernel, columns.kernel, depth], channels),
      ],
      attrs: {
        ...windowOf(rows, columns, same),
        ...{ activation: randomActivation(random), rounding: 'double' },
      },
    };
  },
);
