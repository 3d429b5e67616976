/** Operators on single elements and rows, with scales, zero points and types at random. */
import { writeTflite } from '../../src/compiler/formats/tflite/write.js';
import type { DType } from '../../src/compiler/ir/dtypes.js';
import { type Attrs, elementCount } from '../../src/compiler/ir/graph.js';
import { BonsaiError } from '../../src/errors.js';
import { GraphBuilder, perTensorQuant, Random } from '../../test/support/module.js';
import type { FileLayer } from './windows.js';

interface ElementOp {
  readonly operands?: 2;
  /** Both of its integers are of one scale. */
  readonly sameScale?: true;
  /** Of an output that the operator sets: steps of int8 in 1, and whether it begins at −128. */
  readonly unit?: { readonly levels: number; readonly isPositive: boolean };
  readonly attrs?: (random: Random) => Attrs;
}

const activations = ['none', 'none', 'relu', 'relu6', 'relu_n1_to_1'];
const activation = (random: Random) => ({ activation: random.pick(activations) });
const axes = (random: Random) => ({
  axes: random.pick([[1, 2], [3], [1], [2, 3], [1, 2, 3]]),
  keepDims: random.integer(0, 1) === 0,
});
const unfused = () => ({ activation: 'none' });
const pair = { operands: 2, attrs: activation } as const;

const ops = {
  abs: {},
  add: pair,
  elu: { attrs: () => ({ algorithm: 'difference' }) },
  hard_swish: {},
  leaky_relu: {
    attrs: (random) => ({ alpha: random.integer(-50, 150) / 100, algorithm: 'magnitude' }),
  },
  logistic: {
    unit: { levels: 256, isPositive: true },
    attrs: () => ({ algorithm: 'fixed' }),
  },
  maximum: { operands: 2, sameScale: true, attrs: unfused },
  mean: { attrs: (random) => ({ ...axes(random), algorithm: 'general' }) },
  mul: pair,
  prelu: { operands: 2, attrs: unfused },
  quantize: { attrs: () => ({ algorithm: 'scalar' }) },
  reduce_sum: { attrs: (random) => ({ ...axes(random), algorithm: 'fixed' }) },
  relu: {},
  relu6: { attrs: () => ({ algorithm: 'clamp' }) },
  squared_difference: { operands: 2, attrs: unfused },
  sub: pair,
  tanh: { unit: { levels: 128, isPositive: false }, attrs: () => ({ algorithm: 'fixed' }) },
} satisfies Readonly<Record<string, ElementOp>>;

export type ElementOpName = keyof typeof ops;
export const elementOps = Object.keys(ops) as ElementOpName[];

/** A scale as converters give it, or a simple fraction, of which ratios have ties. */
function scaleAt(random: Random, dtype: DType): number {
  const unit = dtype === 'int16' ? 2 ** -12 : 2 ** -5;
  return random.integer(0, 3) === 0
    ? unit * random.pick([1, 0.5, 0.75, 1.5, 3, 5])
    : unit * 2 ** (random.integer(-300, 300) / 100);
}

/** One operator with scales, zero points and shapes at random; null where no file expresses it. */
export function elementLayer(op: ElementOpName, seed: number): FileLayer | null {
  const { operands = 1, sameScale, unit, attrs = () => ({}) } = ops[op] as ElementOp;
  const random = new Random(seed);
  const b = new GraphBuilder();
  const dtype: DType = random.integer(0, 2) === 0 ? 'int16' : 'int8';
  const zeroPoint = () => (dtype === 'int16' ? 0 : random.integer(-128, 127));
  const quantOf = () => perTensorQuant(scaleAt(random, dtype), zeroPoint());
  const extents = () => random.pick([1, 2, 3, 4, 5, 8, 9, 16]);
  const shape = [random.integer(1, 2), extents(), extents(), extents()];
  const second = random.pick([shape, shape, [1, 1, 1, shape[3] ?? 1], [1, 1, 1, 1]]);
  const own = quantOf();
  const inputs = [b.input(shape, own, 'x', dtype)];
  if (operands === 2) {
    const isSlope = op === 'prelu';
    const quant = sameScale === true ? own : quantOf();
    const dims = isSlope ? [1, 1, shape[3] ?? 1] : second;
    if (isSlope) inputs.push(b.constant(random.int8(elementCount(dims)), dims, quant));
    else inputs.push(b.input(dims, quant, 'y', dtype));
  }
  const isByte = dtype === 'int8';
  const setBy = ({ levels, isPositive }: NonNullable<ElementOp['unit']>) =>
    perTensorQuant(1 / (isByte ? levels : 32768), isByte && isPositive ? -128 : 0);
  const quant = unit === undefined ? (sameScale === true ? own : quantOf()) : setBy(unit);
  try {
    const module = b.module([b.node(op, inputs, attrs(random), { quant })]);
    const elements = inputs
      .slice(0, op === 'prelu' ? 1 : operands)
      .map((id) => random.elements(dtype, elementCount(b.shape(id))));
    const text = `${op} ${dtype} ${seed}: ${inputs.map((id) => `[${b.shape(id)}] ${b.quant(id).scales[0]} ${b.quant(id).zeroPoints[0]}`).join(', ')} to ${quant.scales[0]} ${quant.zeroPoints[0]}`;
    return { group: `${op} ${dtype}`, text, file: writeTflite(module), inputs: elements };
  } catch (error) {
    if (error instanceof BonsaiError) return null;
    throw error;
  }
}
