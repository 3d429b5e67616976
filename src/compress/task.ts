/**
 * What a model is for, as its outputs and the samples say. How it is read, trained, judged and told
 * follows from this.
 */
import { elementCount, type Graph, tensorOf } from '../compiler/ir/graph.js';
import type { Dataset } from './data/dataset.js';

/** How a graph states its answer. */
export interface Answer {
  /** The graph without the activation that ends it: its output has values of any size. */
  readonly graph: Graph;
  /**
   * classes: one score for each class. sign: one score, above 0 for class 1 of two. values: numbers
   * to reproduce.
   */
  readonly kind: 'classes' | 'sign' | 'values';
}

/** What tells numbers from classes. */
export type Wanted = Pick<Dataset, 'classes' | 'targets'>;

export function answerOf(graph: Graph, { classes, targets }: Wanted): Answer {
  const [output = -1, ...others] = graph.outputs;
  // Targets are compared as they are, behind the last activation.
  if (targets !== undefined || others.length > 0) return { graph, kind: 'values' };
  const last = graph.nodes.find(({ outputs }) => outputs[0] === output);
  const size = elementCount(graph.tensors[output]?.shape ?? []);
  const isProbability = last?.op === 'softmax' || (last?.op === 'logistic' && size === 1);
  const before = last?.inputs[0] ?? null;
  const open =
    isProbability && before !== null
      ? { ...graph, outputs: [before], nodes: graph.nodes.filter((node) => node !== last) }
      : graph;
  if (last?.op === 'softmax') return { graph: open, kind: 'classes' };
  const count = classes?.length ?? null;
  if (size === 1 && (count === 2 || last?.op === 'logistic')) return { graph: open, kind: 'sign' };
  return { graph: open, kind: count === size && size > 1 ? 'classes' : 'values' };
}

/**
 * What samples ask of a model. classes: the class of each. values: numbers (`targets`). none: they
 * say nothing that its outputs could be; what the float model answers is the measure.
 */
export type Task = 'classes' | 'values' | 'none';

export function taskOf({ kind }: Answer, data: Pick<Dataset, 'labels' | 'targets'>): Task {
  if (data.targets !== undefined) return 'values';
  return data.labels !== null && kind !== 'values' ? 'classes' : 'none';
}

/** Elements of each output for a sample. */
export function outputSizes(graph: Graph): readonly number[] {
  return graph.outputs.map((id) => elementCount(tensorOf(graph, id).shape));
}
