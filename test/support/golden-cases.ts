/**
 * The cases whose answers bench/golden.ts asks of the reference runtimes: one node each, with the
 * edge that it covers.
 */
import {
  type Attrs,
  type DType,
  elementCount,
  type Module,
  type Quant,
  type Shape,
  type TensorData,
} from '../../src/compiler/ir/graph.js';
import { wideCases } from './golden-wide.js';
import { GraphBuilder, perTensorQuant, Random } from './module.js';

export interface GoldenOperand {
  readonly shape: Shape;
  /** null for a type that is not quantized. */
  readonly quant: Quant | null;
  readonly values: TensorData;
  /** By default that of `values`. */
  readonly dtype?: DType;
  /** Whether its values are part of the model. */
  readonly constant?: boolean;
}

export interface GoldenCase {
  readonly edge: string;
  /** null: an optional operand that is absent. */
  readonly inputs: readonly (GoldenOperand | null)[];
  readonly attrs?: Attrs;
  /** Of every output. */
  readonly quant: Quant | null;
  /** Of every output; by default that of input 0. */
  readonly dtype?: DType;
  readonly shapes?: readonly Shape[];
  readonly outputs?: number;
  /** Only TFLM's answer is wanted: the desktop's differs, as the operator says. */
  readonly onlyTflm?: boolean;
}

/** −128, −127 … 127. */
const all = Int8Array.from({ length: 256 }, (_, i) => i - 128);

/** One element each: every int8 from `least`. */
function unary(
  edge: string,
  input: Quant,
  output: Quant,
  attrs: Attrs = {},
  least = -128,
): GoldenCase {
  const values = all.filter((q) => q >= least);
  return {
    edge,
    inputs: [{ shape: [1, values.length], quant: input, values }],
    attrs,
    quant: output,
  };
}

const q = perTensorQuant;

/** int8 operands of random elements. */
function operands(
  seed: number,
  ...given: readonly (readonly [
    shape: Shape,
    quant: Quant,
    kind?: 'constant' | 'input',
    least?: number,
  ])[]
): readonly GoldenOperand[] {
  const random = new Random(seed);
  return given.map(([shape, quant, kind, least = -128]) => {
    const values = random.int8(elementCount(shape), least);
    return { shape, quant, values, ...(kind === 'constant' ? { constant: true } : {}) };
  });
}

const none = { activation: 'none' };

const difference = { algorithm: 'difference' };

const byteCases: Readonly<Record<string, readonly GoldenCase[]>> = {
  abs: [
    unary('equal scales', q(0.5, 3), q(0.5, 3)),
    unary('another scale, output from -128', q(0.0473, -11), q(0.0236, -128)),
    unary('a coarser output', q(0.02, 64), q(0.07, -128)),
  ],
  batch_matmul: [
    {
      edge: 'two batches, 5 columns',
      inputs: operands(1, [[2, 3, 7], q(0.05, 3)], [[2, 7, 5], q(0.03, -9)]),
      attrs: { transposeA: false, transposeB: false },
      quant: q(0.1, 4),
    },
    {
      edge: 'b transposed, one batch of it for all',
      inputs: operands(2, [[2, 2, 4, 9], q(0.05, -128)], [[1, 1, 6, 9], q(0.03, 0)]),
      attrs: { transposeA: false, transposeB: true },
      quant: q(0.2, -4),
    },
    {
      edge: 'a transposed, batches broadcast both ways',
      inputs: operands(3, [[1, 3, 9, 2], q(0.05, 5)], [[2, 1, 9, 4], q(0.03, 127)]),
      attrs: { transposeA: true, transposeB: false },
      quant: q(0.3, 0),
    },
    {
      edge: 'constant b, other ranks',
      inputs: operands(4, [[2, 3, 8], q(0.05, 5)], [[8, 4], q(0.02, 1), 'constant']),
      attrs: { transposeA: false, transposeB: false },
      quant: q(0.05, -20),
    },
  ],
  div: [
    {
      edge: 'a divisor above 0',
      inputs: operands(1, [[4, 64], q(0.0517, 3)], [[4, 64], q(0.0313, -128), 'input', -127]),
      attrs: none,
      quant: q(0.0171, 4),
    },
    {
      edge: 'a column divides rows, fused RELU6',
      inputs: operands(
        3,
        [[1, 5, 6, 4], q(0.0517, -100)],
        [[5, 1, 1], q(0.0131, 100), 'input', 101],
      ),
      attrs: { activation: 'relu6' },
      quant: q(0.0419, -128),
    },
    {
      edge: 'a constant divisor below 0',
      inputs: [
        ...operands(4, [[3, 64], q(0.0517, 20)]),
        {
          shape: [64],
          quant: q(0.0131, 127),
          values: all.filter((value) => value % 4 === 0),
          constant: true,
        },
      ],
      attrs: none,
      quant: q(0.0173, 0),
    },
  ],
  elu: [
    unary('equal scales', q(0.05, 0), q(0.05, 0), difference),
    unary('a fine output that saturates', q(0.1, 20), q(0.01, -20), difference),
    unary('a coarse input', q(0.7, -3), q(0.9, -126), difference),
  ],
  exp: [
    unary('probabilities', q(0.04, 127), q(1 / 256, -128)),
    unary('above and below 1', q(0.03, -5), q(0.18, -128)),
    unary('an output that saturates', q(0.05, 10), q(0.02, 0)),
  ],
  gelu: [
    unary('exact', q(0.04, 0), q(0.02, -120), { approximate: false }),
    unary('exact, a coarse input', q(0.3, -28), q(0.12, -127), { approximate: false }),
    unary('approximate', q(0.04, 0), q(0.02, -120), { approximate: true }),
    unary('approximate, a coarse input', q(0.3, -28), q(0.12, -127), { approximate: true }),
  ],
  log: [
    unary('from 0', q(0.05, -128), q(0.03, 20)),
    unary('negative arguments', q(0.01, -20), q(0.04, 127)),
  ],
  neg: [
    unary('opposite zero points', q(0.5, 3), q(0.5, -3)),
    unary('zero points and scales that it ignores', q(0.5, 3), q(0.25, 9)),
  ],
  relu_0_to_1: [
    unary('equal scales', q(1 / 64, -3), q(1 / 64, -3)),
    unary('an output of [0, 1)', q(0.02, 0), q(1 / 256, -128)),
  ],
  rsqrt: [
    unary('from 0', q(0.05, -128), q(0.02, -128)),
    unary('a zero point above -128', q(0.7, -20), q(0.01, 5), {}, -20),
    unary('an output that saturates', q(0.0001, -128), q(0.3, -100)),
  ],
  sqrt: [
    unary('from 0', q(0.05, -128), q(0.014, -128)),
    unary('a zero point above -128', q(0.7, -20), q(0.08, -90), {}, -20),
  ],
  squared_difference: [
    {
      edge: 'equal scales',
      inputs: operands(1, [[4, 64], q(0.05, 3)], [[4, 64], q(0.05, 3)]),
      attrs: none,
      quant: q(0.2, -128),
    },
    {
      edge: 'a mean of rows, other scales',
      inputs: operands(2, [[1, 8, 16], q(0.05, -9)], [[1, 8, 1], q(0.013, 40)]),
      attrs: none,
      quant: q(0.1, -128),
    },
    {
      edge: 'a constant, an output that saturates',
      inputs: operands(3, [[1, 3, 5, 9], q(0.05, 100)], [[9], q(0.1, 0), 'constant']),
      attrs: none,
      quant: q(0.02, 7),
    },
  ],
};

export const goldenCases: Readonly<Record<string, readonly GoldenCase[]>> = Object.fromEntries(
  [...new Set([...Object.keys(byteCases), ...Object.keys(wideCases)])].map((op) => [
    op,
    [...(byteCases[op] ?? []), ...(wideCases[op] ?? [])],
  ]),
);

/** A model of the one node. */
export function moduleOfCase(op: string, given: GoldenCase): Module {
  const { inputs, attrs = {}, quant, shapes, outputs, dtype } = given;
  const builder = new GraphBuilder();
  const ids = inputs.map((input) => {
    if (input === null) return null;
    return input.constant === true
      ? builder.constant(input.values, input.shape, input.quant, input.dtype)
      : builder.input(input.shape, input.quant, undefined, input.dtype);
  });
  const options = {
    ...{ quant, ...(shapes ? { shapes } : {}), ...(outputs ? { outputs } : {}) },
    ...(dtype ? { dtype } : {}),
  };
  return builder.module(builder.nodeAll(op, ids, attrs, options));
}
