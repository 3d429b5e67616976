/** An operator of the file, and readers of its parts. */
import { BonsaiError } from '../../../errors.js';
import { isInteger, type Tensor } from '../../ir/graph.js';
import { type Activation, activations } from '../../ops/arithmetic/quant.js';

/** An operator of the file with its tensors resolved. */
export interface ForeignOperator<O> {
  /** For errors: 'operator 3 (CONV_2D) "block1/conv"'. */
  readonly where: string;
  readonly options: O;
  readonly inputs: readonly (Tensor | null)[];
  readonly outputs: readonly Tensor[];
  readonly rounding: 'tflm' | 'tflite';
  /** Of TFLite: whether products of matrices use vector instructions. */
  readonly hasVectors: boolean;
  /** Its weights are of int4, two in a byte of the file. */
  readonly isPacked: boolean;
  /** XNNPACK computes it: its attributes replace those of the builtin kernels. */
  readonly isDelegated: boolean;
}

export function unsupported(where: string, message: string, hint: string): BonsaiError {
  return new BonsaiError('unsupported-attribute', where, message, hint);
}

/** Shape of an input that must have this rank. */
export function shapeOf(foreign: ForeignOperator<unknown>, input: number, rank: number) {
  const shape = foreign.inputs[input]?.shape ?? [];
  if (shape.length === rank) return shape;
  const message = `input ${input} has ${shape.length} dimensions, must have ${rank}`;
  throw new BonsaiError('bad-shape', foreign.where, message, 'convert the model again');
}

export function rankOf(foreign: ForeignOperator<unknown>, input: number): number {
  return foreign.inputs[input]?.shape.length ?? 0;
}

/**
 * Elements of an input that must be a constant of integers: axes, shapes, permutations.
 *
 * @throws BonsaiError 'unsupported-attribute' when it is computed at run time, 'unsupported-type'
 *   when it has other elements
 */
export function integers(foreign: ForeignOperator<unknown>, input: number, what: string): number[] {
  const { data = null, dtype = 'int32' } = foreign.inputs[input] ?? {};
  if (!isInteger(dtype)) {
    const message = `its ${what}: ${dtype}, must be integers`;
    throw new BonsaiError('unsupported-type', foreign.where, message, 'convert the model again');
  }
  if (data === null) {
    const hint = `make its ${what} a constant of the model: it must not depend on the input`;
    throw unsupported(foreign.where, `its ${what} must be a constant`, hint);
  }
  return Array.from(data, Number);
}

/** The one element of an input that must be a constant integer. @throws BonsaiError as `integers` */
export function integerOf(foreign: ForeignOperator<unknown>, input: number, what: string): number {
  const values = integers(foreign, input, what);
  if (values.length === 1) return values[0] as number;
  const message = `its ${what} has ${values.length} elements, must have one`;
  throw new BonsaiError('bad-shape', foreign.where, message, 'convert the model again');
}

/**
 * The one element of a constant input of the output's type.
 *
 * @throws BonsaiError 'unsupported-attribute' for another number of elements, or a computed one;
 *   'unsupported-type'
 */
export function numberOf(foreign: ForeignOperator<unknown>, input: number, what: string): number {
  const { data = null, dtype } = foreign.inputs[input] ?? {};
  const [output] = foreign.outputs;
  if (data?.length === 1 && dtype !== output?.dtype) {
    const message = `its ${what} is ${dtype}, its output ${output?.dtype}`;
    throw new BonsaiError('unsupported-type', foreign.where, message, 'convert the model again');
  }
  if (data?.length === 1) return Number(data[0]);
  const hint = `make its ${what} one constant of the model: it must not depend on the input`;
  throw unsupported(foreign.where, `its ${what} must be one constant`, hint);
}

/** An axis counted from the front. @throws BonsaiError 'bad-shape' outside the rank */
export function axisOf(foreign: ForeignOperator<unknown>, axis: number, rank: number): number {
  if (Number.isInteger(axis) && -rank <= axis && axis < rank) return axis < 0 ? axis + rank : axis;
  const message = `axis ${axis} is outside its ${rank} dimensions`;
  throw new BonsaiError('bad-shape', foreign.where, message, 'convert the model again');
}

export function activationOf(
  foreign: ForeignOperator<{ readonly activation: number }>,
): Activation {
  const activation = activations[foreign.options.activation];
  if (activation !== undefined) return activation;
  const message = `has the unknown fused activation ${foreign.options.activation}`;
  throw unsupported(foreign.where, message, 'convert the model again');
}
