/** How good a candidate is, and what it costs: measured after every step on validation samples. */

import { type Graph, type Module, mainGraph } from '../compiler/ir/graph.js';
import { attempt, BonsaiError } from '../errors.js';
import type { Candidate } from './candidate.js';
import type { Cost } from './cost.js';
import { type Dataset, thinned } from './data/dataset.js';
import { lower } from './quantize/lower.js';
import { observe } from './quantize/observe.js';
import { quantizationOf } from './quantize/ptq.js';
import {
  type Answers,
  agreement,
  type Compared,
  classesOf,
  comparison,
  floatAnswers,
  integerAnswers,
  referenceOf,
} from './score.js';
import type { Surroundings } from './steps/step.js';
import { answerOf, outputSizes, type Task, taskOf } from './task.js';
import type { Tf } from './tensorflow.js';
import { runnerOf } from './trace.js';

/** A model beside the original one, on the same samples. */
export interface Assessment extends Compared {
  /** Share of right answers; null without labels. */
  readonly accuracy: number | null;
  /** Share of samples that both models put into one class; null for models without classes. */
  readonly agreement: number | null;
}

/** What candidates are judged by, on the same samples. */
export interface Standard {
  readonly task: Task;
  readonly original: Assessment;
  /** The quality (goals.ts) of an answer that looks at no sample: one class, or the mean. */
  readonly blind: number;
  readonly samples: number;
}

export interface Assessor {
  readonly standard: Standard;
  of(candidate: Candidate): Assessment;
  /** Of the original, and of a candidate. */
  readonly wanted: Answered;
  inDetail(candidate: Candidate): Answered;
}

/** How samples were answered. */
export interface Answered {
  readonly assessment: Assessment;
  /** The class of each sample; null for models without classes. */
  readonly answers: Int32Array | null;
  /** [samples][elements of an output] */
  readonly values: Float32Array;
}

/** Compares candidates with the original model, which runs once. */
export function assessor(
  { tf, head, original }: Pick<Surroundings, 'tf' | 'head' | 'original'>,
  data: Dataset,
): Assessor {
  const wanted = floatAnswers(tf, original, data);
  const answer = answerOf(original, data);
  const task = taskOf(answer, data);
  const known = answer.kind === 'values' ? null : classesOf(wanted);
  const reference = known === null ? referenceOf(data, wanted.values) : null;
  const compare = comparison(wanted, outputSizes(original), reference);
  const compared = (got: Answers): Answered => {
    const answers = known === null ? null : classesOf(got);
    const isLabelled = data.labels !== null && answers !== null;
    const assessment: Assessment = {
      accuracy: isLabelled ? agreement(answers, data.labels) : null,
      agreement: known === null || answers === null ? null : agreement(known, answers),
      ...compare(got.values),
    };
    return { assessment, answers, values: got.values };
  };
  const inDetail = ({ graph, quantization }: Candidate) =>
    compared(
      quantization === null
        ? floatAnswers(tf, graph, data)
        : integerAnswers(tf, mainGraph(lower(head, graph, quantization)), data),
    );
  const own = compared(wanted);
  const classes = task === 'classes' ? data.labels : known;
  // Where all that is wanted is the same, nobody needs to look.
  const mean = isConstant(reference?.values ?? wanted.values, data) ? 1 : 0;
  const blind = classes === null ? mean : mostFrequent(classes).share;
  return {
    standard: { task, original: own.assessment, blind, samples: data.count },
    wanted: own,
    of: (candidate) => inDetail(candidate).assessment,
    inDetail,
  };
}

/** Whether every sample has the same values. */
export function isConstant(values: Float32Array, { count }: Pick<Dataset, 'count'>): boolean {
  const size = values.length / count;
  return values.every((value, i) => value === values[i % size]);
}

/** The class that most samples have, and their share. */
export function mostFrequent(labels: Int32Array): {
  readonly label: number;
  readonly share: number;
} {
  const counts = new Map<number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  const [[label, count] = [0, 0]] = [...counts].sort((a, b) => b[1] - a[1]);
  return { label, share: count / labels.length };
}

/** Samples that compare attempts, at most: more do not change the choice. */
const mostCompared = 256;

/** The signal to noise of a candidate's scores, before the activation that ends the graph. */
export function snrScorer(
  { tf, head, data }: Pick<Surroundings, 'tf' | 'head' | 'data'>,
  float: Graph,
): (candidate: Candidate) => number {
  const validation = thinned(data.validation, mostCompared);
  const open = (graph: Graph) => answerOf(graph, validation).graph;
  const wanted = floatAnswers(tf, open(float), validation);
  const compare = comparison(wanted, outputSizes(open(float)), null);
  return ({ graph, quantization }) => {
    if (quantization === null) return Number.POSITIVE_INFINITY;
    const integer = open(mainGraph(lower(head, graph, quantization)));
    return compare(integerAnswers(tf, integer, validation).values).snrDb;
  };
}

/** Samples whose extremes are near enough to estimate costs. */
const costSamples = 16;

/** What a candidate costs as int8, with rough ranges where it has none; null without a target. */
export function costIn(surroundings: Surroundings, candidate: Candidate): Cost | null {
  const { costOf } = surroundings;
  return costOf === null ? null : costOf(moduleMaker(surroundings, candidate)(candidate));
}

/** What the original costs in float32; null without a target, or where it does not compile. */
export function floatCostIn({
  costOf,
  head,
  original,
  whole = original,
}: Surroundings): Cost | null {
  if (costOf === null) return null;
  const cost = attempt(() => costOf({ ...head, graphs: [whole] }));
  return cost instanceof BonsaiError ? null : cost;
}

/**
 * Candidates as int8 modules whose costs are those of the result, though their accuracy is not:
 * ranges are those of a few samples, for all candidates that have the graph of `like`.
 */
export function moduleMaker(
  { tf, head, data }: Pick<Surroundings, 'tf' | 'head' | 'data'>,
  like: Candidate,
): (candidate: Candidate) => Module {
  const quants = like.quantization ?? roughQuantization(tf, like.graph, data.calibration);
  return ({ graph, quantization }) => lower(head, graph, quantization ?? quants);
}

function roughQuantization(tf: Tf, graph: Graph, data: Dataset) {
  const seen = observe(tf, runnerOf(tf, graph), thinned(data, costSamples));
  return quantizationOf(graph, seen, { calibration: 'min-max', weights: 'int8' });
}
