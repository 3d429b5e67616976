/** Shapes and integers that follow from others, inferred without a run of the model. */
import { InternalError } from '../../../errors.js';
import {
  elementCount,
  type Graph,
  type Node,
  type NodeView,
  rawBytes,
  type Shape,
  type Tensor,
  viewOf,
} from '../../ir/graph.js';
import type { RuntimeRounding } from '../../ir/rounding.js';
import { opOf } from '../../ops/index.js';
import { spend } from '../flatbuffer.js';
import { GraphBuilder, optionsOf } from './builder.js';
import { noEdges } from './edges.js';
import { foldedOf } from './folded.js';
import { rows } from './ops.js';
import {
  operatorName,
  placeOf,
  type RawModel,
  type RawOperator,
  type RawSubgraph,
  type RawTensor,
} from './read.js';
import { tensorTypes } from './schema.js';
import { importTensor } from './tensors.js';

/**
 * A subgraph while shapes, and integers that operators compute from constants, are inferred in the
 * order of its operators.
 */
export class Inference {
  readonly tensors: RawTensor[];
  /** Tensors that are not as the file says. */
  readonly changed = new Set<number>();

  constructor(
    private readonly raw: RawModel,
    private readonly subgraph: RawSubgraph,
    /** Those of the file, and those that are made: another one may share them. */
    readonly buffers: RawModel['buffers'][number][] = [...raw.buffers],
  ) {
    this.tensors = [...subgraph.tensors];
  }

  /** Forgets all but the first tensors and buffers. */
  forget(tensors: number, buffers: number): void {
    for (let index = tensors; index < this.tensors.length; index += 1) this.changed.delete(index);
    this.tensors.length = tensors;
    this.buffers.length = buffers;
  }

  /** The model with what is inferred so far. */
  current(): RawModel {
    return { ...this.raw, buffers: this.buffers };
  }

  /**
   * Sets the shapes of an operator's outputs, or their value where it computes integers from
   * constants or shapes.
   *
   * @param isOpen whether shapes of outputs are not known from the file even if those of inputs are
   * @returns whether it computes a constant
   * @throws BonsaiError where its inputs do not fit
   */
  infer(operator: RawOperator, index: number, isOpen = false): boolean {
    const name = operatorName(this.raw, operator);
    const values = this.computed(name, operator, index);
    if (values !== null) {
      this.setConstant(operator.outputs[0] ?? -1, values);
      return true;
    }
    // The importer refuses others by name.
    const follows = isOpen || operator.inputs.some((input) => this.changed.has(input));
    if (!rows.has(name) || !follows) return false;
    const shapes = this.shapesOf(name, operator, index);
    operator.outputs.forEach((output, i) => {
      this.setShape(output, isOpen ? this.closed(output, shapes[i] ?? []) : (shapes[i] ?? []));
    });
    return false;
  }

  /** The shape with the extents that the file fixes. */
  private closed(index: number, shape: Shape): Shape {
    const { shapeSignature = [] } = this.tensors[index] ?? {};
    if (shapeSignature.length !== shape.length) return shape;
    return shape.map((extent, d) => {
      const fixed = shapeSignature[d] ?? -1;
      return fixed < 0 ? extent : fixed;
    });
  }

  setShape(index: number, shape: Shape): void {
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
    const type = tensorTypes[this.tensors[result]?.type ?? -1];
    if (name === 'SHAPE' || type === 'int32') {
      const folded = this.folded(operator, index);
      if (folded !== null) return folded;
    }
    if (type !== 'int32' && type !== 'bool') return null;
    const inputs = operator.inputs.map((input) => this.tensorOf(input));
    if (inputs.length === 0 || inputs.some((tensor) => tensor?.data == null)) return null;
    const sources = inputs as readonly Tensor[];
    const arithmetic = integerArithmetic.get(name);
    if (arithmetic !== undefined) return arithmetic(sources);
    if (!rows.has(name)) return null;
    const [shape = []] = this.shapesOf(name, operator, index);
    spend(this.raw.source, elementCount(shape));
    const view = this.viewOf(operator, index);
    const outputs = view.outputs.map((tensor) => ({ ...tensor, shape }));
    const values = view.inputs.map((tensor) => tensor?.data ?? null);
    const [data = null] = opOf(view.node).evaluate({ ...view, outputs }, values);
    return { data, shape };
  }

  /** What the importer computes of shapes and constants; null where it computes nothing. */
  private folded(operator: RawOperator, index: number): Values | null {
    const subgraph = { ...this.subgraph, tensors: this.tensors };
    const result = foldedOf(this.current(), subgraph, operator, index, new Map());
    return result && { data: Int32Array.from(result.elements()), shape: result.shape };
  }

  /** Shapes of the operator's outputs. @throws BonsaiError */
  private shapesOf(name: string, operator: RawOperator, index: number): readonly Shape[] {
    const row = rows.get(name);
    const stated = row?.parts.find(({ shape }) => shape !== undefined);
    if (row === undefined || stated?.shape === undefined) {
      const view = this.viewOf(operator, index);
      return opOf(view.node).infer(view);
    }
    const { inputs } = operator;
    const integers = (position: number) =>
      position < inputs.length
        ? Array.from(this.tensorOf(inputs[position] ?? -1)?.data ?? [], Number)
        : null;
    const [from = []] = inputs.map((input) => this.tensors[input]?.shape);
    const where = placeOf(this.raw, this.subgraph, operator, index);
    const options = optionsOf(this.raw, row, operator, where);
    return [stated.shape({ from, options, integers })];
  }

  /** The tensor with its elements, if it is a constant of integers. */
  tensorOf(index: number): Tensor | null {
    const tensor = this.tensors[index];
    return tensor === undefined ? null : importTensor(this.current(), tensor, index);
  }

  /** An operator that owns graphs as a node, in a graph of its own. */
  nodeOf(operator: RawOperator, rounding: RuntimeRounding): { graph: Graph; node: Node } {
    const alone = { ...this.subgraph, tensors: this.tensors, operators: [operator] };
    const builder = new GraphBuilder(this.current(), alone, noEdges, rounding);
    builder.add(operator, 0);
    const [node] = builder.nodes;
    if (node === undefined) throw new InternalError('import', 'an operator without a node');
    return { graph: builder.finish([]), node };
  }

  /** The operator as a node, with its inputs as they are now. */
  private viewOf(operator: RawOperator, index: number): NodeView {
    const { inputs, outputs } = operator;
    const all = (indices: readonly number[]) => indices.map((i) => this.tensors[i] as RawTensor);
    // What the file says of an output's shape may be 0 or -1.
    const open = all(outputs).map((tensor) => ({ ...tensor, shape: tensor.shape.map(() => 1) }));
    const present = inputs.filter((input) => input >= 0);
    const tensors = [...all(present), ...open];
    const renumbered = {
      ...operator,
      inputs: inputs.map((input) => (input < 0 ? input : present.indexOf(input))),
      outputs: outputs.map((_, i) => present.length + i),
    };
    const alone = { ...this.subgraph, tensors, operators: [renumbered] };
    const builder = new GraphBuilder(this.current(), alone, noEdges, 'tflm');
    builder.add(renumbered, index);
    const [node] = builder.nodes;
    if (node === undefined) throw new InternalError('import', 'an operator without a node');
    return viewOf(builder.finish([]), node);
  }
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

/** As `elementwise`, with a bool as the result. */
const comparison =
  (isTrue: (a: number, b: number) => boolean) =>
  (inputs: readonly Tensor[]): Values => {
    const { data, shape } = elementwise((a, b) => Number(isTrue(a, b)))(inputs);
    return { data: Uint8Array.from(Array.from(data ?? [], Number)), shape };
  };

type Values = Pick<Tensor, 'data' | 'shape'>;

/** What files compute from shapes and counters besides moving integers. */
const integerArithmetic: ReadonlyMap<string, (inputs: readonly Tensor[]) => Values> = new Map(
  Object.entries({
    ADD: elementwise((a, b) => a + b),
    CAST: ([a]) => ({
      data: Int32Array.from(Array.from(a?.data ?? [], Number)),
      shape: a?.shape ?? [],
    }),
    FLOOR_DIV: elementwise((a, b) => Math.floor(a / b)),
    EQUAL: comparison((a, b) => a === b),
    GREATER: comparison((a, b) => a > b),
    GREATER_EQUAL: comparison((a, b) => a >= b),
    LESS: comparison((a, b) => a < b),
    LESS_EQUAL: comparison((a, b) => a <= b),
    LOGICAL_AND: comparison((a, b) => a !== 0 && b !== 0),
    LOGICAL_NOT: ([a]) => ({
      data: Uint8Array.from(Array.from(a?.data ?? [], Number), (x) => (x === 0 ? 1 : 0)),
      shape: a?.shape ?? [],
    }),
    LOGICAL_OR: comparison((a, b) => a !== 0 || b !== 0),
    MAXIMUM: elementwise(Math.max),
    MINIMUM: elementwise(Math.min),
    MUL: elementwise((a, b) => a * b),
    NOT_EQUAL: comparison((a, b) => a !== b),
    REDUCE_PROD: ([a]) => {
      const product = Array.from(a?.data ?? [], Number).reduce((x, y) => x * y, 1);
      return { data: Int32Array.of(product), shape: a?.shape.map(() => 1).slice(1) ?? [] };
    },
    SUB: elementwise((a, b) => a - b),
  }),
);
