/** Trains a float graph: with labels or a teacher, dense or pruned, in float32 or fake-quantized. */
import { BonsaiError, InternalError } from '../../errors.js';
import { type Graph, type TensorId, tensorOf } from '../../ir/graph.js';
import type { Candidate, Masks } from '../candidate.js';
import { type Dataset, subset } from '../data/dataset.js';
import { parametersOf, withValues } from '../float-graph.js';
import { type FakeQuantizer, fakeQuantizer } from '../quantize/fake.js';
import { makeRandom, permutation, seedFor } from '../random.js';
import type { Tf, TfTensor, TfVariable } from '../tensorflow.js';
import { runnerOf } from '../trace.js';
import { type Adam, makeAdam } from './adam.js';
import type { Checkpoint } from './checkpoint.js';
import { answerOf, crossEntropy, distillation, relativeError, scores } from './loss.js';

export interface TrainOptions {
  readonly epochs: number;
  readonly batch: number;
  /** Of the first step; it falls to a hundredth by a half cosine. */
  readonly learningRate: number;
  readonly seed: number;
  /** Share of the loss that compares with the teacher; the rest compares with labels. */
  readonly teacherShare: number;
  readonly temperature: number;
  readonly labelSmoothing: number;
  readonly weightDecay: number;
}

export const trainDefaults: TrainOptions = {
  epochs: 10,
  batch: 64,
  learningRate: 0.001,
  seed: 1,
  teacherShare: 0.7,
  temperature: 4,
  labelSmoothing: 0,
  weightDecay: 0,
};

export interface TrainHooks {
  /** Changes a batch of samples in place before it is used. */
  augment?(samples: Float32Array, count: number, random: () => number): void;
  /** Called after each epoch with the mean loss of its batches; may be slow. */
  epoch?(done: EpochReport): void;
  /** New masks before an epoch, from the weights as they are; null keeps the masks. */
  masks?(epoch: number, values: ReadonlyMap<TensorId, Float32Array>): Masks | null;
  /** Called before each step of the optimizer, within tf.tidy. */
  step?(step: StepReport): void;
  /** Called with the whole state after each epoch. */
  save?(state: Checkpoint): void;
}

/** What a step of the optimizer is made of. */
export interface StepReport {
  /** The learning rate. */
  readonly rate: number;
  /** By parameter; where masks prune, a gradient is 0. */
  readonly values: ReadonlyMap<TensorId, TfTensor>;
  readonly gradients: ReadonlyMap<TensorId, TfTensor>;
}

export interface EpochReport {
  /** 1 for the first. */
  readonly epoch: number;
  readonly epochs: number;
  readonly loss: number;
  readonly seconds: number;
}

/**
 * The trained graph. The same seed, data and backend give the same bits, also from `resume`, the
 * state after an earlier epoch of the same training.
 *
 * @param teacher answers that the graph shall reproduce; null trains with labels alone
 * @throws BonsaiError 'usage' where neither labels nor teacher say what to learn, and where the
 *   loss grows beyond all numbers
 */
export async function train(
  tf: Tf,
  start: Candidate,
  data: Dataset,
  teacher: Graph | null,
  options: TrainOptions,
  hooks: TrainHooks = {},
  resume: Checkpoint | null = null,
): Promise<Candidate> {
  const session = new Session(tf, start, options);
  const lossOf = lossFunction(tf, start.graph, session.quantizer, data, teacher, options);
  try {
    if (resume !== null) session.restore(resume);
    for (let epoch = session.epochs; epoch < options.epochs; epoch += 1) {
      const masks = hooks.masks?.(epoch, session.values()) ?? null;
      if (masks !== null) session.setMasks(masks);
      const began = performance.now();
      const loss = await runEpoch(session, data, options, lossOf, hooks);
      hooks.save?.(session.state());
      const seconds = (performance.now() - began) / 1000;
      hooks.epoch?.({ epoch: epoch + 1, epochs: options.epochs, loss, seconds });
    }
    return session.trained();
  } finally {
    session.dispose();
  }
}

/** Returns the mean loss of the samples. */
async function runEpoch(
  session: Session,
  data: Dataset,
  { batch, epochs, learningRate, seed }: TrainOptions,
  lossOf: LossOf,
  hooks: TrainHooks,
): Promise<number> {
  const random = makeRandom(seedFor(seed, 'epoch', session.epochs));
  const order = permutation(data.count, random);
  const batches = Math.ceil(data.count / batch);
  let sum = 0;
  for (let i = 0; i < batches; i += 1) {
    const chosen = order.subarray(i * batch, (i + 1) * batch);
    const samples = subset(data, chosen).x;
    hooks.augment?.(samples, chosen.length, random);
    const rate = cosineRate(learningRate, session.steps / (epochs * batches));
    const loss = session.step(rate, (own) => lossOf(samples, chosen, own), hooks.step);
    if (!Number.isFinite(loss)) throw diverged(learningRate, session.epochs + 1);
    sum += loss * chosen.length;
    // Lets timers, signals and the progress display run.
    if (i % 16 === 15) await new Promise(setImmediate);
  }
  session.epochs += 1;
  return sum / data.count;
}

/** The value of a parameter; null: the graph's own. */
export type ParameterOf = (id: TensorId) => TfTensor | null;

/** What changes during training: variables, masks, and how far it has come. */
class Session {
  /** Done. */
  steps = 0;
  epochs = 0;
  readonly quantizer: FakeQuantizer | null;
  readonly #weights = new Map<TensorId, TfVariable>();
  /** Weights and scales, by their names in a checkpoint. */
  readonly #variables = new Map<string, TfVariable>();
  readonly #adam: Adam;
  #masks: Masks = new Map();
  #maskTensors = new Map<TensorId, TfTensor>();

  constructor(
    readonly tf: Tf,
    readonly start: Candidate,
    options: TrainOptions,
  ) {
    const { graph, quantization, masks } = start;
    for (const id of parametersOf(graph)) {
      const { data, shape } = tensorOf(graph, id);
      const variable = tf.tidy(() => tf.variable(tf.tensor(data as Float32Array, [...shape])));
      this.#weights.set(id, variable);
      this.#variables.set(`weight/${id}`, variable);
    }
    this.quantizer = quantization === null ? null : fakeQuantizer(tf, graph, quantization);
    for (const [name, variable] of this.quantizer?.variables ?? []) {
      this.#variables.set(name, variable);
    }
    this.#adam = makeAdam(tf, this.#variables, options.weightDecay);
    this.setMasks(masks);
  }

  setMasks(masks: Masks): void {
    this.tf.dispose([...this.#maskTensors.values()]);
    this.#masks = masks;
    this.#maskTensors = new Map(
      [...masks].map(([id, mask]) => {
        const { shape } = tensorOf(this.start.graph, id);
        return [id, this.tf.tensor(Float32Array.from(mask), [...shape])];
      }),
    );
  }

  /** One step of the optimizer at learning rate `rate`. Returns the loss. */
  step(
    rate: number,
    lossOf: (parameter: ParameterOf) => TfTensor,
    look?: TrainHooks['step'],
  ): number {
    const { tf } = this;
    const parameter: ParameterOf = (id) => {
      const variable = this.#weights.get(id) ?? null;
      const mask = this.#maskTensors.get(id);
      return variable === null || mask === undefined ? variable : tf.mul(variable, mask);
    };
    this.steps += 1;
    return tf.tidy(() => {
      const variables = [...this.#variables.values()];
      const { value, grads } = tf.variableGrads((() => lossOf(parameter)) as never, variables);
      const byVariable = new Map(Object.entries(grads));
      look?.({ rate, values: this.#weights, gradients: gradientsOf(this.#weights, byVariable) });
      const gradients = [...this.#variables].map(
        ([name, { name: own }]) => [name, byVariable.get(own)] as const,
      );
      this.#adam.apply(new Map(gradients), this.steps, rate);
      return value.dataSync()[0] ?? Number.NaN;
    });
  }

  /** The weights as they are, zero where they are pruned. */
  values(): ReadonlyMap<TensorId, Float32Array> {
    const kept = [...this.#weights].map(([id, variable]) => {
      const mask = this.#masks.get(id);
      const all = variable.dataSync() as Float32Array;
      return [id, all.map((value, i) => (mask?.[i] === 0 ? 0 : value))] as const;
    });
    return new Map(kept);
  }

  trained(): Candidate {
    return {
      graph: withValues(this.start.graph, this.values()),
      masks: this.#masks,
      quantization: this.quantizer?.learned() ?? null,
    };
  }

  state(): Checkpoint {
    const variables = [...this.#variables, ...this.#adam.slots].map(
      ([name, variable]) => [name, (variable.dataSync() as Float32Array).slice()] as const,
    );
    const masks = [...this.#masks].map(
      ([id, mask]) => [`mask/${id}`, Float32Array.from(mask)] as const,
    );
    const { epochs, steps } = this;
    return { progress: { epochs, steps }, arrays: new Map([...variables, ...masks]) };
  }

  restore({ progress, arrays }: Checkpoint): void {
    this.epochs = Number(progress.epochs);
    this.steps = Number(progress.steps);
    for (const [name, variable] of [...this.#variables, ...this.#adam.slots]) {
      const array = arrays.get(name);
      if (array === undefined) throw new InternalError('compress', `no "${name}" in a checkpoint`);
      this.tf.tidy(() => variable.assign(this.tf.tensor(array, variable.shape)));
    }
    const masks = [...arrays].filter(([name]) => name.startsWith('mask/'));
    this.setMasks(
      new Map(masks.map(([name, mask]) => [Number(name.slice(5)), Uint8Array.from(mask)])),
    );
  }

  dispose(): void {
    const { tf } = this;
    tf.dispose([...this.#variables.values(), ...this.#adam.slots.values()]);
    tf.dispose([...this.#maskTensors.values()]);
  }
}

function gradientsOf(
  weights: ReadonlyMap<TensorId, TfVariable>,
  byVariable: ReadonlyMap<string, TfTensor>,
): ReadonlyMap<TensorId, TfTensor> {
  const found = [...weights].flatMap(([id, { name }]) => {
    const gradient = byVariable.get(name);
    return gradient ? [[id, gradient] as const] : [];
  });
  return new Map(found);
}

function diverged(learningRate: number, epoch: number): BonsaiError {
  const message = `the loss is not a number any more in epoch ${epoch}`;
  const hint = `use a lower learning rate than ${learningRate}`;
  return new BonsaiError('usage', 'training', message, hint);
}

/** @param done share of all steps */
function cosineRate(first: number, done: number): number {
  const last = first / 100;
  return last + ((first - last) * (1 + Math.cos(Math.PI * done))) / 2;
}

export type LossOf = (
  samples: Float32Array,
  chosen: Uint32Array,
  parameter: ParameterOf,
) => TfTensor;

/**
 * The loss of a batch: samples, their indices in the data, and the values of parameters (null: the
 * graph's own). Call it within tf.tidy.
 *
 * @throws BonsaiError 'usage' without labels and without a teacher
 */
export function lossFunction(
  tf: Tf,
  graph: Graph,
  quantizer: FakeQuantizer | null,
  data: Dataset,
  teacher: Graph | null,
  {
    teacherShare,
    temperature,
    labelSmoothing,
  }: Pick<TrainOptions, 'teacherShare' | 'temperature' | 'labelSmoothing'>,
): LossOf {
  const { labels } = data;
  const answer = answerOf(graph, data.classes?.length ?? null);
  const learnsLabels = labels !== null && answer.kind !== 'values';
  if (!learnsLabels && teacher === null) {
    const hint = 'give labels, or a teacher: without labels the original model is one';
    throw new BonsaiError('usage', data.where, 'has no labels to learn from', hint);
  }
  const student = runnerOf(tf, answer.graph);
  const wanted = teacher === null ? null : answerOf(teacher, data.classes?.length ?? null);
  const master = wanted === null ? null : runnerOf(tf, wanted.graph);
  return (samples, chosen, parameter) => {
    const x = tf.tensor(samples, [chosen.length, ...data.shape]);
    const hooks = quantizer === null ? { parameter } : quantizer.hooks(parameter);
    const own = scores(tf, answer, student.run([x], hooks)[0] as TfTensor);
    const terms: TfTensor[] = [];
    const share = learnsLabels ? teacherShare : 1;
    if (master !== null && wanted !== null && share > 0) {
      const given = scores(tf, wanted, master.run([x])[0] as TfTensor);
      const difference =
        answer.kind === 'values'
          ? relativeError(tf, own, given)
          : distillation(tf, own, given, temperature);
      terms.push(tf.mul(difference, share));
    }
    if (learnsLabels) {
      const y = tf.tensor1d(
        Int32Array.from(chosen, (i) => labels[i] as number),
        'int32',
      );
      const weight = master === null ? 1 : 1 - share;
      if (weight > 0) terms.push(tf.mul(crossEntropy(tf, own, y, labelSmoothing), weight));
    }
    return tf.addN(terms);
  };
}
