/** The inputs and outputs of a model, as samples name and fill them. */
import {
  elementCount,
  type Graph,
  type Module,
  type Shape,
  tensorOf,
} from '../../compiler/ir/graph.js';

export interface Port {
  readonly name: string;
  /** Of one sample, without the batch. */
  readonly shape: Shape;
}

export interface Ports {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** How the last output ends: probabilities of classes, one probability, or any numbers. */
  readonly end: 'softmax' | 'logistic' | 'numbers';
}

export function portsOf(
  graph: Graph,
  { inputNames, outputNames }: Pick<Module, 'inputNames' | 'outputNames'>,
): Ports {
  const [first] = graph.outputs;
  const op = graph.nodes.find(({ outputs }) => outputs[0] === first)?.op;
  const named = (names: readonly string[], ids: Graph['inputs']) =>
    ids.map((id, i) => ({ name: names[i] ?? '', shape: tensorOf(graph, id).shape.slice(1) }));
  return {
    inputs: named(inputNames, graph.inputs),
    outputs: named(outputNames, graph.outputs),
    end: op === 'softmax' || op === 'logistic' ? op : 'numbers',
  };
}

/** Elements of all ports of a sample. */
export function elementsOfAll(ports: readonly Port[]): number {
  return ports.reduce((sum, { shape }) => sum + elementCount(shape), 0);
}

/**
 * The index of the port that an array is for, by its name: `letter` for a single one, `letter` and the
 * index for several, or the port's own name, with or without TensorFlow's 'serving_default_' and ':0'.
 * −1 for any other.
 */
export function portNamed(ports: readonly Port[], letter: 'x' | 'y', name: string): number {
  if (ports.length === 1 && name.toLowerCase() === letter) return 0;
  const numbered = ports.findIndex((_, i) => name.toLowerCase() === `${letter}${i}`);
  if (numbered >= 0 && ports.length > 1) return numbered;
  return ports.findIndex((port) => port.name === name || bare(port.name) === name);
}

const bare = (name: string) => name.replace(/^serving_default_/, '').replace(/:\d+$/, '');

/** 'x0 (serving_default_a:0), x1 (…)', for messages. */
export function portNames(ports: readonly Port[], letter: 'x' | 'y'): string {
  if (ports.length === 1) return letter;
  return ports.map(({ name }, i) => `${letter}${i} (${name})`).join(', ');
}
