/** pad (PAD, PADV2): elements of one value around a tensor. */
import { BonsaiError } from '../../errors.js';
import { quantizedTypes, rangeOfType } from '../ir/dtypes.js';
import { at, type DType, isInteger, type NodeView, type Shape } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { perTensor } from './arithmetic/quant.js';
import { movement, rowMajorStrides } from './shape/movement.js';
import { inputOf, outputOf } from './shape/operands.js';

export interface PadAttrs {
  /** [before, after] of every dimension, flat. Non-negative. */
  readonly pads: readonly number[];
  /** The element of the padding; without it the output's zero point, which means 0. */
  readonly value?: number;
}

export const pad = movement<PadAttrs>({
  name: 'pad',
  infer: (view) => [outputShape(view)],
  check(view) {
    const value = fillOf(view);
    const { dtype } = outputOf(view);
    if (holds(dtype, value)) return;
    throw new BonsaiError(
      'unsupported-attribute',
      at(view.node),
      `pads with ${value}, which is not an ${dtype}`,
      'quantize the model again',
    );
  },
  moves: (view) => {
    const { shape } = inputOf(view, 0);
    const inStrides = rowMajorStrides(shape);
    const outStrides = rowMajorStrides(outputShape(view));
    const loops = shape.map((extent, d) => ({
      extent,
      inStride: inStrides[d] as number,
      outStride: outStrides[d] as number,
    }));
    const outOffset = outStrides.reduce(
      (sum, stride, d) => sum + stride * (view.attrs.pads[2 * d] as number),
      0,
    );
    return [{ input: 0, output: 0, inOffset: 0, outOffset, loops, fill: fillOf(view) }];
  },
}) satisfies OpDef<PadAttrs>;

/** The integers are copied as they are: both runtimes ignore the input's quantization. */
function fillOf(view: NodeView<PadAttrs>): number {
  const { value } = view.attrs;
  const output = outputOf(view);
  if (value !== undefined || !quantizedTypes.includes(output.dtype)) return value ?? 0;
  return perTensor(output, at(view.node)).zeroPoint;
}

function holds(dtype: DType, value: number): boolean {
  if (!isInteger(dtype)) return true;
  const [low, high] = rangeOfType(dtype);
  return Number.isInteger(value) && low <= value && value <= high;
}

function outputShape(view: NodeView<PadAttrs>): Shape {
  const { pads } = view.attrs;
  const { shape } = inputOf(view, 0);
  if (
    pads.length !== 2 * shape.length ||
    shape.length > 6 ||
    pads.some((amount) => !(amount >= 0))
  ) {
    throw new BonsaiError(
      'bad-shape',
      at(view.node),
      `[${pads}] does not pad a tensor of ${shape.length} dimensions, 6 at most`,
      'pad by 0 or more before and after every dimension',
    );
  }
  return shape.map((extent, d) => (pads[2 * d] as number) + extent + (pads[2 * d + 1] as number));
}
