/** How channels pass through operators: which positions of a node's tensors go together. */
import {
  type AttrValue,
  elementCount,
  type NodeView,
  type Shape,
  type TensorId,
} from '../../ir/graph.js';
import type { BatchMatmulAttrs } from '../../ops/batch_matmul.js';
import { type Conv2dAttrs, conv2dDims } from '../../ops/conv2d.js';
import type { DepthwiseConv2dAttrs } from '../../ops/depthwise_conv2d.js';
import { isMoving, opOf } from '../../ops/index.js';
import type { MeanAttrs } from '../../ops/mean.js';
import { eachElement, type Moving } from '../../ops/shape/movement.js';
import type { StridedSliceAttrs } from '../../ops/strided_slice.js';
import { channelsAlong, weighted } from '../float-graph.js';
import type { Lines } from './lines.js';
import { DisjointSets } from './sets.js';

const dependsOnAll = 'each output depends on all channels';

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

/** Means, sums, maxima. */
const reduction: Follow = (lines, view: NodeView<MeanAttrs>) => {
  const { axes, keepDims } = view.attrs;
  const axis = lines.axisOf(inputId(view));
  if (axes.includes(axis)) return 'makes one number of all channels';
  return pass(lines, view, keepDims ? axis : axis - axes.filter((other) => other < axis).length);
};

const softmax: Follow = (lines, view) =>
  lines.axisOf(inputId(view)) === shapeOf(view).length - 1
    ? dependsOnAll
    : elementwise(lines, view);

/**
 * Heads are outer dimensions of both operands. Where channels are summed, those of both operands go
 * together and the output has none; the other dimensions of the matrices pass on.
 */
const batchMatmul: Follow = (lines, view: NodeView<BatchMatmulAttrs>) => {
  if (view.inputs.some((tensor) => tensor?.data !== null)) return 'multiplies with a constant';
  const [a, b, out] = [inputId(view), inputId(view, 1), outputId(view)];
  const [inA, inB] = [0, 1].map((position) => dimensionOf(lines, view, position)) as [Dim, Dim];
  if (inA.role === 'outer' && inB.role === 'outer' && inA.axis === inB.axis) {
    lines.setAxis(out, inA.axis);
    const { extent } = inA;
    if (extent !== inB.extent) return 'repeats one head for several';
    lines.joinAll(lines.along(a), lines.along(b), extent);
    lines.joinAll(lines.along(a), lines.along(out), extent);
    return null;
  }
  const { length: rank } = shapeOfOutput(view);
  if (inA.role === 'depth' && inB.role === 'depth') {
    lines.joinAll(lines.along(a), lines.along(b), inA.extent);
    stays(lines, out);
  } else if (inB.role === 'across') {
    passAlong(lines, b, out, rank - 1, inB.extent);
    stays(lines, a);
  } else if (inA.role === 'across') {
    passAlong(lines, a, out, rank - 2, inA.extent);
    stays(lines, b);
  } else {
    return 'its operands have channels along two axes';
  }
  return null;
};

/** Which dimension of its matrices holds an operand's channels; `axis` is that of the output. */
interface Dim {
  readonly role: 'outer' | 'across' | 'depth';
  readonly axis: number;
  readonly extent: number;
}

function dimensionOf(lines: Lines, view: NodeView<BatchMatmulAttrs>, position: number): Dim {
  const shape = shapeOf(view, position);
  const own = lines.axisOf(inputId(view, position));
  const axis = own + shapeOfOutput(view).length - shape.length;
  const extent = shape[own] ?? 1;
  if (own < shape.length - 2) return { role: 'outer', axis, extent };
  const isTransposed = position === 0 ? view.attrs.transposeA : view.attrs.transposeB;
  const depth = shape.length - ((position === 0) === isTransposed ? 2 : 1);
  return { role: own === depth ? 'depth' : 'across', axis, extent };
}

const shapeOfOutput = (view: NodeView<object>): Shape => view.outputs[0]?.shape ?? [];

function passAlong(lines: Lines, from: TensorId, to: TensorId, axis: number, count: number): void {
  lines.setAxis(to, axis);
  lines.joinAll(lines.along(from), lines.along(to), count);
}

/** The tensor keeps its channels. */
function stays(lines: Lines, id: TensorId): void {
  lines.along(id);
  lines.keepTensor(id);
}

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

interface Operand {
  readonly id: TensorId;
  readonly shape: Shape;
  /** Axes of the output before its first. */
  readonly before: number;
}

/** Operands align at their last axes; extents of 1 repeat. */
const binary: Follow = (lines, view) => {
  const { length: rank } = view.outputs[0]?.shape ?? [];
  const operands = [0, 1].map((position): Operand => {
    const shape = shapeOf(view, position);
    return { id: inputId(view, position), shape, before: rank - shape.length };
  });
  const computed = operands.filter((_, position) => view.inputs[position]?.data === null);
  const ownAxis = ({ id, before }: Operand) => lines.axisOf(id) + before;
  const extentAt = ({ shape, before }: Operand, axis: number) => shape[axis - before] ?? 1;
  const channels = computed.find((operand) => extentAt(operand, ownAxis(operand)) > 1);
  const axis = channels === undefined ? rank - 1 : ownAxis(channels);
  // A single channel repeats; what it has along the others' axis does not go with channels.
  const isApart = (operand: Operand) =>
    ownAxis(operand) !== axis &&
    (extentAt(operand, ownAxis(operand)) > 1 || extentAt(operand, axis) > 1);
  if (computed.some(isApart)) return 'its operands have channels along two axes';
  lines.setAxis(outputId(view), axis);
  for (const operand of operands) {
    const extent = extentAt(operand, axis);
    if (extent === 1) continue;
    const along = lines.along(operand.id, axis - operand.before);
    lines.joinAll(along, lines.along(outputId(view)), extent);
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
    lines.setAxis(id, lines.headsOf(id) ?? finestAxis(shape, sources));
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
    abs: elementwise,
    add: binary,
    average_pool2d: image,
    batch_matmul: batchMatmul,
    conv2d,
    depthwise_conv2d: depthwise,
    fully_connected: fullyConnected,
    div: binary,
    elu: elementwise,
    exp: elementwise,
    gelu: elementwise,
    hard_swish: elementwise,
    leaky_relu: elementwise,
    logistic: elementwise,
    max_pool2d: image,
    maximum: binary,
    mean: reduction,
    minimum: binary,
    mul: binary,
    neg: elementwise,
    quantize: elementwise,
    reduce_max: reduction,
    reduce_min: reduction,
    reduce_sum: reduction,
    relu: elementwise,
    relu6: elementwise,
    relu_n1_to_1: elementwise,
    resize_bilinear: image,
    resize_nearest_neighbor: image,
    rsqrt: elementwise,
    softmax,
    sqrt: elementwise,
    squared_difference: binary,
    strided_slice: stridedSlice,
    sub: binary,
    tanh: elementwise,
  }),
);

/** Joins the positions of a node's tensors. Returns null, or why they keep all channels. */
export function follow(lines: Lines, view: NodeView): string | null {
  const rule = rules.get(view.node.op) ?? (isMoving(view.node) ? moving : undefined);
  if (rule === undefined) return dependsOnAll;
  if (weighted.has(view.node.op) && view.inputs[1]?.data === null)
    return 'its weights are computed';
  return rule(lines, view);
}
