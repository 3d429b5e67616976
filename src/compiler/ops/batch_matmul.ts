/** batch_matmul (BATCH_MATMUL): products of matrices, a · b, for each index of the outer dimensions. */
import { BonsaiError } from '../../errors.js';
import { rangeOfType } from '../ir/dtypes.js';
import { allocate, at, type DType, elementCount, type NodeView, type Shape } from '../ir/graph.js';
import type { Axis, OpDef } from '../ir/op.js';
import { floatScale, type Requantizer, requantizer } from './arithmetic/float-scale.js';
import {
  clamp,
  fitsReduced,
  multiplyByQuantizedMultiplier,
  multiplyReduced,
  perTensor,
  quantizeMultiplier,
  type ReducedMultiplier,
  reducedMultiplier,
} from './arithmetic/quant.js';
import { addProduct } from './arithmetic/real.js';
import { badRatio, requireSymmetric } from './arithmetic/rescale.js';
import { pointwiseAxes } from './shape/axes.js';
import { broadcastShapes, sourceIndices } from './shape/broadcast.js';
import { inputOf, outputOf, requireOneType } from './shape/operands.js';

export interface BatchMatmulAttrs {
  /** double, the default: TFLM and TFLite's builtin kernels. float: XNNPACK. */
  readonly rounding?: 'double' | 'float';
  /** Elements of input 1 are multiplied as they are: XNNPACK of TensorFlow 2.21. */
  readonly ignoresSecondZeroPoint?: boolean;
  /** Whether each matrix of input 0 is stored as [depth, rows] instead of [rows, depth]. */
  readonly transposeA: boolean;
  /** Whether each matrix of input 1 is stored as [columns, depth] instead of [depth, columns]. */
  readonly transposeB: boolean;
}

/** One type for both operands and the output. */
export const batchMatmulTypes: readonly DType[] = ['int8', 'int16', 'float32'];

/**
 * More products could overflow the accumulator: of two differences of bytes 255² · depth < 2^31, of
 * two int16 2^30 · depth < 2^47.
 */
const maxDepths: Partial<Record<DType, number>> = { int8: 33025, int16: 131071 };

export const batchMatmul = {
  name: 'batch_matmul',
  types: batchMatmulTypes,
  infer(view) {
    const { batches, rows, columns } = matricesOf(view);
    return [[...batches, rows, columns]];
  },
  check(view) {
    const dtype = requireOneType(view, batchMatmulTypes);
    const { depth } = matricesOf(view);
    const maxDepth = maxDepths[dtype];
    if (maxDepth === undefined) return;
    if (depth > maxDepth) {
      const message = `sums of ${depth} products can overflow; at most ${maxDepth} are possible`;
      throw new BonsaiError('unsupported-attribute', at(view.node), message, 'split the product');
    }
    requireSymmetric(view);
    const { multiplier } = productQuant(view);
    if (dtype === 'int16' && !fitsReduced(depth * 2 ** 30, multiplier)) {
      throw badRatio(view, 'a sum can overflow the 32 bits of its result');
    }
  },
  evaluate(view, inputs) {
    const { rows, columns, depth, a, b, count } = matricesOf(view);
    const { add, finish } = sumOf(view);
    const [ofA, ofB] = inputs as readonly [Float32Array, Float32Array];
    const result = allocate(outputOf(view).dtype, count * rows * columns);
    let next = 0;
    for (let batch = 0; batch < count; batch++) {
      for (let i = 0; i < rows; i++) {
        for (let j = 0; j < columns; j++) {
          let [x, y] = [
            (a.starts[batch] ?? 0) + i * a.across,
            (b.starts[batch] ?? 0) + j * b.across,
          ];
          let sum = 0;
          for (let k = 0; k < depth; k++, x += a.along, y += b.along) {
            sum = add(sum, ofA[x] as number, ofB[y] as number);
          }
          result[next++] = finish(sum);
        }
      }
    }
    return [result];
  },
  macs(view) {
    const { rows, columns, depth, count } = matricesOf(view);
    return count * rows * columns * depth;
  },
  axes: axesOf,
  inPlace: () => [],
} satisfies OpDef<BatchMatmulAttrs>;

function axesOf(view: NodeView<BatchMatmulAttrs>): readonly Axis[] {
  const { transposeA, transposeB } = view.attrs;
  const [a, b, rank] = [inputOf(view, 0), inputOf(view, 1), outputOf(view)].map(
    ({ shape }) => shape.length,
  ) as [number, number, number];
  const [rows, depthA] = transposeA ? [a - 1, a - 2] : [a - 2, a - 1];
  const [depthB, columns] = transposeB ? [b - 1, b - 2] : [b - 2, b - 1];
  const outer = pointwiseAxes(view).slice(0, -2);
  return [
    // An operand that repeats a matrix has no position for each.
    ...outer.filter(({ inputs }) => !inputs.includes(null)),
    { inputs: [rows, null], output: rank - 2 },
    { inputs: [null, columns], output: rank - 1 },
    { inputs: [depthA, depthB], output: null },
  ];
}

/** Where the elements of an operand's matrices are. */
export interface Operand {
  /** Element at which the matrix of each batch of the output begins. */
  readonly starts: Int32Array;
  /** Elements between neighbours along the dimension that is summed, and along the other one. */
  readonly along: number;
  readonly across: number;
}

export interface Matrices {
  readonly batches: Shape;
  /** Number of matrices of the output. */
  readonly count: number;
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  readonly a: Operand;
  readonly b: Operand;
}

/** @throws BonsaiError 'bad-shape' where the shapes do not fit */
export function matricesOf(view: NodeView<BatchMatmulAttrs>): Matrices {
  const { transposeA, transposeB } = view.attrs;
  const [a, b] = [inputOf(view, 0).shape, inputOf(view, 1).shape];
  const last = (shape: Shape, i: number) => shape[shape.length - i] ?? 1;
  const [rows, depthA] = transposeA ? [last(a, 1), last(a, 2)] : [last(a, 2), last(a, 1)];
  const [depthB, columns] = transposeB ? [last(b, 1), last(b, 2)] : [last(b, 2), last(b, 1)];
  if (a.length < 2 || b.length < 2 || depthA !== depthB) {
    const message = `matrices of [${a}] and [${b}] cannot be multiplied`;
    throw new BonsaiError('bad-shape', at(view.node), message, 'convert the model again');
  }
  const outer = (shape: Shape) => shape.slice(0, -2);
  const batches = broadcastShapes(outer(a), outer(b), at(view.node));
  const startsOf = (shape: Shape) =>
    sourceIndices(outer(shape), batches).map((matrix) => matrix * last(shape, 1) * last(shape, 2));
  const steps = (inRows: boolean, shape: Shape) =>
    inRows ? { along: 1, across: last(shape, 1) } : { along: last(shape, 1), across: 1 };
  return {
    ...{ batches, count: elementCount(batches), rows, columns, depth: depthA },
    a: { starts: startsOf(a), ...steps(!transposeA, a) },
    b: { starts: startsOf(b), ...steps(transposeB, b) },
  };
}

/** A step of a sum of products, and its end. */
function sumOf(view: NodeView<BatchMatmulAttrs>) {
  if (outputOf(view).dtype === 'float32') {
    return { add: addProduct, finish: (sum: number) => sum };
  }
  const { aZeroPoint, bZeroPoint, outZeroPoint, multiplier, rounding, wide } = productQuant(view);
  const [low, high] = rangeOfType(outputOf(view).dtype);
  const scaled = (sum: number) =>
    wide === undefined
      ? multiplyByQuantizedMultiplier(sum, multiplier, rounding)
      : multiplyReduced(sum, wide);
  return {
    add: (sum: number, x: number, y: number) => sum + (x - aZeroPoint) * (y - bZeroPoint),
    finish: (sum: number) => clamp(scaled(sum) + outZeroPoint, low, high),
  };
}

export interface ProductQuant extends Requantizer {
  readonly aZeroPoint: number;
  readonly bZeroPoint: number;
  readonly outZeroPoint: number;
  /** Of int16: sums have 64 bits. */
  readonly wide?: ReducedMultiplier;
}

/** @throws BonsaiError 'bad-quantization' where an operand is not quantized per tensor */
export function productQuant(view: NodeView<BatchMatmulAttrs>): ProductQuant {
  const where = at(view.node);
  const a = perTensor(inputOf(view, 0), where);
  const own = perTensor(inputOf(view, 1), where);
  const b = view.attrs.ignoresSecondZeroPoint === true ? { ...own, zeroPoint: 0 } : own;
  const output = perTensor(outputOf(view), where);
  const stage =
    view.attrs.rounding === 'float' ? inFloat(view, a, b, output) : inTwoSteps(a, b, output);
  return {
    aZeroPoint: a.zeroPoint,
    bZeroPoint: b.zeroPoint,
    outZeroPoint: output.zeroPoint,
    ...stage,
    ...(outputOf(view).dtype === 'int16' ? { wide: reducedMultiplier(stage.multiplier) } : {}),
  };
}

type PerTensor = ReturnType<typeof perTensor>;

function inTwoSteps(a: PerTensor, b: PerTensor, output: PerTensor): Requantizer {
  const { fround } = Math;
  const product = fround(fround(a.scale) * fround(b.scale));
  return { multiplier: quantizeMultiplier(product / fround(output.scale)), rounding: 'double' };
}

/** src/subgraph/batch-matrix-multiply.c of XNNPACK. */
function inFloat(
  view: NodeView<BatchMatmulAttrs>,
  a: PerTensor,
  b: PerTensor,
  { scale, zeroPoint }: PerTensor,
): Requantizer {
  const most =
    matricesOf(view).depth * (128 + Math.abs(a.zeroPoint)) * (128 + Math.abs(b.zeroPoint));
  const scaled = { scale: floatScale(a.scale, b.scale, scale), zeroPoint, min: -128, max: 127 };
  return requantizer({ ...scaled, least: -most, most });
}
