/** Parts of single rows of ops.ts: what only a few operators have, read and written. */
import { type Attrs, elementCount } from '../../ir/graph.js';
import { flag, int32, numbers, scalar } from '../flatbuffer.js';
import {
  activationOf,
  axisOf,
  type ForeignOperator,
  integers,
  numberOf,
  rankOf,
  shapeOf,
  unsupported,
} from './foreign.js';
import {
  activation,
  type Constants,
  inputShape,
  integersAt,
  listOf,
  numberIn,
  options,
  outputShape,
  pairs,
  part,
  single,
  vector,
  written,
} from './rows.js';
import { tensorTypes } from './schema.js';
import { pool } from './windows.js';

/** Whether int16 has code of its own if scales are powers of two, as TFLite's converter sets it. */
const powersOfTwo = part({
  fields: { powersOfTwo: scalar(1, 'bool', 1) },
  write: ({ outputs }) => (outputs[0]?.dtype === 'int16' ? { powersOfTwo: 0 } : {}),
});

/** ADD and SUB. */
export const sum = [activation(0), powersOfTwo];

/** The dimension that ARG_MAX and ARG_MIN search, and the type of their output: int32. */
export const searched = part({
  fields: { outputType: scalar(0, 'int8') },
  read(foreign) {
    const [axis = 0, ...others] = integers(foreign, 1, 'axis');
    if (others.length > 0) {
      const hint = 'search one dimension after the other, or reshape them to one';
      throw unsupported(foreign.where, `has ${others.length + 1} axes, must have one`, hint);
    }
    return { axis: axisOf(foreign, axis, rankOf(foreign, 0)) };
  },
  write: () => ({ outputType: tensorTypes.indexOf('int32') }),
  ...written(1, (view) => vector([numberIn(view, 'axis')])),
});

/** Reduced dimensions, ascending and distinct. */
export const reduced = [
  part({
    read(foreign) {
      const rank = rankOf(foreign, 0);
      const axes = integers(foreign, 1, 'axes').map((axis) => axisOf(foreign, axis, rank));
      return { axes: [...new Set(axes)].sort((a, b) => a - b) };
    },
    ...written(1, (view) => vector(listOf(view, 'axes'))),
  }),
  options({ keepDims: flag(0) }),
];

/** RESHAPE and similar operators: the converter has resolved the shape of the output. */
export const toOutputShape = part({
  read: ({ outputs }) => ({ shape: outputs[0]?.shape ?? [] }),
});

/** The dimensions of extent 1 that `longer` has and `shorter` lacks. */
function missing(longer: readonly number[], shorter: readonly number[]): readonly number[] {
  const dims: number[] = [];
  longer.forEach((extent, d) => {
    if (extent !== shorter[d - dims.length]) dims.push(d);
  });
  return dims;
}

/** Where the dimension is that only the output has. */
export const expandedAxis = part({
  ...written(1, (view) => single(missing(outputShape(view), inputShape(view))[0] ?? 0)),
  shape({ from, integers }) {
    const [axis = 0] = integers(1) ?? [];
    return from.toSpliced(axis < 0 ? axis + from.length + 1 : axis, 0, 1);
  },
});

/** Which dimensions the input alone has. */
export const squeezeDims = part({
  fields: { squeezeDims: numbers(0, 'int32') },
  write: (view) => ({ squeezeDims: missing(inputShape(view), outputShape(view)) }),
  shape({ from, options: { squeezeDims: dims } }) {
    const dropped = dims.map((dim) => (dim < 0 ? dim + from.length : dim));
    return from.filter((e, d) => (dims.length === 0 ? e !== 1 : !dropped.includes(d)));
  },
});

/** The output's shape, as an option and as an input. One extent may be -1. */
export const newShape = part({
  fields: { newShape: numbers(0, 'int32') },
  write: (view) => ({ newShape: outputShape(view) }),
  ...written(1, (view) => vector(outputShape(view))),
  shape({ from, options, integers }) {
    const target = integers(1) ?? options.newShape;
    const known = target.filter((extent) => extent >= 0).reduce((product, e) => product * e, 1);
    return target.map((extent) => (extent < 0 ? elementCount(from) / known : extent));
  },
});

/** A change of height and width. */
export const resized = (slot: number) => [
  options({ alignCorners: flag(slot), halfPixelCenters: flag(slot + 1) }),
  part({
    ...written(1, (view) => vector(outputShape(view).slice(1, 3))),
    shape: ({ from, integers }) => [from[0] ?? 1, ...(integers(1) ?? []), from[3] ?? 1],
  }),
];

/** [before, after] of every dimension, flat. */
export const pads = part({
  ...integersAt(1, 'pads', pairs),
  read(foreign) {
    const amounts = integers(foreign, 1, 'padding');
    if (amounts.every((amount) => amount >= 0)) return { pads: amounts };
    throw unsupported(foreign.where, `has the negative padding [${amounts}]`, 'pad by 0 or more');
  },
});

/** The first of several integers, which a file has without need. */
export const firstOf = (foreign: ForeignOperator<unknown>, position: number, what: string) =>
  integers(foreign, position, what)[0] ?? 0;

/** A constant of the output's type. */
const typed = (position: number, name: string): Constants => ({
  constants: [{ position, make: (view, extras) => extras.scalar(view, numberIn(view, name)) }],
});

export const numberAt = (position: number, name: string, what: string) =>
  part({
    read: (foreign) => ({ [name]: numberOf(foreign, position, what) }),
    ...typed(position, name),
  });

export const padValue = part({
  read(foreign) {
    if (foreign.inputs[2] === undefined || foreign.inputs[2] === null) return {};
    return { value: firstOf(foreign, 2, 'value') };
  },
  ...typed(2, 'value'),
});

export const splitCount = part({
  fields: { numSplits: int32(0) },
  read: (foreign) => ({ count: foreign.options.numSplits }),
  write: ({ attrs }) => ({ numSplits: attrs.count }),
});

/** SPLIT_V: a size of -1 takes the rest of the extent; a part without elements has no output. */
export const sizes = part({
  read(foreign) {
    const axis = axisOf(foreign, firstOf(foreign, 2, 'axis'), rankOf(foreign, 0));
    const extent = foreign.inputs[0]?.shape[axis] ?? 0;
    const stated = integers(foreign, 1, 'sizes');
    const rest = stated.reduce((left, size) => left - Math.max(size, 0), extent);
    const sizes = stated.map((size) => (size === -1 ? rest : size)).filter((size) => size !== 0);
    return { count: sizes.length, sizes };
  },
  ...written(1, (view) => vector(listOf(view, 'sizes'))),
});

export const unshuffled = part({
  fields: { weightsFormat: scalar(1, 'int8') },
  read({ options, where }) {
    if (options.weightsFormat === 0) return {};
    throw unsupported(where, 'its weights are shuffled', 'convert without shuffled weights');
  },
});

/** Newer converters leave the field at 0, since the shapes imply it. */
export const depthMultiplier = part({
  fields: { depthMultiplier: int32(3) },
  read(foreign) {
    const [, , , outputs = 0] = shapeOf(foreign, 1, 4);
    const [, , , channels = 1] = shapeOf(foreign, 0, 4);
    return { depthMultiplier: foreign.options.depthMultiplier || outputs / channels };
  },
  write: ({ attrs }) => ({ depthMultiplier: attrs.depthMultiplier }),
});

export const batchDims = part({
  fields: { batchDims: int32(1) },
  read(foreign) {
    const { batchDims } = foreign.options;
    return { batchDims: batchDims < 0 ? batchDims + rankOf(foreign, 1) : batchDims };
  },
  write: ({ attrs }) => ({ batchDims: attrs.batchDims }),
});

export const mirrorMode = part({
  fields: { mode: scalar(0, 'int8') },
  read: ({ options }) => ({ mode: options.mode === 0 ? 'reflect' : 'symmetric' }),
  write: ({ attrs }) => ({ mode: attrs.mode === 'reflect' ? 0 : 1 }),
});

export const withoutActivation = part({
  fields: { activation: scalar(0, 'int8') },
  read(foreign) {
    if (activationOf(foreign) === 'none') return {};
    const hint = 'put the activation behind it, as an operator of its own';
    throw unsupported(foreign.where, `has a fused "${activationOf(foreign)}"`, hint);
  },
});

/** SELECT does not broadcast: a condition of one dimension chooses rows, which SELECT_V2 cannot say. */
export const rowsChosen = part({
  read(foreign): Attrs {
    const [condition = [], x = []] = foreign.inputs.map((tensor) => tensor?.shape);
    if (condition.join() === x.join() || condition.length === 0) return {};
    if (condition.length === 1 && condition[0] === x[0]) return { rows: true };
    const message = `its condition of [${condition}] fits neither [${x}] nor its rows`;
    throw unsupported(foreign.where, message, 'use tf.where, whose condition may have any shape');
  },
});

export const neverTrue = part({
  read({ rounding, inputs, where }) {
    if (rounding === 'tflite' || inputs[0]?.dtype !== 'int16') return {};
    const message = 'of int16 is never true in tflite-micro, whatever the operands';
    throw unsupported(where, message, 'exchange the operands and use LESS');
  },
});

/** Of the variants of an LSTM, TFLM computes the plain one: 20 inputs, or 24 with absent norms. */
export const plainLstm = part({
  fields: { activation: scalar(0, 'int8'), projectionClip: scalar(2, 'float32') },
  read({ options, inputs, where }) {
    const extra = [9, 10, 11, 16, 17, 20, 21, 22, 23].find((i) => inputs[i] != null);
    if (extra === undefined && options.activation === 4) return {};
    const what =
      extra === undefined ? 'has no tanh as its activation' : `has an input ${extra}: a variant`;
    const hint = 'use a plain LSTM: tanh, no peepholes, projection or normalization';
    throw unsupported(where, what, hint);
  },
});

/** How many inputs or outputs there are. */
export const count = (of: 'inputs' | 'outputs') =>
  part({ fields: { count: int32(0) }, write: (view) => ({ count: view[of].length }) });

export const permutation = part({
  ...integersAt(1, 'perm'),
  read(foreign) {
    const rank = rankOf(foreign, 0);
    const perm = integers(foreign, 1, 'permutation');
    return { perm: perm.map((axis) => axisOf(foreign, axis, rank)) };
  },
});

/** The window and activation of a pool. */
export const pooled = [pool, activation(5)];
