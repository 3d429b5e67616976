/** Distillation inside the graph: a student's tensors become like those of its teacher. */

import { type Graph, type TensorId, tensorOf } from '../../compiler/ir/graph.js';
import { BonsaiError } from '../../errors.js';
import { weighted } from '../float-graph.js';
import { makeRandom, seedFor } from '../random.js';
import type { Tf, TfTensor, TfVariable } from '../tensorflow.js';
import { relativeError } from './loss.js';

/** Tensors of both graphs that have the same extents but for the channels. */
export interface Pair {
  readonly student: TensorId;
  readonly teacher: TensorId;
}

interface Spot {
  readonly id: TensorId;
  readonly name: string;
  /** '14×14'; '' for vectors. */
  readonly extents: string;
}

/** Pairs of vectors, at most: layers without an image have one extent in common, all of them. */
const mostVectors = 3;

/**
 * What is compared: of each stage (the layers between two changes of the image's extents) the last
 * output that both graphs have by one name; if there is none, the last of each stage that both have,
 * and vectors evenly spaced. The scores are left out: the answers are compared anyway.
 *
 * @throws BonsaiError 'usage' where the graphs have no stage in common
 */
export function pairsOf(student: Graph, teacher: Graph): readonly Pair[] {
  const [own, given] = [spotsOf(student), spotsOf(teacher)];
  const named = own.flatMap((spot) => {
    const twin = given.find(({ name, extents }) => name === spot.name && extents === spot.extents);
    return twin === undefined ? [] : [{ spot, twin }];
  });
  const stages = [...new Set(own.map(({ extents }) => extents))];
  const pairs = stages.flatMap((extents) => {
    const at = (spot: Spot) => spot.extents === extents;
    const both = named.filter(({ spot }) => at(spot));
    if (both.length > 0) return both.slice(-1);
    if (named.length > 0) return [];
    return aligned(own.filter(at), given.filter(at), extents === '' ? mostVectors : 1);
  });
  if (pairs.length > 0) return pairs.map((p) => ({ student: p.spot.id, teacher: p.twin.id }));
  const message = 'have no tensors of the same height and width to compare';
  const hint = 'leave out feature and attention matching, or give a teacher of the same stages';
  throw new BonsaiError('usage', 'student and teacher', message, hint);
}

/** Of both lists, at most `most` that lie at the same shares of them, the last included. */
function aligned(own: readonly Spot[], given: readonly Spot[], most: number) {
  const count = Math.min(own.length, given.length, most);
  return Array.from({ length: count }, (_, i) => {
    const pick = (spots: readonly Spot[]) =>
      spots[Math.round(((i + 1) * spots.length) / count) - 1] as Spot;
    return { spot: pick(own), twin: pick(given) };
  });
}

/** Outputs of layers with weights and of sums, without the last layer's. */
function spotsOf(graph: Graph): readonly Spot[] {
  const nodes = graph.nodes.filter(({ op }) => weighted.has(op) || op === 'add');
  return nodes.slice(0, -1).flatMap(({ outputs: [id = -1] }) => {
    const { name, shape } = tensorOf(graph, id);
    const isKnown = shape.length === 2 || shape.length === 4;
    return isKnown ? [{ id, name, extents: shape.slice(1, -1).join('×') }] : [];
  });
}

export interface MatchOptions {
  readonly featureWeight: number;
  readonly attentionWeight: number;
  readonly seed: number;
}

export type Tensors = ReadonlyMap<TensorId, TfTensor>;

export interface Matcher {
  readonly pairs: readonly Pair[];
  /** Regressors between channels, by name: trained beside the student and thrown away. */
  readonly variables: ReadonlyMap<string, TfVariable>;
  /** The differences, weighted. */
  loss(student: Tensors, teacher: Tensors): TfTensor;
}

export function makeMatcher(
  tf: Tf,
  student: Graph,
  teacher: Graph,
  { featureWeight, attentionWeight, seed }: MatchOptions,
): Matcher {
  const pairs = pairsOf(student, teacher);
  const variables = new Map<string, TfVariable>();
  pairs.forEach((pair, i) => {
    const own = tensorOf(student, pair.student).shape.at(-1) ?? 1;
    const given = tensorOf(teacher, pair.teacher).shape.at(-1) ?? 1;
    if (own === given || featureWeight === 0) return;
    variables.set(`regressor/${i}`, regressor(tf, own, given, seedFor(seed, 'regressor', i)));
  });
  return {
    pairs,
    variables,
    loss(own, given) {
      const terms = pairs.flatMap((pair, i) => {
        const x = own.get(pair.student) as TfTensor;
        const y = given.get(pair.teacher) as TfTensor;
        const features =
          featureWeight === 0 ? [] : [featureLoss(tf, x, y, variables.get(`regressor/${i}`))];
        const attends = attentionWeight > 0 && x.shape.length === 4;
        return [
          ...features.map((term) => tf.mul(term, featureWeight)),
          ...(attends ? [tf.mul(attentionLoss(tf, x, y), attentionWeight)] : []),
        ];
      });
      return terms.length === 0 ? tf.scalar(0) : tf.div(tf.addN(terms), pairs.length);
    },
  };
}

/** A linear map of channels: a 1×1 convolution without bias (Romero et al., FitNets, 2015). */
function regressor(tf: Tf, from: number, to: number, seed: number): TfVariable {
  const random = makeRandom(seed);
  const reach = Math.sqrt(3 / from);
  const values = Float32Array.from({ length: from * to }, () => (random() * 2 - 1) * reach);
  return tf.tidy(() => tf.variable(tf.tensor(values, [from, to])));
}

function featureLoss(tf: Tf, x: TfTensor, y: TfTensor, map: TfVariable | undefined): TfTensor {
  const rows = (tensor: TfTensor) => tf.reshape(tensor, [-1, tensor.shape.at(-1) ?? 1]);
  const own = map === undefined ? rows(x) : tf.matMul(rows(x), map as TfTensor);
  return relativeError(tf, own, rows(y));
}

/**
 * The squared distance between maps of where the channels are large: sums of their squares, each map
 * scaled to length 1 (Zagoruyko and Komodakis, 2017).
 */
export function attentionLoss(tf: Tf, x: TfTensor, y: TfTensor): TfTensor {
  const map = (tensor: TfTensor) => {
    const flat = tf.reshape(tf.sum(tf.square(tensor), 3), [tensor.shape[0] ?? 1, -1]);
    return tf.div(flat, tf.sqrt(tf.add(tf.sum(tf.square(flat), 1, true), 1e-12)));
  };
  return tf.mean(tf.sum(tf.squaredDifference(map(x), map(y)), 1));
}
