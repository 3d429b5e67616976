/** How much each weight matters, by three measures; higher is more worth keeping. */
import { type Graph, type TensorId, tensorOf } from '../../compiler/ir/graph.js';
import type { Candidate } from '../candidate.js';
import { type Dataset, subset } from '../data/dataset.js';
import type { Values } from '../float-graph.js';
import { fakeQuantizer } from '../quantize/fake.js';
import { inputsOf } from '../quantize/observe.js';
import { makeRandom, seedFor } from '../random.js';
import { sideBySide } from '../score.js';
import { answerOf } from '../task.js';
import type { Tf, TfTensor } from '../tensorflow.js';
import { runnerOf } from '../trace.js';
import type { StepReport } from '../train/loop.js';
import type { ParameterOf } from '../train/session.js';
import { prunableLayers } from './layers.js';

export const scoreKinds = ['magnitude', 'taylor', 'movement'] as const;

/**
 * magnitude: the square of a weight. taylor: the squared change of the outputs without the
 * weight, to first order. movement:
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

/**
 * The mean square over samples and outputs of w · ∂y/∂w: how much each output y changes without the
 * weight, to first order. Labels have no part in it: where a graph fits them, a loss has no slope.
 */
export function taylorScores(
  tf: Tf,
  candidate: Pick<Candidate, 'graph' | 'quantization'>,
  data: Dataset,
  seed: number,
): Scores {
  const ids = prunableWeights(candidate.graph);
  const sums = new Map(
    ids.map((id) => [id, new Float32Array(tensorOf(candidate.graph, id).data?.length ?? 0)]),
  );
  eachOutputChange(tf, candidate, ids, data, seed, (changes) => {
    for (const [id, change] of changes) {
      const sum = sums.get(id) as Float32Array;
      change.forEach((value, i) => {
        sum[i] = (sum[i] as number) + value * value;
      });
    }
  });
  return { kind: 'taylor', values: sums };
}

/** The square of one projection is off by 1.4 times its mean, the mean of so many by an eighth. */
const fewestProjections = 128;

/**
 * Visits w · ∂(Σ ± y)/∂w of the constants `ids`, for sums of all outputs y of a few samples with
 * random signs: the mean of the squares of any sum of them is the sum of squares over samples and
 * outputs (Hutchinson, 1989). Outputs are taken before the activation that ends the graph.
 *
 * @param visit gets changes that are scaled so that the sum of squares over all visits is a mean over
 *   samples and outputs
 */
export function eachOutputChange(
  tf: Tf,
  { graph, quantization }: Pick<Candidate, 'graph' | 'quantization'>,
  ids: readonly TensorId[],
  data: Dataset,
  seed: number,
  visit: (changes: Values) => void,
): void {
  const { graph: open } = answerOf(graph, data);
  const runner = runnerOf(tf, open);
  const quantizer = quantization === null ? null : fakeQuantizer(tf, graph, quantization);
  const random = makeRandom(seedFor(seed, 'taylor'));
  // All samples count alike: few are projected several times, many in groups.
  const rounds = Math.ceil(fewestProjections / data.count);
  const projections = Math.max(fewestProjections, rounds * data.count);
  const firstOf = (i: number) => Math.floor((i * rounds * data.count) / projections);
  try {
    for (let i = 0; i < projections; i += 1) {
      const count = firstOf(i + 1) - firstOf(i);
      const chosen = Uint32Array.from({ length: count }, (_, k) => (firstOf(i) + k) % data.count);
      const { x } = subset(data, chosen);
      const projected = (parameter: ParameterOf) => {
        const hooks = quantizer === null ? { parameter } : quantizer.hooks(parameter);
        const y = sideBySide(tf, runner.run(inputsOf(tf, data, x), hooks));
        const signs = Float32Array.from({ length: y.size }, () => (random() < 0.5 ? -1 : 1));
        const outputs = rounds * data.count * (y.size / count);
        return tf.mul(tf.sum(tf.mul(y, tf.tensor(signs, y.shape))), outputs ** -0.5);
      };
      visit(weightedGradients(tf, graph, ids, projected));
    }
  } finally {
    tf.dispose([...(quantizer?.variables.values() ?? [])]);
  }
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
