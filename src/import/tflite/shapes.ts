/**
 * --shape: a model whose inputs have dynamic extents, with the extents that the user gives. All
 * shapes that follow from them are inferred again, and so are the integers that the file computes
 * from shapes.
 */
import { BonsaiError, InternalError } from '../../errors.js';
import {
  elementCount,
  type NodeView,
  rawBytes,
  type Shape,
  type Tensor,
  viewOf,
} from '../../ir/graph.js';
import { opOf } from '../../ops/index.js';
import { GraphBuilder, optionsOf, placeOf } from './builder.js';
import { rows } from './ops.js';
import { operatorName, type RawModel, type RawOperator, type RawSubgraph } from './read.js';
import type { AnyRow } from './rows.js';
import { tensorTypes } from './schema.js';
import { importTensor } from './tensors.js';

/** The shape of an input; `name` is null where the model has a single one. */
export interface InputShape {
  readonly name: string | null;
  readonly shape: Shape;
}

/**
 * The model with fixed shapes.
 *
 * @param names of the main subgraph's inputs
 * @throws BonsaiError 'usage' for a name or shape that no input has, 'bad-shape' where a layer does
 *   not take the shape
 */
export function withShapes(
  raw: RawModel,
  given: readonly InputShape[],
  names: readonly string[],
): RawModel {
  const [main, ...others] = raw.subgraphs;
  if (given.length === 0 || main === undefined) return raw;
  const shaped = new Shaping(raw, main);
  for (const { name, shape } of given) {
    const position = name === null && names.length === 1 ? 0 : names.indexOf(name ?? '');
    const input = main.inputs[position];
    if (input === undefined) throw noSuchInput(name, names);
    shaped.setInput(input, shape, names[position] ?? '');
  }
  main.operators.forEach((operator, index) => {
    shaped.infer(operator, index);
  });
  return { ...raw, buffers: shaped.buffers, subgraphs: [shaped.subgraph(), ...others] };
}

function noSuchInput(name: string | null, names: readonly string[]): BonsaiError {
  const where = name === null ? '--shape' : `--shape ${name}=…`;
  const what = name === null ? 'does not name its input' : 'names no input of the model';
  const list = names.map((each) => `"${each}"`).join(', ');
  return new BonsaiError('usage', where, what, `give --shape NAME=1,2,3 with a name of: ${list}`);
}

/** A subgraph while its shapes are inferred, in the order of its operators. */
class Shaping {
  readonly buffers: RawModel['buffers'][number][];
  private readonly tensors: RawSubgraph['tensors'][number][];
  /** Tensors that are not as the file says. */
  private readonly changed = new Set<number>();

  constructor(
    private readonly raw: RawModel,
    private readonly main: RawSubgraph,
  ) {
    this.buffers = [...raw.buffers];
    this.tensors = [...main.tensors];
  }

  subgraph(): RawSubgraph {
    return { ...this.main, tensors: this.tensors };
  }

  setInput(index: number, shape: Shape, name: string): void {
    const tensor = this.tensors[index];
    if (tensor === undefined) return;
    const { shapeSignature, shape: stored } = tensor;
    const signature = shapeSignature.length === 0 ? stored : shapeSignature;
    const fits =
      shape.length === signature.length &&
      signature.every((extent, d) => extent < 0 || extent === shape[d]);
    if (!fits) {
      const fixed = signature.map((extent) => (extent < 0 ? 'any' : extent)).join(', ');
      const message = `does not fit the input "${name}" of [${fixed}]`;
      const hint = 'give as many extents, and those that are fixed as they are';
      throw new BonsaiError('usage', `--shape ${shape.join(',')}`, message, hint);
    }
    this.tensors[index] = { ...tensor, shape: [...shape], shapeSignature: [] };
    if (stored.join() !== shape.join()) this.changed.add(index);
  }

  /** Sets the shapes of an operator's outputs, and their values where these follow from shapes. */
  infer(operator: RawOperator, index: number): void {
    const name = operatorName(this.raw, operator);
    if (!operator.inputs.some((input) => this.changed.has(input))) return;
    const where = placeOf(this.raw, this.main, operator, index);
    try {
      const values = this.computed(name, operator, index);
      if (values !== null) {
        this.setConstant(operator.outputs[0] ?? -1, values);
        return;
      }
      // The importer refuses others by name.
      if (!rows.has(name)) return;
      const shapes = this.shapesOf(name, operator, index);
      operator.outputs.forEach((output, i) => {
        this.setShape(output, shapes[i] ?? []);
      });
    } catch (error) {
      if (!(error instanceof BonsaiError)) throw error;
      const hint = 'give another --shape: the layer does not take what follows from this one';
      throw new BonsaiError(error.code, where, error.message, hint);
    }
  }

  private setShape(index: number, shape: Shape): void {
    const tensor = this.tensors[index];
    if (tensor === undefined || tensor.shape.join() === shape.join()) return;
    this.tensors[index] = { ...tensor, shape: [...shape] };
    this.changed.add(index);
  }

  private setConstant(index: number, { data, shape }: Values): void {
    const tensor = this.tensors[index];
    if (tensor === undefined || data === null) return;
    const buffer = this.buffers.push({ data: rawBytes(data).slice(), offset: 0, size: 0 }) - 1;
    this.tensors[index] = { ...tensor, shape: [...shape], buffer };
    this.changed.add(index);
  }

  /** The integers that the operator computes from shapes; null: it computes something else. */
  private computed(name: string, operator: RawOperator, index: number) {
    const [result = -1] = operator.outputs;
    const inputs = operator.inputs.map((input) => this.tensorOf(input));
    if (name === 'SHAPE') {
      const extents = this.tensors[operator.inputs[0] ?? -1]?.shape ?? [];
      return { data: Int32Array.from(extents), shape: [extents.length] };
    }
    const type = tensorTypes[this.tensors[result]?.type ?? -1];
    if (type !== 'int32' || inputs.some((tensor) => tensor?.data == null)) return null;
    const sources = inputs as readonly Tensor[];
    const arithmetic = integerArithmetic.get(name);
    if (arithmetic !== undefined) return arithmetic(sources);
    if (!rows.has(name)) return null;
    const [shape = []] = this.shapesOf(name, operator, index);
    const view = this.viewOf(operator, index);
    const outputs = view.outputs.map((tensor) => ({ ...tensor, shape }));
    const values = view.inputs.map((tensor) => tensor?.data ?? null);
    const [data = null] = opOf(view.node).evaluate({ ...view, outputs }, values);
    return { data, shape };
  }

  /** Shapes of the operator's outputs. @throws BonsaiError */
  private shapesOf(name: string, operator: RawOperator, index: number): readonly Shape[] {
    const [from = [], ...others] = operator.inputs.map((input) => this.tensors[input]?.shape ?? []);
    const integers = (position: number) =>
      Array.from(this.tensorOf(operator.inputs[position] ?? -1)?.data ?? [], Number);
    if (name === 'RESHAPE') {
      const target = others.length > 0 ? integers(1) : this.optionsOf(operator, index).newShape;
      return [reshaped(from, target)];
    }
    if (name === 'EXPAND_DIMS') {
      const [axis = 0] = integers(1);
      return [from.toSpliced(axis < 0 ? axis + from.length + 1 : axis, 0, 1)];
    }
    if (name === 'SQUEEZE') {
      const dims = this.optionsOf(operator, index).squeezeDims;
      const dropped = dims.map((dim) => (dim < 0 ? dim + from.length : dim));
      return [from.filter((e, d) => (dims.length === 0 ? e !== 1 : !dropped.includes(d)))];
    }
    const view = this.viewOf(operator, index);
    return opOf(view.node).infer(view);
  }

  /** Those of RESHAPE and SQUEEZE. */
  private optionsOf(operator: RawOperator, index: number) {
    const row = rows.get(operatorName(this.raw, operator)) as AnyRow;
    const where = placeOf(this.raw, this.main, operator, index);
    const options = optionsOf(this.raw, row, operator, where) as Partial<ShapeOptions>;
    return { newShape: [], squeezeDims: [], ...options };
  }

  /** The tensor with its elements, if it is a constant of integers. */
  private tensorOf(index: number): Tensor | null {
    const tensor = this.tensors[index];
    return tensor === undefined ? null : importTensor(this.current(), tensor, index);
  }

  private current(): RawModel {
    return { ...this.raw, buffers: this.buffers };
  }

  /** The operator as a node, with its inputs as they are now. */
  private viewOf(operator: RawOperator, index: number): NodeView {
    const tensors = [...this.tensors];
    for (const output of operator.outputs) {
      const tensor = tensors[output];
      // What the file says of its shape may be 0 or -1.
      if (tensor !== undefined) tensors[output] = { ...tensor, shape: tensor.shape.map(() => 1) };
    }
    const alone = { ...this.main, tensors, operators: [operator] };
    const edges = { inputs: [], outputs: [], skipped: new Set<number>(), constants: new Map() };
    const builder = new GraphBuilder(this.current(), alone, edges, 'tflm');
    builder.add(operator, index);
    const [node] = builder.nodes;
    if (node === undefined) throw new InternalError('import', 'an operator without a node');
    return viewOf(builder.finish([]), node);
  }
}

interface ShapeOptions {
  readonly newShape: readonly number[];
  readonly squeezeDims: readonly number[];
}

/** RESHAPE's new shape, in which one extent may be -1. */
function reshaped(from: Shape, target: readonly number[]): Shape {
  const known = target.filter((extent) => extent >= 0).reduce((product, e) => product * e, 1);
  return target.map((extent) => (extent < 0 ? elementCount(from) / known : extent));
}

/** Elementwise, of vectors of one length or of single numbers. */
const elementwise =
  (combine: (a: number, b: number) => number) =>
  ([a, b]: readonly Tensor[]): Values => {
    const [left, right] = [a, b].map((tensor) => Array.from(tensor?.data ?? [], Number));
    const shape = (left?.length ?? 0) >= (right?.length ?? 0) ? a?.shape : b?.shape;
    const count = elementCount(shape ?? []);
    const at = (values: readonly number[] = [], i: number) => values[i % values.length] ?? 0;
    const data = Int32Array.from({ length: count }, (_, i) => combine(at(left, i), at(right, i)));
    return { data, shape: shape ?? [] };
  };

type Values = Pick<Tensor, 'data' | 'shape'>;

/** What files compute from shapes besides moving integers, in int32. */
const integerArithmetic: ReadonlyMap<string, (inputs: readonly Tensor[]) => Values> = new Map(
  Object.entries({
    ADD: elementwise((a, b) => a + b),
    CAST: ([a]) => ({
      data: Int32Array.from(Array.from(a?.data ?? [], Number)),
      shape: a?.shape ?? [],
    }),
    FLOOR_DIV: elementwise((a, b) => Math.floor(a / b)),
    MAXIMUM: elementwise(Math.max),
    MINIMUM: elementwise(Math.min),
    MUL: elementwise((a, b) => a * b),
    REDUCE_PROD: ([a]) => {
      const product = Array.from(a?.data ?? [], Number).reduce((x, y) => x * y, 1);
      return { data: Int32Array.of(product), shape: a?.shape.map(() => 1).slice(1) ?? [] };
    },
    SUB: elementwise((a, b) => a - b),
  }),
);
