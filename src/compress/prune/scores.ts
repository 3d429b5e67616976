/** How much each weight matters, by three measures; higher is more worth keeping. */
import { type Graph, type TensorId, tensorOf } from '../../ir/graph.js';
import type { Candidate } from '../candidate.js';
import { type Dataset, subset } from '../data/dataset.js';
import type { Values } from '../float-graph.js';
import { type FakeQuantizer, fakeQuantizer } from '../quantize/fake.js';
import { makeRandom, seedFor } from '../random.js';
import { classesOf, floatAnswers } from '../score.js';
import type { Tf, TfTensor } from '../tensorflow.js';
import { runnerOf } from '../trace.js';
import type { StepReport, TrainOptions } from '../train/loop.js';
import { answerOf } from '../train/loss.js';
import { type LossOf, lossFunction } from '../train/objective.js';
import type { ParameterOf } from '../train/session.js';
import { prunableLayers } from './layers.js';

export const scoreKinds = ['magnitude', 'taylor', 'movement'] as const;

/**
 * magnitude: the square of a weight. taylor: |w · ∂L/∂w|, the change of the loss L without the
 * weight, to first order (Molchanov et al., Pruning Convolutional Neural Networks, 2017). movement:
 * −w · ∂L/∂w summed over training, above 0 for weights that move away from 0 (Sanh et al., Movement
 * Pruning, 2020).
 */
export type ScoreKind = (typeof scoreKinds)[number];

export interface Scores {
  readonly kind: ScoreKind;
  /** Of each layer's weights, in their order. */
  readonly values: Values;
}

const prunableWeights = (graph: Graph) => prunableLayers(graph).map(({ weights }) => weights);

export function magnitudeScores(graph: Graph): Scores {
  const values = prunableWeights(graph).map((id) => {
    const data = tensorOf(graph, id).data as Float32Array;
    return [id, data.map((value) => value * value)] as const;
  });
  return { kind: 'magnitude', values: new Map(values) };
}

export type TaylorOptions = Pick<
  TrainOptions,
  'batch' | 'seed' | 'teacherShare' | 'temperature' | 'labelSmoothing'
>;

/**
 * The mean over batches of |w · ∂L/∂w|, each of them the mean over its samples. L compares with the
 * labels and the teacher, as in training. Without labels it compares with the classes that the
 * teacher (without one, the graph itself) finds: a graph's distance from its own answers has no
 * gradient. For outputs that are no classes, L is a random projection of them.
 */
export function taylorScores(
  tf: Tf,
  { graph, quantization }: Candidate,
  data: Dataset,
  teacher: Graph | null,
  options: TaylorOptions,
): Scores {
  const ids = prunableWeights(graph);
  const sums = new Map(
    ids.map((id) => [id, new Float32Array(tensorOf(graph, id).data?.length ?? 0)]),
  );
  const candidate = { graph, quantization };
  eachTaylorTerm(tf, candidate, ids, data, teacher, options, (terms, share) => {
    for (const [id, product] of terms) {
      const sum = sums.get(id) as Float32Array;
      product.forEach((value, i) => {
        sum[i] = (sum[i] as number) + Math.abs(value) * share;
      });
    }
  });
  return { kind: 'taylor', values: sums };
}

/**
 * Visits w · ∂L/∂w of the constants `ids`, batch by batch, with L as in `taylorScores`. `share` is 1
 * over the number of batches.
 */
export function eachTaylorTerm(
  tf: Tf,
  { graph, quantization }: Pick<Candidate, 'graph' | 'quantization'>,
  ids: readonly TensorId[],
  data: Dataset,
  teacher: Graph | null,
  options: TaylorOptions,
  visit: (terms: Values, share: number) => void,
): void {
  const quantizer = quantization === null ? null : fakeQuantizer(tf, graph, quantization);
  try {
    const lossOf = taylorLoss(tf, graph, quantizer, data, teacher, options);
    const batches = Math.ceil(data.count / options.batch);
    for (let batch = 0; batch < batches; batch += 1) {
      const first = batch * options.batch;
      const count = Math.min(options.batch, data.count - first);
      const chosen = Uint32Array.from({ length: count }, (_, i) => first + i);
      const { x } = subset(data, chosen);
      const lossAt = (parameter: ParameterOf) => lossOf(x, chosen, parameter);
      visit(weightedGradients(tf, graph, ids, lossAt), 1 / batches);
    }
  } finally {
    tf.dispose([...(quantizer?.variables.values() ?? [])]);
  }
}

function taylorLoss(
  tf: Tf,
  graph: Graph,
  quantizer: FakeQuantizer | null,
  data: Dataset,
  teacher: Graph | null,
  options: TaylorOptions,
): LossOf {
  const { kind } = answerOf(graph, data.classes?.length ?? null);
  if (kind === 'values') return randomProjection(tf, graph, quantizer, data, options.seed);
  if (data.labels !== null) {
    const teachers = teacher === null ? [] : [teacher];
    return lossFunction(tf, graph, quantizer, data, teachers, options);
  }
  const answers = floatAnswers(tf, teacher ?? graph, data);
  const classes = Array.from({ length: Math.max(2, answers.size) }, (_, label) => `${label}`);
  const own = { ...data, labels: classesOf(answers), classes };
  return lossFunction(tf, graph, quantizer, own, [], options);
}

/** Σ ± y: over many samples, the squares of its gradient are those of all outputs. */
function randomProjection(
  tf: Tf,
  graph: Graph,
  quantizer: FakeQuantizer | null,
  data: Dataset,
  seed: number,
): LossOf {
  const runner = runnerOf(tf, graph);
  return (samples, chosen, parameter) => {
    const x = tf.tensor(samples, [chosen.length, ...data.shape]);
    const hooks = quantizer === null ? { parameter } : quantizer.hooks(parameter);
    const [y] = runner.run([x], hooks) as [TfTensor];
    const random = makeRandom(seedFor(seed, 'taylor', chosen[0] ?? 0));
    const signs = Float32Array.from({ length: y.size }, () => (random() < 0.5 ? -1 : 1));
    return tf.mean(tf.mul(y, tf.tensor(signs, y.shape)));
  };
}

/** w · ∂L/∂w of each weight. */
function weightedGradients(
  tf: Tf,
  graph: Graph,
  ids: readonly TensorId[],
  lossAt: (parameter: ParameterOf) => TfTensor,
): ReadonlyMap<TensorId, Float32Array> {
  const found = new Map<TensorId, Float32Array>();
  tf.tidy(() => {
    const weights = ids.map((id) => {
      const { data, shape } = tensorOf(graph, id);
      return tf.tensor(data as Float32Array, [...shape]);
    });
    const gradients = tf.grads((...given: TfTensor[]) =>
      lossAt((id) => given[ids.indexOf(id)] ?? null),
    )(weights);
    ids.forEach((id, i) => {
      const product = tf.mul(weights[i] as TfTensor, gradients[i] as TfTensor);
      found.set(id, product.dataSync() as Float32Array);
    });
  });
  return found;
}

/** Movement that training collects. */
export interface Movement {
  /** The hook of `train`. */
  step(step: StepReport): void;
  scores(): Scores;
  /** For a checkpoint, beside the arrays of `train`; their names begin with 'movement/'. */
  arrays(): ReadonlyMap<string, Float32Array>;
  restore(arrays: ReadonlyMap<string, Float32Array>): void;
}

/** Sums up −w · ∂L/∂w over steps; the sum of a pruned weight stays as it was. */
export function makeMovement(graph: Graph): Movement {
  const sums = new Map<TensorId, Float32Array>();
  for (const id of prunableWeights(graph)) {
    sums.set(id, new Float32Array(tensorOf(graph, id).data?.length ?? 0));
  }
  const nameOf = (id: TensorId) => `movement/${id}`;
  return {
    step({ values, gradients }) {
      for (const [id, sum] of sums) {
        const [value, gradient] = [values.get(id), gradients.get(id)];
        if (value === undefined || gradient === undefined) continue;
        for (let i = 0; i < sum.length; i += 1) {
          sum[i] = (sum[i] as number) - (value[i] as number) * (gradient[i] as number);
        }
      }
    },
    scores: () => ({
      kind: 'movement',
      values: new Map([...sums].map(([id, sum]) => [id, sum.slice()])),
    }),
    arrays: () => new Map([...sums].map(([id, sum]) => [nameOf(id), sum.slice()])),
    restore(arrays) {
      for (const [id, sum] of sums) sum.set(arrays.get(nameOf(id)) ?? sum);
    },
  };
}
