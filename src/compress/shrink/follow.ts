/** How channels pass through operators: which positions of a node's tensors go together. */
import {
  type AttrValue,
  elementCount,
  type NodeView,
  type Shape,
  type TensorId,
  tensorOf,
} from '../../compiler/ir/graph.js';
import type { Axis } from '../../compiler/ir/op.js';
import { axesOf } from '../../compiler/ops/axes.js';
import { isMoving, opOf } from '../../compiler/ops/index.js';
import { eachElement, type Moving } from '../../compiler/ops/shape/movement.js';
import type { StridedSliceAttrs } from '../../compiler/ops/strided_slice.js';
import { channelsAlong } from '../float-graph.js';
import type { Lines } from './lines.js';
import { DisjointSets } from './sets.js';

const dependsOnAll = 'each output depends on all channels';

const inputId = ({ node }: NodeView<object>, position = 0) => node.inputs[position] as TensorId;
const outputId = ({ node }: NodeView<object>) => node.outputs[0] as TensorId;
const shapeOf = (view: NodeView<object>, position = 0) => view.inputs[position]?.shape ?? [];

/** Joins the positions of a node's tensors. Returns null, or why they keep all channels. */
export function follow(lines: Lines, view: NodeView): string | null {
  if (isMoving(view.node)) return followMoves(lines, view);
  const { filters, absorbs } = opOf(view.node);
  if (filters !== undefined && view.inputs[1]?.data === null) return 'its weights are computed';
  const axes = axesOf(view);
  const sum = axes.find(({ output }) => output === null);
  // A layer that reads rows of elements, whatever its input's shape, sums over all of them.
  const isDense = absorbs?.reshape !== undefined && sum !== undefined;
  const axis = isDense ? sum : carrier(lines, view, axes);
  if (typeof axis === 'string') return axis;
  if (axis.window !== undefined) return 'its channels are not the last axis';
  if ((axis.groups ?? 1) > 1) return 'its groups have equal sizes';
  if (axis.output === null && filters === undefined) {
    if (axis.inputs.length === 1) return 'makes one number of all channels';
    if (view.inputs.some((tensor) => tensor?.data !== null)) return 'multiplies with a constant';
  }
  if (isDense) joinRows(lines, view);
  else joinAlong(lines, view, axis);
  if (axis.output !== null) return null;
  const made = axes.find(({ inputs }) => inputs[0] === null);
  if (filters !== undefined && made !== undefined) joinAlong(lines, view, made);
  else keep(lines, outputId(view));
  return null;
}

/** The axis along which the operands have their channels, or why there is none. */
function carrier(lines: Lines, view: NodeView, axes: readonly Axis[]): Axis | string {
  const computed = [...view.inputs.keys()].filter((i) => view.inputs[i]?.data === null);
  const ownAxis = (i: number) => lines.axisOf(inputId(view, i));
  // A single channel repeats.
  const wide = computed.filter((i) => (shapeOf(view, i)[ownAxis(i)] ?? 1) > 1);
  const some = wide.length > 0 ? wide : computed;
  const all = some.map((i) => axes.find(({ inputs }) => inputs[i] === ownAxis(i)));
  const [first] = all;
  const isAlong = (i: number) => [null, undefined, ownAxis(i)].includes(first?.inputs[i]);
  if (all.every((axis) => axis === first) && computed.every(isAlong)) return first ?? dependsOnAll;
  // Rows or columns of a product of matrices: the other one keeps its channels.
  const product = axes.some(({ output }) => output === null);
  const free = all.findLast((axis) => axis?.output !== null && axis?.inputs.includes(null));
  if (!product || free === undefined) return 'its operands have channels along two axes';
  for (const i of computed) if (free.inputs[i] === null) keep(lines, inputId(view, i));
  return free;
}

/** What a node's tensors have along an axis goes together. */
function joinAlong(lines: Lines, view: NodeView, { inputs, output, repeat = 1 }: Axis): void {
  if (output !== null) lines.setAxis(outputId(view), output);
  const [first = null, ...others] = inputs;
  const ends = [
    { id: inputId(view), d: first, each: repeat },
    { id: outputId(view), d: output, each: 1 },
    ...others.map((d, i) => ({ id: view.node.inputs[i + 1] ?? null, d, each: 1 })),
  ].flatMap(({ id, d, each }) => {
    if (id === null || d === null) return [];
    return [{ from: lines.along(id, d), count: tensorOf(lines.graph, id).shape[d] ?? 1, each }];
  });
  const last = ends.at(-1);
  for (const { from, each } of ends) {
    for (let c = 0; c < (last?.count ?? 0); c += 1) {
      lines.join(from + Math.floor(c / each), (last?.from ?? 0) + c);
    }
  }
}

/** Rows of elements, which may be parts of an input's row, go with the columns of the weights. */
function joinRows(lines: Lines, view: NodeView): void {
  const depth = shapeOf(view, 1)[1] ?? 1;
  const columns = lines.along(inputId(view, 1), 1);
  const position = positions(lines, inputId(view), shapeOf(view));
  for (let element = 0; element < elementCount(shapeOf(view)); element += 1) {
    lines.join(position(element), columns + (element % depth));
  }
}

/** The tensor keeps its channels. */
function keep(lines: Lines, id: TensorId): void {
  lines.along(id);
  lines.keepTensor(id);
}

/**
 * Operators that move elements: a position of the output goes with all positions that its elements
 * come from. A set that is closed under this takes the same elements from input and output, in
 * order, so that reshapes stay reshapes.
 */
function followMoves(lines: Lines, view: NodeView): string | null {
  const { strides } = view.attrs as Partial<StridedSliceAttrs>;
  const stride = strides?.[lines.axisOf(inputId(view))] ?? 1;
  if (stride !== 1) return 'takes every n-th channel';
  // A float model pads with 0 where it gives no value.
  const attrs: Readonly<Record<string, AttrValue>> = { value: 0, ...view.attrs };
  const moves = (opOf(view.node) as Moving).moves({ ...view, attrs });
  view.outputs.forEach(({ shape }, position) => {
    const sources = new Int32Array(elementCount(shape)).fill(padding);
    for (const move of moves.filter(({ output }) => output === position)) {
      const from = positions(lines, inputId(view, move.input), shapeOf(view, move.input));
      eachElement(move, (source, target) => {
        sources[target] = from(source);
      });
    }
    const id = view.node.outputs[position] as TensorId;
    lines.setAxis(id, lines.headsOf(id) ?? finestAxis(shape, sources));
    joinSources(lines, id, shape, sources);
  });
  return null;
}

const padding = -1;

function joinSources(lines: Lines, id: TensorId, shape: Shape, sources: Int32Array): void {
  const to = positions(lines, id, shape);
  const reached = new Set<number>();
  sources.forEach((source, element) => {
    if (source === padding) return;
    reached.add(to(element));
    lines.join(source, to(element));
  });
  // Channels of padding alone are part of the operator's attributes.
  for (let element = 0; element < sources.length; element += 1) {
    if (!reached.has(to(element))) lines.keepPosition(to(element));
  }
}

/** The axis along which most positions can go independently. */
function finestAxis(shape: Shape, sources: Int32Array): number {
  const counts = shape.map((extent, axis) => {
    const sets = new DisjointSets();
    sets.add(extent);
    const indexOf = channelsAlong(shape, axis);
    const seen = new Map<number, number>();
    sources.forEach((source, element) => {
      const index = indexOf(element);
      if (source !== padding) sets.join(seen.get(source) ?? index, index);
      if (!seen.has(source)) seen.set(source, index);
    });
    return new Set(Array.from({ length: extent }, (_, index) => sets.leader(index))).size;
  });
  return counts.lastIndexOf(Math.max(...counts));
}

/** Element of a tensor → the number of its position along the axis of channels. */
function positions(lines: Lines, id: TensorId, shape: Shape): (element: number) => number {
  const first = lines.along(id);
  const indexOf = channelsAlong(shape, lines.axisOf(id));
  return (element) => first + indexOf(element);
}
