/** How channels pass through operators: which positions of a node's tensors go together. */
import {
  type AttrValue,
  elementCount,
  type NodeView,
  type Shape,
  type TensorId,
} from '../../ir/graph.js';
import { type Conv2dAttrs, conv2dDims } from '../../ops/conv2d.js';
import type { DepthwiseConv2dAttrs } from '../../ops/depthwise_conv2d.js';
import { isMoving, opOf } from '../../ops/index.js';
import type { MeanAttrs } from '../../ops/mean.js';
import { eachElement, type Moving } from '../../ops/shape/movement.js';
import type { StridedSliceAttrs } from '../../ops/strided_slice.js';
import { channelsAlong, weighted } from '../float-graph.js';
import type { Lines } from './lines.js';
import { DisjointSets } from './sets.js';

/** Joins what goes together. Returns null, or why the node's tensors keep all channels. */
// biome-ignore lint/suspicious/noExplicitAny: each operator has its own attributes.
type Follow = (lines: Lines, view: NodeView<any>) => string | null;

const inputId = ({ node }: NodeView<object>, position = 0) => node.inputs[position] as TensorId;
const outputId = ({ node }: NodeView<object>) => node.outputs[0] as TensorId;
const shapeOf = (view: NodeView<object>, position = 0) => view.inputs[position]?.shape ?? [];

/** The input's channel c is the output's channel c, along `axis` of the output. */
function pass(lines: Lines, view: NodeView<object>, axis: number): null {
  const id = inputId(view);
  lines.setAxis(outputId(view), axis);
  const count = shapeOf(view)[lines.axisOf(id)] ?? 1;
  lines.joinAll(lines.along(id), lines.along(outputId(view)), count);
  return null;
}

const elementwise: Follow = (lines, view) => pass(lines, view, lines.axisOf(inputId(view)));

/** Images are [n, h, w, c]. */
const image: Follow = (lines, view) =>
  lines.axisOf(inputId(view)) === 3 ? pass(lines, view, 3) : 'its channels are not the last axis';

const mean: Follow = (lines, view: NodeView<MeanAttrs>) => {
  const { axes, keepDims } = view.attrs;
  const axis = lines.axisOf(inputId(view));
  if (axes.includes(axis)) return 'averages over the channels';
  return pass(lines, view, keepDims ? axis : axis - axes.filter((other) => other < axis).length);
};

const conv2d: Follow = (lines, view: NodeView<Conv2dAttrs>) => {
  const { groups, inC } = conv2dDims(view);
  if (groups > 1) return 'its groups have equal sizes';
  if (lines.axisOf(inputId(view)) !== 3) return 'its channels are not the last axis';
  lines.joinAll(lines.along(inputId(view)), lines.along(inputId(view, 1), 3), inC);
  joinFilters(lines, view, 0);
  return null;
};

const depthwise: Follow = (lines, view: NodeView<DepthwiseConv2dAttrs>) => {
  if (lines.axisOf(inputId(view)) !== 3) return 'its channels are not the last axis';
  const [from, to] = [lines.along(inputId(view)), lines.along(outputId(view))];
  const count = shapeOf(view, 1)[3] ?? 1;
  for (let o = 0; o < count; o += 1) {
    lines.join(from + Math.floor(o / view.attrs.depthMultiplier), to + o);
  }
  joinFilters(lines, view, 3);
  return null;
};

/** The input is read as rows of `depth` elements, whatever its shape. */
const fullyConnected: Follow = (lines, view) => {
  const depth = shapeOf(view, 1)[1] ?? 1;
  const columns = lines.along(inputId(view, 1), 1);
  const position = positions(lines, inputId(view), shapeOf(view));
  for (let element = 0; element < elementCount(shapeOf(view)); element += 1) {
    lines.join(position(element), columns + (element % depth));
  }
  joinFilters(lines, view, 0);
  return null;
};

/** The output's channels go with their filters, along `axis` of the weights, and their biases. */
function joinFilters(lines: Lines, view: NodeView<object>, axis: number): void {
  const to = lines.along(outputId(view));
  const count = shapeOf(view, 1)[axis] ?? 1;
  lines.joinAll(to, lines.along(inputId(view, 1), axis), count);
  const bias = view.node.inputs[2] ?? null;
  if (bias !== null) lines.joinAll(to, lines.along(bias, 0), count);
}

/** Operands align at their last axes; extents of 1 repeat. */
const binary: Follow = (lines, view) => {
  const { length: rank } = view.outputs[0]?.shape ?? [];
  const operands = [0, 1].map((position) => {
    const shape = shapeOf(view, position);
    return { id: inputId(view, position), shape, before: rank - shape.length };
  });
  const axes = operands.flatMap(({ id, shape, before }, position) => {
    const axis = lines.axisOf(id);
    const hasChannels = view.inputs[position]?.data === null && (shape[axis] ?? 1) > 1;
    return hasChannels ? [axis + before] : [];
  });
  const axis = axes[0] ?? rank - 1;
  if (axes.some((other) => other !== axis)) return 'its operands have channels along two axes';
  lines.setAxis(outputId(view), axis);
  for (const { id, shape, before } of operands) {
    const extent = shape[axis - before] ?? 1;
    if (extent === 1) continue;
    lines.joinAll(lines.along(id, axis - before), lines.along(outputId(view)), extent);
  }
  return null;
};

/**
 * Operators that move elements: a position of the output goes with all positions that its elements
 * come from. A set that is closed under this takes the same elements from input and output, in
 * order, so that reshapes stay reshapes.
 */
const moving: Follow = (lines, view) => {
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
    lines.setAxis(id, finestAxis(shape, sources));
    joinSources(lines, id, shape, sources);
  });
  return null;
};

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

const stridedSlice: Follow = (lines, view: NodeView<StridedSliceAttrs>) =>
  view.attrs.strides[lines.axisOf(inputId(view))] === 1
    ? moving(lines, view)
    : 'takes every n-th channel';

/** Other movements follow their moves. */
const rules: ReadonlyMap<string, Follow> = new Map(
  Object.entries({
    add: binary,
    average_pool2d: image,
    conv2d,
    depthwise_conv2d: depthwise,
    fully_connected: fullyConnected,
    hard_swish: elementwise,
    leaky_relu: elementwise,
    logistic: elementwise,
    max_pool2d: image,
    mean,
    mul: binary,
    quantize: elementwise,
    relu: elementwise,
    relu6: elementwise,
    relu_n1_to_1: elementwise,
    resize_nearest_neighbor: image,
    strided_slice: stridedSlice,
    sub: binary,
    tanh: elementwise,
  }),
);

/** Joins the positions of a node's tensors. Returns null, or why they keep all channels. */
export function follow(lines: Lines, view: NodeView): string | null {
  const rule = rules.get(view.node.op) ?? (isMoving(view.node) ? moving : undefined);
  if (rule === undefined) return 'each output depends on all channels';
  if (weighted.has(view.node.op) && view.inputs[1]?.data === null)
    return 'its weights are computed';
  return rule(lines, view);
}
