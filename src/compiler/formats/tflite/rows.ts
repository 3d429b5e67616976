/**
 * What a row of ops.ts is made of. Each part says one thing of an operator, both ways: it reads
 * attributes of the IR from a file, and writes them back as options or as constant inputs.
 */
import { BonsaiError } from '../../../errors.js';
import {
  type Attrs,
  type AttrValue,
  at,
  type NodeView,
  type Shape,
  type TensorId,
} from '../../ir/graph.js';
import { activations } from '../../ops/arithmetic/quant.js';
import { type Decoded, type Field, type Fields, int32, scalar } from '../flatbuffer.js';
import {
  activationOf,
  axisOf,
  type ForeignOperator,
  integerOf,
  integers,
  rankOf,
} from './foreign.js';

/** Adds tensors that the file needs and the graph does not have. */
export interface Extras {
  /** An int32 constant: shapes, axes, paddings. */
  constant(values: readonly number[], shape: Shape): TensorId;
  /** A constant with the type and quantization of the node's output. */
  scalar(view: NodeView, value: number): TensorId;
}

/** A constant among the inputs of the file's operator. */
interface Constant {
  readonly position: number;
  make(view: NodeView, extras: Extras): TensorId;
}

/** A part of constants alone. */
export interface Constants {
  readonly constants: readonly Constant[];
}

/** Without `read` it is only written; without `write` and `constants`, only read. */
export interface Part<F extends Fields> {
  /** Its fields in the operator's table of options. */
  readonly fields?: F;
  read?(foreign: ForeignOperator<Decoded<F>>): Attrs;
  /** Values of its fields. One that is left out is absent in the file. */
  write?(view: NodeView): { readonly [K in keyof F]?: unknown };
  readonly constants?: readonly Constant[];
  /** The output's shape, where `read` takes it from the file. */
  shape?(stated: Stated<F>): Shape;
}

/** What an operator of the file says, for `shape`. */
export interface Stated<F extends Fields> {
  /** The shape of input 0. */
  readonly from: Shape;
  readonly options: Decoded<F>;
  /** Elements of a constant input; null: the operator has no such input. */
  integers(position: number): readonly number[] | null;
}

// biome-ignore lint/suspicious/noExplicitAny: each part has its own fields.
export type AnyPart = Part<any>;

/** One builtin operator of TFLite. */
export interface Row {
  /** The operator's name in the IR. */
  readonly op: string;
  /** The operator that it is where the input at a position is computed. */
  readonly computed?: { readonly input: number; readonly op: string };
  /** Attributes that its name in the file implies. */
  readonly fixed: Attrs;
  /** Whether it expresses a node; without it, nodes with the attributes that are `fixed`. */
  readonly when?: (attrs: Attrs) => boolean;
  /** Member of the file's union of option tables; 0: the operator has none. */
  readonly optionsType: number;
  /** The fields of its parts, in the order of the schema. */
  readonly options: Fields;
  /** The versions that are written: the first with int8 kernels, and the first with int16, if any. */
  readonly versions: readonly [int8?: number, int16?: number];
  /**
   * Positions of the inputs that become inputs of the node, in the node's order. The others are
   * constants that parts read. An input at a position in `optional` may be absent.
   */
  readonly operands: readonly number[] | 'all';
  readonly optional: readonly number[];
  /** In the order of the attributes. */
  readonly parts: readonly AnyPart[];
  /**
   * The operator's own memory: positions of inputs that are variable tensors (`is_variable`), and
   * 'place', an int32 that the file does not have. They are the node's first inputs, before the
   * operands, and its last outputs.
   */
  readonly states?: readonly (number | 'place')[];
  /** Attributes in which the arithmetic of TFLM and desktop TFLite differs. */
  readonly rounding: Readonly<Record<'tflm' | 'tflite', Attrs>>;
  /** Whether parts give these, since shapes decide as well. `rounding` has those of float32. */
  readonly roundsByShape?: boolean;
}

/**
 * @param op the operator's name in the IR
 * @param optionsType 0: it has no options
 * @param versions none: files that are written do not have it
 * @param rest what differs from most operators: one operand, the same arithmetic in both runtimes
 */
export function row(
  op: string,
  optionsType: number,
  versions: Row['versions'],
  parts: readonly AnyPart[] = [],
  rest: Partial<Row> = {},
): Row {
  const all = parts.flatMap(({ fields = {} }) => Object.entries<Field>(fields));
  const options = Object.fromEntries(all.sort(([, a], [, b]) => a.slot - b.slot));
  const same = { tflm: {}, tflite: {} };
  const usual = { operands: [0], optional: [], fixed: {}, rounding: same };
  return { op, optionsType, options, versions, parts, ...usual, ...rest };
}

/** The attributes of its node. @throws BonsaiError for what the IR does not express */
export function attrsOf({ parts, fixed }: Row, foreign: ForeignOperator<unknown>): Attrs {
  const typed = foreign as ForeignOperator<Decoded<Fields>>;
  return Object.assign({}, ...parts.map((part) => part.read?.(typed)), fixed);
}

/** The error for a property of a node that the format cannot express. */
export function inexpressible(view: Pick<NodeView, 'node'>, what: string): BonsaiError {
  const hint = 'write the module as it was before the passes';
  const message = `${what} has no TFLite form`;
  return new BonsaiError('unsupported-attribute', at(view.node), message, hint);
}

/** A part with the type of its own fields. */
export function part<F extends Fields>(given: Part<F>): AnyPart {
  return given;
}

export const listOf = (view: NodeView, name: string) =>
  (view.attrs[name] ?? []) as readonly number[];
export const numberIn = (view: NodeView, name: string) => Number(view.attrs[name] ?? 0);
export const inputShape = (view: NodeView, input = 0) => view.inputs[input]?.shape ?? [];
export const outputShape = (view: NodeView) => view.outputs[0]?.shape ?? [];

/** Options that are the attributes of their names. */
export const options = (fields: Fields) => {
  const names = Object.keys(fields);
  const pick = (all: Readonly<Record<string, unknown>>) =>
    Object.fromEntries(names.map((name) => [name, all[name] as AttrValue]));
  return part<Fields>({
    fields,
    read: (foreign) => pick(foreign.options),
    write: (view) => pick(view.attrs),
  });
};

/** An axis counted from the front or the back. @param added dimensions that only the output has */
export const axis = (slot: number, added = 0) =>
  part({
    fields: { axis: int32(slot) },
    read: (foreign) => ({
      axis: axisOf(foreign, foreign.options.axis, rankOf(foreign, 0) + added),
    }),
    write: ({ attrs }) => ({ axis: attrs.axis }),
  });

/** A fused activation. */
export const activation = (slot: number) =>
  part({
    fields: { activation: scalar(slot, 'int8') },
    read: (foreign) => ({ activation: activationOf(foreign) }),
    write: (view) => ({ activation: activationCode(view) }),
  });

export function activationCode(view: NodeView): number {
  const code = (activations as readonly unknown[]).indexOf(view.attrs.activation);
  if (code < 0) throw inexpressible(view, `a fused "${view.attrs.activation}"`);
  return code;
}

type Integers = readonly [values: readonly number[], shape: Shape];

export const vector = (values: readonly number[]): Integers => [values, [values.length]];
export const single = (value: number): Integers => [[value], []];
/** [before, after] of several dimensions. */
export const pairs = (amounts: readonly number[]): Integers => [amounts, [amounts.length / 2, 2]];

/** An int32 constant that is only written: readers know it from elsewhere. */
export const written = (position: number, of: (view: NodeView) => Integers): Constants => ({
  constants: [{ position, make: (view, extras) => extras.constant(...of(view)) }],
});

/** A constant of integers that is the attribute `name`. @param what it is, for errors */
export const integersAt = (position: number, name: string, form = vector, what = name) =>
  part({
    ...written(position, (view) => form(listOf(view, name))),
    read: (foreign) => ({ [name]: integers(foreign, position, what) }),
  });

/** A constant integer that is the attribute `name`. */
export const integerAt = (position: number, name: string, what = name) =>
  part({
    ...written(position, (view) => single(numberIn(view, name))),
    read: (foreign) => ({ [name]: integerOf(foreign, position, what) }),
  });

/** A constant axis of input `input`. */
export const axisAt = (position: number, input: number, read = integerOf) =>
  part({
    ...written(position, (view) => single(numberIn(view, 'axis'))),
    read: (foreign) => ({
      axis: axisOf(foreign, read(foreign, position, 'axis'), rankOf(foreign, input)),
    }),
  });
