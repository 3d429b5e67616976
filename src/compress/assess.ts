/** How good a candidate is, and what it costs: measured after every step on validation samples. */
import { type Graph, type Module, mainGraph } from '../ir/graph.js';
import type { Candidate } from './candidate.js';
import type { Cost } from './cost.js';
import { type Dataset, thinned } from './data/dataset.js';
import { lower } from './quantize/lower.js';
import { observe } from './quantize/observe.js';
import { quantizationOf } from './quantize/ptq.js';
import {
  type Answers,
  agreement,
  classesOf,
  floatAnswers,
  integerAnswers,
  signalToNoise,
} from './score.js';
import type { Surroundings } from './steps/step.js';
import type { Tf } from './tensorflow.js';
import { runnerOf } from './trace.js';
import { answerOf } from './train/loss.js';

/** A model beside the original one, on the same samples. */
export interface Assessment {
  /** Share of right answers; null without labels. */
  readonly accuracy: number | null;
  /** Share of samples that both models put into one class; null for models without classes. */
  readonly agreement: number | null;
  /** Signal to noise of the outputs, in dB. */
  readonly snrDb: number;
}

export interface Assessor {
  readonly original: Assessment;
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
  const { kind } = answerOf(original, data.classes?.length ?? null);
  const known = kind === 'values' ? null : classesOf(wanted);
  const compared = (got: Answers): Answered => {
    const answers = known === null ? null : classesOf(got);
    const isLabelled = data.labels !== null && answers !== null;
    const assessment: Assessment = {
      accuracy: isLabelled ? agreement(answers, data.labels) : null,
      agreement: known === null || answers === null ? null : agreement(known, answers),
      snrDb: signalToNoise(wanted.values, got.values),
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
  return {
    ...{ original: own.assessment, wanted: own },
    of: (candidate) => inDetail(candidate).assessment,
    inDetail,
  };
}

/** Samples that compare attempts, at most: more do not change the choice. */
const mostCompared = 256;

/** The signal to noise of a candidate's scores, before the activation that ends the graph. */
export function snrScorer(
  { tf, head, data }: Pick<Surroundings, 'tf' | 'head' | 'data'>,
  float: Graph,
): (candidate: Candidate) => number {
  const validation = thinned(data.validation, mostCompared);
  const open = (graph: Graph) => answerOf(graph, validation.classes?.length ?? null).graph;
  const wanted = floatAnswers(tf, open(float), validation).values;
  return ({ graph, quantization }) => {
    if (quantization === null) return Number.POSITIVE_INFINITY;
    const integer = open(mainGraph(lower(head, graph, quantization)));
    return signalToNoise(wanted, integerAnswers(tf, integer, validation).values);
  };
}

/** Samples whose extremes are near enough to estimate costs. */
const costSamples = 16;

/** What a candidate costs as int8, with rough ranges where it has none; null without a target. */
export function costIn(surroundings: Surroundings, candidate: Candidate): Cost | null {
  const { costOf } = surroundings;
  return costOf === null ? null : costOf(moduleMaker(surroundings, candidate)(candidate));
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
