/** Whether a model's probabilities are true: of answers given at 80 %, four of five should be right. */
import type { Graph } from '../../compiler/ir/graph.js';
import { type Answers, classesOf } from '../score.js';
import { answerOf } from '../task.js';

export interface Reliability {
  /** From this probability, up to the next bin's. */
  readonly from: number;
  readonly samples: number;
  /** Means over the bin's samples; 0 without samples. */
  readonly confidence: number;
  readonly accuracy: number;
}

export interface Probabilities {
  /**
   * Expected calibration error (Guo et al., On Calibration of Modern Neural Networks, 2017): the mean
   * distance of confidence and accuracy.
   */
  readonly error: number;
  readonly bins: readonly Reliability[];
}

const binCount = 10;

/** @param graph that gave the answers */
export function probabilitiesOf(graph: Graph, answers: Answers, labels: Int32Array): Probabilities {
  const classes = classesOf(answers);
  const confidences = confidencesOf(graph, answers);
  const sums = Array.from({ length: binCount }, () => ({ samples: 0, confidence: 0, right: 0 }));
  confidences.forEach((confidence, i) => {
    const bin = sums[Math.min(binCount - 1, Math.floor(confidence * binCount))];
    if (bin === undefined) return;
    bin.samples += 1;
    bin.confidence += confidence;
    bin.right += classes[i] === labels[i] ? 1 : 0;
  });
  const bins = sums.map(({ samples, confidence, right }, i) => ({
    from: i / binCount,
    samples,
    confidence: confidence / Math.max(1, samples),
    accuracy: right / Math.max(1, samples),
  }));
  const error = bins.reduce(
    (sum, { samples, confidence, accuracy }) => sum + samples * Math.abs(confidence - accuracy),
    0,
  );
  return { error: error / Math.max(1, labels.length), bins };
}

/** The probability of each sample's answer. */
function confidencesOf(graph: Graph, { size, values }: Answers): Float64Array {
  const last = graph.nodes.find(({ outputs }) => outputs[0] === graph.outputs[0])?.op;
  return Float64Array.from({ length: values.length / size }, (_, sample) => {
    const own = values.subarray(sample * size, (sample + 1) * size);
    if (answerOf(graph, { classes: null }).kind === 'sign' || size === 1) {
      const score = own[0] ?? 0;
      const one = last === 'logistic' ? score : 1 / (1 + Math.exp(-score));
      return Math.max(one, 1 - one);
    }
    const most = own.reduce((a, b) => Math.max(a, b), -Infinity);
    if (last === 'softmax') return most;
    return 1 / own.reduce((sum, score) => sum + Math.exp(score - most), 0);
  });
}
