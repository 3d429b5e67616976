/**
 * Windows over time that a model keeps in variables become states that `push` moves on in place:
 *
 *   c = concatenation(state, frames); state = the last rows of c     (c is the window)
 *   c = concatenation(all but the oldest rows of state, frames); state = c
 *
 * Either is three copies of the window; a push moves it once. In the first form the state grows to
 * the size of c, which then takes no place in the arena.
 */
import {
  allocate,
  elementCount,
  type Graph,
  type Node,
  rawBytes,
  type State,
  statesOf,
  type TensorId,
  tensorOf,
} from '../ir/graph.js';
import { appendTensor, useCounts } from './rewrite.js';

export function fuseWindows(graph: Graph): Graph {
  return statesOf(graph).reduce((given, { tensor }) => fuseWindow(given, tensor), graph);
}

/** The nodes around a state that keep a window, and what a push of its frames needs. */
interface Window {
  readonly axis: number;
  readonly frames: TensorId;
  /** Output of the concatenation. */
  readonly whole: TensorId;
  readonly nodes: readonly [concatenation: Node, slice: Node, assign: Node];
  /** Rows that the state has to grow by: 0 in the second form. */
  readonly grown: number;
}

function fuseWindow(graph: Graph, id: TensorId): Graph {
  const states = statesOf(graph);
  const state = states.find(({ tensor }) => tensor === id);
  const window = state === undefined ? null : windowOf(graph, state);
  if (state === undefined || window === null || graph.outputs.includes(window.whole)) return graph;
  const { axis, frames, whole, nodes, grown } = window;
  const [concatenation] = nodes;
  const tensors = [...graph.tensors];
  const { shape } = tensorOf(graph, whole);
  const tensor =
    grown === 0 ? id : appendTensor(tensors, { ...tensorOf(graph, id), shape, source: null });
  const initial = grown === 0 ? state.initial : grownBy(graph, state, axis, grown);
  const push: Node = {
    ...{ op: 'push', name: concatenation.name, attrs: { axis } },
    ...{ inputs: [tensor, frames], outputs: [whole], fused: [] },
    ops: [...new Set(nodes.flatMap(({ ops }) => ops))].sort((a, b) => a - b),
  };
  return {
    ...graph,
    tensors,
    nodes: graph.nodes.flatMap((node) => {
      if (node === concatenation) return [push];
      return nodes.includes(node) ? [] : [node];
    }),
    states: states.map((one) => (one === state ? { ...one, tensor, next: whole, initial } : one)),
  };
}

/** The window that a state keeps; null where it is used in any other way. */
function windowOf(graph: Graph, { tensor, next }: State): Window | null {
  const counts = useCounts(graph);
  const writer = (id: TensorId | null | undefined) =>
    graph.nodes.find(({ outputs }) => id != null && outputs[0] === id);
  const assign = writer(next);
  if (assign?.op !== 'assign' || counts[tensor] !== 2 || counts[next] !== 1) return null;
  const value = writer(assign.inputs[1]);
  const isSliced = value?.op === 'strided_slice';
  const concatenation = isSliced ? writer(value.inputs[0]) : value;
  const [older, frames, ...others] = concatenation?.inputs ?? [];
  if (concatenation?.op !== 'concatenation' || others.length > 0) return null;
  const slice = isSliced ? value : writer(older);
  const [whole] = concatenation.outputs;
  const [sliced] = slice?.outputs ?? [];
  if (frames == null || whole === undefined || slice === undefined || sliced === undefined) {
    return null;
  }
  const axis = concatenation.attrs.axis as number;
  const added = tensorOf(graph, frames).shape[axis] ?? 0;
  const isOwn = counts[sliced] === 1 && (isSliced ? older === tensor : slice.inputs[0] === tensor);
  if (!isOwn || !dropsFirst(graph, slice, axis, added)) return null;
  const grown = isSliced ? added : 0;
  return { axis, frames, whole, nodes: [concatenation, slice, assign], grown };
}

/** Whether a slice is its input without the first `count` rows. */
function dropsFirst(
  graph: Graph,
  { op, attrs, inputs }: Node,
  axis: number,
  count: number,
): boolean {
  const [input] = inputs;
  if (op !== 'strided_slice' || input == null) return false;
  const { shape } = tensorOf(graph, input);
  const list = (value: unknown) => (value as readonly number[]).join();
  const left = shape.with(axis, (shape[axis] ?? 0) - count);
  return (
    list(attrs.begin) === list(shape.map((_, d) => (d === axis ? count : 0))) &&
    list(attrs.strides) === list(shape.map(() => 1)) &&
    list(attrs.counts) === list(left) &&
    list(attrs.shape) === list(left)
  );
}

/** The initial value with as many rows before it, which no run reads: its first element. */
function grownBy(graph: Graph, { tensor, initial }: State, axis: number, rows: number) {
  const { shape, dtype } = tensorOf(graph, tensor);
  const extent = shape[axis] ?? 1;
  const grown = allocate(dtype, (initial.length / extent) * (extent + rows));
  grown.fill((initial[0] ?? 0) as never);
  const bytes = (elementCount(shape.slice(axis)) / initial.length) * initial.byteLength;
  const added = (bytes / extent) * rows;
  const [from, to] = [rawBytes(initial), rawBytes(grown)];
  for (let block = 0; block * bytes < from.length; block += 1) {
    const part = from.subarray(block * bytes, (block + 1) * bytes);
    to.set(part, block * (bytes + added) + added);
  }
  return grown;
}
