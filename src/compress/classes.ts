/** Whether the classes of the data are those of the model's outputs. */
import { elementCount, type Graph, tensorOf } from '../compiler/ir/graph.js';
import { badData, type Dataset } from './data/dataset.js';
import { answerOf } from './task.js';

/**
 * @param train of the samples with labels; without them there is nothing to say
 * @param isOrdered whether the user gave the classes in the order of the outputs
 * @returns what to tell the user, one line each
 * @throws BonsaiError 'bad-data' for more classes than outputs: their labels would be wrong whatever
 *   the model answers; and for fewer, by name, in an order that nobody gave
 */
export function classWarnings(
  graph: Graph,
  data: Pick<Dataset, 'where' | 'classes' | 'labels' | 'targets'>,
  isOrdered: boolean,
): readonly string[] {
  const { where, classes, labels } = data;
  if (classes === null || labels === null) return [];
  const { kind } = answerOf(graph, data);
  const outputs = elementCount(tensorOf(graph, graph.outputs[0] ?? 0).shape);
  if (kind === 'values') return [unusedText(classes.length, outputs)];
  const known = kind === 'sign' ? 2 : outputs;
  if (classes.length > known) {
    const message = `has labels of ${classes.length} classes; the model knows ${known}`;
    throw badData(where, message, 'leave out samples of other classes, or give the model of these');
  }
  const isNumbered = classes.every((name, index) => name === String(index));
  if (classes.length < known && !isOrdered && !isNumbered) {
    const message = `has ${classes.length} classes by name; the model has ${known} outputs, and which class each stands for is not known`;
    throw badData(where, message, 'name them all in the order of the outputs: --classes a,b,…');
  }
  const found = new Set(labels);
  const empty = classes.filter((_, label) => !found.has(label));
  return [
    ...(classes.length < known
      ? [
          `the data has ${classes.length} classes, the model ${known} outputs: those behind have none`,
        ]
      : []),
    ...(empty.length > 0 ? [`no samples to train: ${empty.join(', ')}`] : []),
  ];
}

function unusedText(classes: number, outputs: number): string {
  const what = `labels of ${classes} classes are not used: the model gives ${outputs} ${outputs === 1 ? 'number' : 'numbers'}`;
  const next = 'if its outputs are classes, name one for each with --classes';
  return outputs > classes ? `${what}; ${next}` : what;
}
