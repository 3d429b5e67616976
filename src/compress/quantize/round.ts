/**
 * Learned rounding (AdaRound: Nagel et al., Up or Down? Adaptive Rounding for Post-Training
 * Quantization, 2020): a weight goes to the integer below or above it, whichever keeps its layer's
 * output. Layer by layer, each behind the rounded layers before it. Biases learn with it: a mean
 * error that the activation lets through is theirs to take away.
 */
import { type Graph, type TensorId, tensorOf } from '../../compiler/ir/graph.js';
import { type Activation, clamp } from '../../compiler/ops/arithmetic/quant.js';
import type { Say } from '../../progress.js';
import type { Candidate } from '../candidate.js';
import type { Dataset } from '../data/dataset.js';
import { channelsAlong, type Values, withValues } from '../float-graph.js';
import { activate } from '../ops/trace.js';
import { makeRandom, seedFor } from '../random.js';
import { elementsOf, type Tf, type TfTensor } from '../tensorflow.js';
import { constantOf } from '../trace.js';
import { adam, makeMoments } from '../train/adam.js';
import { fakeQuantizer } from './fake.js';
import { layerInputs, layerOutputs, type SampledLayer, sampledLayers } from './layer-rows.js';
import { weightIntegers } from './lower.js';
import { type WeightQuant, weightTypes } from './scheme.js';

export interface RoundOptions {
  /** Steps of the optimizer for each layer. */
  readonly iterations: number;
  /** Output positions of each step. */
  readonly batch: number;
  /** Output positions of a layer that steps draw from, over all samples. */
  readonly rows: number;
  readonly learningRate: number;
  readonly seed: number;
  /** The weights to round; absent: all. */
  readonly only?: ReadonlySet<TensorId>;
}

export const roundDefaults: RoundOptions = {
  iterations: 1000,
  batch: 256,
  rows: 8192,
  learningRate: 0.02,
  seed: 1,
};

export interface RoundedLayer {
  readonly name: string;
  readonly weights: TensorId;
  /** Mean squared error of the layer's output with weights rounded to nearest, and as learned. */
  readonly nearest: number;
  readonly learned: number;
}

export interface Rounded {
  /** Its weights are multiples of their scales. */
  readonly candidate: Candidate;
  readonly layers: readonly RoundedLayer[];
}

/**
 * The candidate with weights that are rounded already. Weights of 0 stay 0; a layer keeps the
 * nearest integers where others are no better.
 *
 * @param candidate with a quantization
 * @param reference the float graph whose outputs to keep, with the candidate's nodes
 */
export async function learnedRounding(
  tf: Tf,
  candidate: Candidate,
  reference: Graph,
  data: Dataset,
  options: RoundOptions,
  say: Say = () => {},
): Promise<Rounded> {
  const { quantization } = candidate;
  if (quantization === null) throw new RangeError('a candidate without scales cannot be rounded');
  const { rows, seed, only } = options;
  const layers = sampledLayers(candidate.graph, data, rows, seed).filter(
    ({ weights }) => only?.has(weights) ?? true,
  );
  const targets = layerOutputs(tf, reference, layers, data);
  const done: RoundedLayer[] = [];
  let { graph } = candidate;
  for (const [i, layer] of layers.entries()) {
    say(`${layer.node.name}, ${i + 1} of ${layers.length}`);
    // Lets timers, signals and the progress display run.
    await new Promise(setImmediate);
    const quantizer = fakeQuantizer(tf, graph, quantization);
    const hooks = quantizer.hooks((id) => constantOf(tf, tensorOf(graph, id)));
    const inputs = layerInputs(tf, graph, layer, hooks, data);
    tf.dispose([...quantizer.variables.values()]);
    const quant = quantization.weights.get(layer.weights) as WeightQuant;
    const problem = makeProblem(tf, graph, layer, inputs, targets[i] as Float32Array);
    const { values, ...report } = learnLayer(tf, graph, layer, quant, problem, options);
    problem.dispose();
    graph = withValues(graph, values);
    done.push({ name: layer.node.name, weights: layer.weights, ...report });
  }
  return { candidate: { ...candidate, graph }, layers: done };
}

/** The error of a layer's output for weights [groups, depth, outputs]. */
interface Problem {
  /** [groups, 1, outputs]. */
  readonly bias: TfTensor;
  /** Mean squared error of rows from `first`. */
  error(weights: TfTensor, bias: TfTensor, first: number, count: number): TfTensor;
  dispose(): void;
}

function makeProblem(
  tf: Tf,
  graph: Graph,
  { node, matrix, rows }: SampledLayer,
  inputs: Float32Array,
  targets: Float32Array,
): Problem {
  const { groups, depth, outputs } = matrix;
  const biasId = node.inputs[2] ?? null;
  const zeros = new Float32Array(groups * outputs);
  const before = biasId === null ? zeros : (tensorOf(graph, biasId).data as Float32Array);
  const x = tf.tensor3d(inputs, [groups, rows, depth]);
  const wanted = tf.tensor3d(targets, [groups, rows, outputs]);
  const bias = tf.tensor3d(before, [groups, 1, outputs]);
  const activation = (node.attrs.activation ?? 'none') as Activation;
  return {
    bias,
    error(weights, biases, first, count) {
      const own = tf.slice(x, [0, first, 0], [groups, count, depth]);
      const goal = tf.slice(wanted, [0, first, 0], [groups, count, outputs]);
      const got = activate(tf, tf.add(tf.matMul(own, weights), biases), activation);
      return tf.mean(tf.squaredDifference(got, goal));
    },
    dispose: () => tf.dispose([x, wanted, bias]),
  };
}

/** The two integers that each weight may become: `low`, and `low` + `step`; [groups, depth, outputs]. */
interface Choice {
  readonly low: Int8Array;
  /** 0 where there is no choice. */
  readonly step: Int8Array;
  /** How far a weight is on its way from the one to the other, 0 to 1. */
  readonly share: Float32Array;
  readonly nearest: Int8Array;
  readonly scale: Float32Array;
}

function choiceOf(graph: Graph, { weights, matrix }: SampledLayer, quant: WeightQuant): Choice {
  const tensor = tensorOf(graph, weights);
  const { min, max } = weightTypes[quant.type];
  const most = quant.type === 'binary' ? 2 : 1;
  const channelOf = channelsAlong(tensor.shape, quant.axis);
  const inRows = <T extends Int8Array | Float32Array>(data: T): T =>
    data.map((_, i) => data[matrix.weightAt[i] as number] as number) as T;
  const data = inRows(tensor.data as Float32Array);
  const scale = data.map((_, i) => quant.scales[channelOf(matrix.weightAt[i] as number)] as number);
  const low = Int8Array.from(data, (value, i) =>
    clamp(Math.floor(value / (scale[i] as number)), min, max - most),
  );
  const step = Int8Array.from(data, (value) => (value === 0 && most === 1 ? 0 : most));
  const share = data.map((value, i) =>
    step[i] === 0 ? 0 : clamp((value / (scale[i] as number) - (low[i] as number)) / most, 0, 1),
  );
  return { low, step, share, nearest: inRows(weightIntegers(tensor, quant)), scale };
}

/** The sigmoid is stretched to this range and clipped, so that it reaches 0 and 1. */
const [lowest, highest] = [-0.1, 1.1];
/** Share of the steps before shares are pushed to 0 and 1. */
const warmUp = 0.2;
/** The exponent of that push falls: at first it moves only shares that are nearly there. */
const [flat, steep] = [20, 2];
/** Weight of that push against the layer's error, which is 1 for the nearest integers. */
const pushWeight = 10;

interface LearnedLayer extends Omit<RoundedLayer, 'name' | 'weights'> {
  /** Weights, and the bias where it moved, by tensor. */
  readonly values: Values;
}

function learnLayer(
  tf: Tf,
  graph: Graph,
  layer: SampledLayer,
  quant: WeightQuant,
  problem: Problem,
  options: RoundOptions,
): LearnedLayer {
  const { groups, depth, outputs, weightAt } = layer.matrix;
  const choice = choiceOf(graph, layer, quant);
  const tensor = (data: Float32Array) => tf.tensor3d(data, [groups, depth, outputs]);
  const real = (integers: Int8Array) =>
    Float32Array.from(integers, (integer, i) => integer * (choice.scale[i] as number));
  const errorOf = (integers: Int8Array, bias: TfTensor) =>
    elementsOf(tf, () => problem.error(tensor(real(integers)), bias, 0, layer.rows))[0] as number;
  const nearest = errorOf(choice.nearest, problem.bias);
  const inOrder = (integers: Int8Array) => {
    const weights = new Float32Array(integers.length);
    real(integers).forEach((value, i) => {
      weights[weightAt[i] as number] = value;
    });
    return weights;
  };
  const kept = { values: new Map([[layer.weights, inOrder(choice.nearest)]]), nearest };
  if (nearest === 0) return { ...kept, learned: nearest };
  const { shares, bias } = learnedShares(tf, layer, choice, nearest, problem, options);
  const own = choice.low.map(
    (low, i) => low + ((shares[i] as number) > 0.5 ? (choice.step[i] as number) : 0),
  );
  const moved = tf.tensor3d(bias, [groups, 1, outputs]);
  const learned = errorOf(own, moved);
  moved.dispose();
  if (!(learned < nearest)) return { ...kept, learned: nearest };
  const biasId = layer.node.inputs[2] ?? null;
  const values = new Map<TensorId, Float32Array>([[layer.weights, inOrder(own)]]);
  if (biasId !== null) values.set(biasId, bias);
  return { values, nearest, learned };
}

/** @param scale the error that counts as 1 */
function learnedShares(
  tf: Tf,
  { node, matrix, rows }: SampledLayer,
  choice: Choice,
  scale: number,
  problem: Problem,
  { iterations, batch, learningRate, seed }: RoundOptions,
): { readonly shares: Float32Array; readonly bias: Float32Array } {
  const { groups, depth, outputs } = matrix;
  const shape = [groups, depth, outputs] as [number, number, number];
  const scaled = (integers: Int8Array) =>
    tf.tidy(() => {
      const all = tf.tensor3d(Float32Array.from(integers), shape);
      return tf.mul(all, tf.tensor3d(choice.scale, shape));
    });
  const [low, span] = [scaled(choice.low), scaled(choice.step)];
  const start = choice.share.map((share) => {
    const p = (share - lowest) / (highest - lowest);
    return Math.log(p / (1 - p));
  });
  const logits = learnable(tf, start, shape);
  // In units of the error, so that one learning rate suits both.
  const shift = learnable(tf, new Float32Array(groups * outputs), [groups, 1, outputs]);
  const learnables = (node.inputs[2] ?? null) === null ? [logits] : [logits, shift];
  const random = makeRandom(seedFor(seed, 'steps'));
  const count = Math.min(batch, rows);
  const shares = () =>
    tf.clipByValue(tf.add(tf.mul(tf.sigmoid(logits.variable), highest - lowest), lowest), 0, 1);
  const bias = () => tf.add(problem.bias, tf.mul(shift.variable, Math.sqrt(scale)));
  for (let step = 1; step <= iterations; step += 1) {
    const first = Math.floor(random() * (rows - count + 1));
    const done = Math.max(0, (step / iterations - warmUp) / (1 - warmUp));
    const loss = () => {
      const share = shares();
      const weights = tf.add(low, tf.mul(share, span));
      const error = tf.div(problem.error(weights, bias(), first, count), scale);
      if (done === 0) return error;
      return tf.add(error, tf.mul(push(tf, share, flat + (steep - flat) * done), pushWeight));
    };
    tf.tidy(() => {
      const variables = learnables.map(({ variable }) => variable);
      const { grads } = tf.variableGrads(loss as never, variables);
      const byName = new Map(Object.entries(grads));
      for (const { variable, values, moments } of learnables) {
        const slopes = byName.get(variable.name)?.dataSync() as Float32Array;
        adam(values, slopes, moments, { step, rate: learningRate, decay: 0, factor: 1 });
        variable.assign(tf.tensor(values.slice(), variable.shape));
      }
    });
  }
  const learned = { shares: elementsOf(tf, shares), bias: elementsOf(tf, bias) };
  tf.dispose([low, span, logits.variable, shift.variable]);
  return learned;
}

/** A variable with its values in this process, where the optimizer moves them. */
function learnable(tf: Tf, values: Float32Array, shape: number[]) {
  const variable = tf.tidy(() => tf.variable(tf.tensor(values.slice(), shape)));
  return { values, variable, moments: makeMoments(values.length) };
}

/** 0 where every share is 0 or 1, at most 1. */
function push(tf: Tf, share: TfTensor, exponent: number): TfTensor {
  const distance = tf.abs(tf.sub(tf.mul(share, 2), 1));
  return tf.mean(tf.sub(1, tf.pow(distance, exponent)));
}
