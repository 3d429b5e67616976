/** What compression did to a model: where signal and answers are lost, and what helps. */
import { type Graph, mainGraph } from '../../compiler/ir/graph.js';
import type { Say } from '../../progress.js';
import { type Candidate, referenceOf } from '../candidate.js';
import type { AugmentKind } from '../data/augment.js';
import type { Dataset } from '../data/dataset.js';
import { lower } from '../quantize/lower.js';
import { type Answers, classesOf, confusion } from '../score.js';
import { answerOf } from '../task.js';
import { type ExplainedLayer, explainLayers } from './layers.js';
import { type Probabilities, probabilitiesOf } from './probabilities.js';
import { findRemedies, type Remedy, type RemedyMaterials } from './remedies.js';
import {
  answersTo,
  type Comparison,
  compareRobustness,
  disturbancesOf,
  kindOf,
  type Pair,
} from './robustness.js';

/** [label][answer] → test samples. */
type Confusion = readonly (readonly number[])[];

export interface Explanation {
  readonly layers: readonly ExplainedLayer[];
  readonly remedies: readonly Remedy[];
  /** null without labels. */
  readonly confusion: Pair<Confusion> | null;
  readonly probabilities: Pair<Probabilities> | null;
  /** The first row: samples as they are. */
  readonly robustness: readonly Comparison[];
  readonly classes: readonly string[] | null;
}

export interface ExplainRequest extends RemedyMaterials {
  /** The float model as it was given. */
  readonly original: Graph;
  /** With a quantization. */
  readonly candidate: Candidate;
  /** Samples that no choice has seen. */
  readonly test: Dataset;
  /** Of the samples; absent: by their shape. */
  readonly kind?: AugmentKind;
}

export async function explain(request: ExplainRequest, say: Say = () => {}): Promise<Explanation> {
  const { tf, head, original, candidate, test, seed } = request;
  const { graph, quantization } = candidate;
  if (quantization === null) throw new RangeError('a candidate without scales cannot be explained');
  const twin = { float: referenceOf(candidate), graph, quantization };
  const integer = mainGraph(lower(head, graph, quantization));
  say('layers');
  await new Promise(setImmediate);
  const layers = explainLayers(tf, twin, integer, test);
  say('remedies');
  const remedies = await findRemedies(request, twin, layers, test);
  say('robustness');
  await new Promise(setImmediate);
  const disturbances = disturbancesOf(request.kind ?? kindOf(test.shape), test.shape);
  const models = { original, compressed: integer };
  const answers = answersTo(tf, models, test);
  const robustness = compareRobustness(tf, models, answers, test, disturbances, seed);
  const labelled = labelledParts(models, answers, test);
  return { layers, remedies, ...labelled, robustness, classes: test.classes };
}

function labelledParts(models: Pair<Graph>, answers: Pair<Answers>, test: Dataset) {
  const { labels, classes } = test;
  const { kind } = answerOf(models.original, test);
  if (labels === null || classes === null || kind === 'values') {
    return { confusion: null, probabilities: null };
  }
  const both = <T>(make: (model: keyof Pair<T>) => T): Pair<T> => ({
    original: make('original'),
    compressed: make('compressed'),
  });
  return {
    confusion: both((model) => confusion(labels, classesOf(answers[model]), classes.length)),
    probabilities: both((model) => probabilitiesOf(models[model], answers[model], labels)),
  };
}
