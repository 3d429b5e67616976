import { perChannelQuant, perTensorQuant } from '../support/module.js';
import { randomQuant, testOperator } from '../support/operator.js';

const plain = { transposeA: false, transposeB: false };

testOperator({
  op: 'batch_matmul',
  random: (random) => {
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
    ];
    const constant = random.integer(0, 3) === 0;
    const count = b.reduce((product, extent) => product * extent, 1);
    return {
      inputs: [
        { shape: a, quant: randomQuant(random) },
        {
          shape: b,
          quant: randomQuant(random),
          ...(constant ? { data: random.int8(count) } : {}),
        },
      ],
      attrs,
      quant: perTensorQuant(2 ** (random.integer(-400, 600) / 100), random.integer(-128, 127)),
    };
  },
  refused: [
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
