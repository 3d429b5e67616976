/** Which tensors share memory, and for how long each piece of memory is needed. */
import { type Interval, liveness } from '../analysis/index.js';
import {
  byteCount,
  type Graph,
  isConstant,
  type Node,
  type TensorId,
  tensorOf,
  viewOf,
} from '../ir/graph.js';
import { opOf } from '../ops/index.js';
import { isReshape } from '../ops/same-elements.js';

/** When a node runs. */
export interface Schedule {
  readonly graph: Graph;
  /** Node indices, in the order in which they run as steps. Aliases may be missing. */
  readonly steps: readonly number[];
  /** The inputs' memory is not reused. */
  readonly keepInput: boolean;
}

/** Tensors of one size that lie in the same memory. Intervals count steps. */
export interface TensorBuffer extends Interval {
  readonly tensors: readonly TensorId[];
  readonly bytes: number;
}

/** Which of several inputs that could be overwritten an in-place step overwrites. */
export type InPlacePolicy = 'first' | 'last' | 'never';

/** Whether a node's output is its input's memory read with another shape: no code is needed. */
export function isAlias(graph: Graph, node: Node): boolean {
  const [input] = node.inputs;
  return isReshape(node) && input != null && !isConstant(tensorOf(graph, input));
}

/**
 * The steps during which each tensor is live. A node that is no step (an alias) counts as the step
 * before it.
 */
export function stepIntervals(schedule: Schedule): ReadonlyMap<TensorId, Interval> {
  const { graph, steps, keepInput } = schedule;
  const stepOf: number[] = [];
  let step = -1;
  for (const index of graph.nodes.keys()) {
    if (steps[step + 1] === index) step++;
    stepOf.push(step);
  }
  const inputs = new Set(graph.inputs);
  const toStep = (node: number): number =>
    node < 0 ? -1 : node >= graph.nodes.length ? steps.length : (stepOf[node] ?? -1);
  const intervals = [...liveness(graph)].map(([id, { first, last }]) => {
    const kept = keepInput && inputs.has(id);
    return [id, { first: toStep(first), last: kept ? steps.length : toStep(last) }] as const;
  });
  return new Map(intervals);
}

/**
 * Merges tensors into buffers: an alias lies where its input is; where `policy` allows, the output
 * of an in-place operator takes over an input that dies in its step.
 */
export function makeBuffers(
  schedule: Schedule,
  intervals: ReadonlyMap<TensorId, Interval>,
  policy: InPlacePolicy,
): readonly TensorBuffer[] {
  const { graph, steps } = schedule;
  const merged = new Buffers(graph, intervals);
  for (const node of graph.nodes) {
    const [input] = node.inputs;
    const [output] = node.outputs;
    if (input != null && output !== undefined && isAlias(graph, node)) merged.join(input, output);
  }
  steps.forEach((index, step) => {
    const node = graph.nodes[index];
    const [output] = node?.outputs ?? [];
    if (node === undefined || output === undefined || policy === 'never') return;
    const candidates = takeovers(graph, node, step, merged);
    const taken = policy === 'first' ? candidates[0] : candidates.at(-1);
    if (taken !== undefined) merged.join(taken, output);
  });
  return merged.list();
}

/** The inputs whose memory output 0 of a step may take over. */
function takeovers(graph: Graph, node: Node, step: number, merged: Buffers): TensorId[] {
  const view = viewOf(graph, node);
  const [output] = view.outputs;
  if (output === undefined || isAlias(graph, node)) return [];
  const positions = opOf(node).inPlace(view);
  const buffers = node.inputs.map((id) => (id === null ? undefined : merged.of(id)));
  return positions.flatMap((position) => {
    const buffer = buffers[position];
    const id = node.inputs[position];
    if (id == null || buffer === undefined || buffer.last !== step) return [];
    // The same memory at a position that may not be overwritten: all of it is still needed.
    const exposed = buffers.some((other, i) => other === buffer && !positions.includes(i));
    return buffer.bytes === byteCount(output) && !exposed ? [id] : [];
  });
}

/** Disjoint sets of tensors; each knows its bytes and its interval. */
class Buffers {
  private readonly byTensor = new Map<TensorId, TensorBuffer>();

  constructor(graph: Graph, intervals: ReadonlyMap<TensorId, Interval>) {
    for (const [id, interval] of intervals) {
      const bytes = byteCount(tensorOf(graph, id));
      this.byTensor.set(id, { ...interval, tensors: [id], bytes });
    }
  }

  /** undefined for a constant: it is not in the arena. */
  of(id: TensorId): TensorBuffer | undefined {
    return this.byTensor.get(id);
  }

  join(a: TensorId, b: TensorId): void {
    const one = this.of(a);
    const other = this.of(b);
    if (one === undefined || other === undefined || one === other) return;
    const joined = {
      tensors: [...one.tensors, ...other.tensors],
      bytes: one.bytes,
      first: Math.min(one.first, other.first),
      last: Math.max(one.last, other.last),
    };
    for (const id of joined.tensors) this.byTensor.set(id, joined);
  }

  list(): readonly TensorBuffer[] {
    return [...new Set(this.byTensor.values())];
  }
}
