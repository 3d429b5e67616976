import { elementCount, type Shape } from '../../src/compiler/ir/graph.js';
import { perChannelQuant, perTensorQuant, type Random } from '../support/module.js';
import { randomQuant, testOperator } from '../support/operator.js';
import { realConstant, reals } from '../support/real-layers.js';

const plain = { transposeA: false, transposeB: false };

/** Operands of random shapes and orders, with the elements of a constant one, else null. */
function randomMatrices(random: Random) {
  const attrs = {
    transposeA: random.integer(0, 1) === 1,
    transposeB: random.integer(0, 1) === 1,
  };
  const [rows, columns, depth] = [9, 9, 30].map((most) => random.integer(1, most));
  const matrix = (isTransposed: boolean, outer: number, inner: number) =>
    isTransposed ? [inner, outer] : [outer, inner];
  const batches = Array.from({ length: random.integer(0, 2) }, () => random.integer(1, 3));
  const own = () => batches.map((extent) => (random.integer(0, 2) === 0 ? 1 : extent));
  const [a, b] = [
    [...own(), ...matrix(attrs.transposeA, rows as number, depth as number)],
    [...own(), ...matrix(attrs.transposeB, depth as number, columns as number)],
  ] as const;
  const constant = random.integer(0, 3) === 0 ? random.int8(elementCount(b)) : null;
  return { attrs, a, b, constant };
}

testOperator({
  op: 'batch_matmul',
  random: (random) => {
    const { attrs, a, b, constant } = randomMatrices(random);
    return {
      inputs: [
        { shape: a, quant: randomQuant(random) },
        { shape: b, quant: randomQuant(random), ...(constant === null ? {} : { data: constant }) },
      ],
      attrs,
      quant: perTensorQuant(2 ** (random.integer(-400, 600) / 100), random.integer(-128, 127)),
    };
  },
  refused: [
    {
      edge: 'operands of two types',
      inputs: [
        { shape: [2, 3], dtype: 'int16', quant: perTensorQuant(1, 0) },
        { shape: [3, 2], quant: perTensorQuant(1, 0) },
      ],
      attrs: plain,
      code: 'unsupported-type',
      message: /is int8, "output" is int16|is int8/,
    },
    {
      edge: 'int16 with a zero point',
      inputs: [
        { shape: [2, 3], dtype: 'int16', quant: perTensorQuant(1, 1) },
        { shape: [3, 2], dtype: 'int16', quant: perTensorQuant(1, 0) },
      ],
      quant: perTensorQuant(2 ** 16, 0),
      attrs: plain,
      code: 'bad-quantization',
      message: /zero point that is not 0/,
    },
    {
      edge: 'int16 whose results overflow',
      inputs: [
        { shape: [2, 4], dtype: 'int16', quant: perTensorQuant(1, 0) },
        { shape: [4, 2], dtype: 'int16', quant: perTensorQuant(1, 0) },
      ],
      quant: perTensorQuant(4, 0),
      attrs: plain,
      code: 'bad-quantization',
      message: /overflow the 32 bits/,
    },
    {
      edge: 'int16 whose sums overflow',
      inputs: [
        { shape: [1, 131072], dtype: 'int16', quant: perTensorQuant(1, 0) },
        { shape: [131072, 1], dtype: 'int16', quant: perTensorQuant(1, 0) },
      ],
      quant: perTensorQuant(2 ** 24, 0),
      attrs: plain,
      code: 'unsupported-attribute',
      message: /at most 131071/,
    },
    {
      edge: 'depths that differ',
      inputs: [{ shape: [2, 3] }, { shape: [4, 2] }],
      attrs: plain,
      code: 'bad-shape',
      message: /matrices of \[2,3\] and \[4,2\]/,
    },
    {
      edge: 'a vector',
      inputs: [{ shape: [3] }, { shape: [3, 2] }],
      attrs: plain,
      code: 'bad-shape',
      message: /cannot be multiplied/,
    },
    {
      edge: 'batches that do not broadcast',
      inputs: [{ shape: [2, 3, 3] }, { shape: [3, 3, 3] }],
      attrs: plain,
      code: 'bad-shape',
      message: /do not broadcast/,
    },
    {
      edge: 'sums that overflow',
      inputs: [{ shape: [1, 33026] }, { shape: [33026, 1] }],
      attrs: plain,
      code: 'unsupported-attribute',
      message: /sums of 33026 products/,
    },
    {
      edge: 'weights quantized per channel',
      inputs: [{ shape: [1, 2] }, { shape: [2, 2], quant: perChannelQuant([0.1, 0.2], 1) }],
      attrs: plain,
      code: 'bad-quantization',
      message: /one scale and one zero point/,
    },
  ],
});

/** int16 has no zero points. */
const wide = (shape: Shape, exponent: number) =>
  ({ shape, dtype: 'int16', quant: perTensorQuant(2 ** exponent, 0) }) as const;

testOperator({
  op: 'batch_matmul',
  golden: 'batch_matmul_s16',
  cases: [
    {
      edge: 'int16, seven columns, a broadcast batch, results that saturate',
      inputs: [wide([2, 3, 5], -8), wide([1, 5, 7], -9)],
      attrs: plain,
      quant: perTensorQuant(2 ** -1, 0),
      dtype: 'int16',
    },
    {
      edge: 'int16, both transposed, a scale with 31 bits',
      inputs: [wide([4, 3], -10.31), wide([5, 4], -11.77)],
      attrs: { transposeA: true, transposeB: true },
      quant: perTensorQuant(2 ** -4.13, 0),
      dtype: 'int16',
    },
  ],
  random: (random) => {
    const { attrs, a, b, constant } = randomMatrices(random);
    const scale = () => random.integer(-1500, -500) / 100;
    const data = constant && { data: Int16Array.from(constant, (value) => value * 257) };
    return {
      inputs: [wide(a, scale()), { ...wide(b, scale()), ...data }],
      attrs,
      quant: perTensorQuant(2 ** (random.integer(-400, 300) / 100), 0),
      dtype: 'int16',
    };
  },
});

const real = { dtype: 'float32', quant: null } as const;

testOperator({
  op: 'batch_matmul',
  golden: 'batch_matmul_f32',
  // Desktop TFLite adds in vectors.
  differs: () => ['tflite-portable'],
  cases: [
    {
      edge: 'float32, batches that broadcast both ways, seven columns',
      inputs: [reals([2, 1, 3, 6]), reals([3, 6, 7])],
      attrs: plain,
      ...real,
    },
    {
      edge: 'float32, both transposed',
      inputs: [reals([5, 3]), reals([4, 5])],
      attrs: { transposeA: true, transposeB: true },
      ...real,
    },
  ],
  random: (random) => {
    const { attrs, a, b, constant } = randomMatrices(random);
    const second = constant === null ? reals(b) : realConstant(random, b);
    return { inputs: [reals(a), second], attrs, ...real };
  },
});
