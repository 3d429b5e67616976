/** Types and readers for the rows of ops.ts: an operator of the file and its parts. */
import { BonsaiError } from '../../errors.js';
import { type Attrs, isInteger, type Tensor } from '../../ir/graph.js';
import { type Activation, activations } from '../../ops/arithmetic/quant.js';
import { type Pads, requireShort, samePadding } from '../../ops/shape/window.js';
import type { Decoded, Fields } from '../flatbuffer.js';

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
  /** XNNPACK computes it: its attributes replace those of the builtin kernels. */
  readonly isDelegated: boolean;
}

/** The conversion of one builtin operator to a node. */
export interface Row<F extends Fields> {
  /** The operator's name in the IR. */
  readonly op: string;
  /** The operator that it is where the input at a position is computed. */
  readonly computed?: { readonly input: number; readonly op: string };
  /** Member of the file's union of option tables; 0: the operator has none. */
  readonly optionsType: number;
  readonly options: F;
  /**
   * Positions of the inputs that become inputs of the node, in the node's order. The others are
   * constants that `attrs` reads. An input at a position in `optional` may be absent.
   */
  readonly operands: readonly number[] | 'all';
  readonly optional: readonly number[];
  attrs(foreign: ForeignOperator<Decoded<F>>): Attrs;
  /**
   * The operator's own memory: positions of inputs that are variable tensors (`is_variable`), and
   * 'place', an int32 that the file does not have. They are the node's first inputs, before the
   * operands, and its last outputs.
   */
  readonly states?: readonly (number | 'place')[];
  /** Attributes in which the arithmetic of TFLM and desktop TFLite differs. */
  readonly rounding: Readonly<Record<'tflm' | 'tflite', Attrs>>;
  /** Whether `attrs` gives these, since shapes decide as well. `rounding` has those of float32. */
  readonly roundsByShape?: boolean;
}

// biome-ignore lint/suspicious/noExplicitAny: each row has its own option table.
export type AnyRow = Row<any>;

const same = { tflm: {}, tflite: {} };

/**
 * A row with defaults that suit most operators: one operand, the same arithmetic in both runtimes.
 */
export function row<F extends Fields>(
  given: Pick<Row<F>, 'op' | 'optionsType' | 'options' | 'attrs'> & Partial<Row<F>>,
): Row<F> {
  return { operands: [0], optional: [], rounding: same, ...given };
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

export interface WindowOptions {
  readonly padding: number;
  readonly strideH: number;
  readonly strideW: number;
  readonly dilationH: number;
  readonly dilationW: number;
}

/**
 * Explicit padding of a window over input 0, from SAME or VALID.
 * @throws BonsaiError 'unsupported-attribute' when a stride or dilation is below 1
 */
export function padsOf(
  where: string,
  input: readonly number[],
  kernelH: number,
  kernelW: number,
  options: WindowOptions,
): Pads {
  const { padding, strideH, strideW, dilationH, dilationW } = options;
  for (const [what, value] of Object.entries({ strideH, strideW, dilationH, dilationW })) {
    if (value < 1) throw unsupported(where, `${what} is ${value}`, 'it must be at least 1');
  }
  for (const [what, value] of Object.entries({ kernelH, kernelW })) {
    if (value < 1) throw unsupported(where, `${what} is ${value}`, 'it must be at least 1');
  }
  if (padding !== 0 && padding !== 1) {
    throw unsupported(where, `has the unknown padding ${padding}`, 'use SAME or VALID');
  }
  requireShort(where, { dilationH, dilationW });
  if (padding === 1) return { padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 };
  const [, inH = 0, inW = 0] = input;
  const [padTop, padBottom] = samePadding(inH, kernelH, strideH, dilationH);
  const [padLeft, padRight] = samePadding(inW, kernelW, strideW, dilationW);
  const pads = { padTop, padBottom, padLeft, padRight };
  requireShort(where, pads);
  return pads;
}
