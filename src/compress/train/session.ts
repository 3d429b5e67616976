/** What changes during training: variables, masks, and how far it has come. */

import { elementCount, type Shape, type TensorId, tensorOf } from '../../compiler/ir/graph.js';
import { InternalError } from '../../errors.js';
import type { Candidate, Masks } from '../candidate.js';
import { parametersOf, type Values, withValues } from '../float-graph.js';
import { type FakeQuantizer, fakeQuantizer } from '../quantize/fake.js';
import type { Tf, TfTensor, TfVariable } from '../tensorflow.js';
import { adam, lengthOf, type Moments, makeMoments } from './adam.js';
import type { Checkpoint } from './checkpoint.js';
import type { EpochReport, StepReport, TrainHooks, TrainOptions } from './options.js';
import type { Validation } from './validation.js';

/** The value of a constant in a step; null: the graph's own. */
export type ParameterOf = (id: TensorId) => TfTensor | null;

interface Learned extends Moments {
  readonly name: string;
  readonly shape: Shape;
  readonly variable: TfVariable;
  /** What the variable holds. */
  readonly values: Float32Array;
  /** Of the constant in the graph; null for scales and what is thrown away. */
  readonly id: TensorId | null;
  readonly role: 'weight' | 'bias' | 'scale';
}

/** How far a training has come: the plain data of a checkpoint. */
export interface Progress {
  /** Done. */
  steps: number;
  epochs: number;
  /** How often it began anew after it diverged. */
  restarts: number;
  /** Of the first batch. */
  firstLoss: number | null;
  history: readonly EpochReport[];
  best: { readonly epoch: number; readonly validation: Validation } | null;
  /** What was told of each time that it began anew. */
  said: readonly string[];
}

function beginning(said: readonly string[]): Progress {
  const restarts = said.length;
  return { steps: 0, epochs: 0, restarts, firstLoss: null, history: [], best: null, said };
}

export interface StepSettings {
  readonly rate: number;
  /** Of scales. */
  readonly scaleRate: number;
}

export class Session {
  progress: Progress = beginning([]);
  readonly quantizer: FakeQuantizer | null;
  readonly #learned: Learned[] = [];
  readonly #begin: ReadonlyMap<string, Float32Array>;
  /** The mean of each weight's earlier values. */
  readonly #averages = new Map<TensorId, Float32Array>();
  #best = new Map<string, Float32Array>();
  #masks: Masks = new Map();
  #maskTensors = new Map<TensorId, TfTensor>();

  /** @param extra what else is trained, by name, and thrown away */
  constructor(
    readonly tf: Tf,
    readonly start: Candidate,
    readonly options: TrainOptions,
    extra: ReadonlyMap<string, TfVariable> = new Map(),
  ) {
    const { graph, quantization, masks } = start;
    for (const id of parametersOf(graph)) {
      const { data, shape } = tensorOf(graph, id);
      const variable = tf.tidy(() => tf.variable(tf.tensor(data as Float32Array, [...shape])));
      this.#add(`weight/${id}`, variable, shape.length > 1 ? 'weight' : 'bias', id);
      if (options.averageDecay !== null) this.#averages.set(id, (data as Float32Array).slice());
    }
    this.quantizer = quantization === null ? null : fakeQuantizer(tf, graph, quantization);
    for (const [name, own] of this.quantizer?.variables ?? []) this.#add(name, own, 'scale');
    for (const [name, own] of extra) this.#add(name, own, 'weight');
    this.#begin = new Map(this.#learned.map(({ name, values }) => [name, values.slice()]));
    this.setMasks(masks);
  }

  #add(name: string, variable: TfVariable, role: Learned['role'], id: TensorId | null = null) {
    const values = (variable.dataSync() as Float32Array).slice();
    const { shape } = variable;
    this.#learned.push({ name, shape, variable, values, id, role, ...makeMoments(values.length) });
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
    // The best of other masks has weights where these have none.
    this.progress.best = null;
    this.#best.clear();
  }

  /** The weights for a run of the graph, zero where they are pruned. */
  readonly parameter: ParameterOf = (id) => {
    const variable = this.#learned.find((one) => one.id === id)?.variable ?? null;
    const mask = this.#maskTensors.get(id);
    return variable === null || mask === undefined ? variable : this.tf.mul(variable, mask);
  };

  /** The means of earlier weights. Call it within tf.tidy. */
  readonly average: ParameterOf = (id) => {
    const mean = this.#averages.get(id);
    if (mean === undefined) return null;
    return this.tf.tensor(this.#kept(id, mean), [...tensorOf(this.start.graph, id).shape]);
  };

  /** One step of the optimizer. Returns the loss. */
  step(settings: StepSettings, lossOf: () => TfTensor, look: TrainHooks['step']): number {
    const { tf } = this;
    this.progress.steps += 1;
    return tf.tidy(() => {
      const variables = this.#learned.map(({ variable }) => variable);
      const { value, grads } = tf.variableGrads(lossOf as never, variables);
      const loss = (value.dataSync()[0] as number | undefined) ?? Number.NaN;
      const byName = new Map(Object.entries(grads));
      const gradients = new Map<Learned, Float32Array>();
      for (const one of this.#learned) {
        const slopes = byName.get(one.variable.name)?.dataSync() as Float32Array | undefined;
        if (slopes !== undefined) gradients.set(one, slopes);
      }
      look?.(reportOf(settings.rate, gradients));
      if (Number.isFinite(loss)) this.#move(gradients, settings);
      return loss;
    });
  }

  #move(gradients: ReadonlyMap<Learned, Float32Array>, { rate, scaleRate }: StepSettings): void {
    const { clipNorm, weightDecay } = this.options;
    const length = clipNorm === null ? 0 : lengthOf(gradients.values());
    const factor = clipNorm !== null && length > clipNorm ? clipNorm / length : 1;
    const { steps } = this.progress;
    for (const [one, slopes] of gradients) {
      const own = one.role === 'scale' ? scaleRate : rate;
      if (own === 0) continue;
      const decay = one.role === 'weight' ? weightDecay : 0;
      adam(one.values, slopes, one, { step: steps, rate: own, decay, factor });
      this.#assign(one);
    }
    this.#follow();
  }

  /** Early means forget their beginning sooner. */
  #follow(): void {
    const decay = Math.min(
      this.options.averageDecay ?? 0,
      (1 + this.progress.steps) / (10 + this.progress.steps),
    );
    for (const { id, values } of this.#learned) {
      const mean = id === null ? undefined : this.#averages.get(id);
      mean?.forEach((value, i) => {
        mean[i] = decay * value + (1 - decay) * (values[i] as number);
      });
    }
  }

  /** The tensor gets a copy: a backend may read it later. */
  #assign({ variable, values, shape }: Learned): void {
    this.tf.tidy(() => variable.assign(this.tf.tensor(values.slice(), [...shape]) as never));
  }

  #kept(id: TensorId, values: Float32Array): Float32Array {
    const mask = this.#masks.get(id);
    return mask === undefined ? values : values.map((value, i) => (mask[i] === 0 ? 0 : value));
  }

  /** The weights as they are, zero where they are pruned. */
  values(): Values {
    const weights = this.#learned.flatMap(({ id, values }) =>
      id === null ? [] : [[id, this.#kept(id, values.slice())] as const],
    );
    return new Map(weights);
  }

  isFinite(): boolean {
    return this.#learned.every(({ values }) => values.every(Number.isFinite));
  }

  trained(): Candidate {
    return {
      graph: withValues(this.start.graph, this.values()),
      masks: this.#masks,
      quantization: this.quantizer?.learned() ?? null,
    };
  }

  /** Remembers the variables as those of the best epoch. */
  keepBest(validation: Validation): void {
    this.progress.best = { epoch: this.progress.epochs, validation };
    this.#best = new Map(this.#learned.map(({ name, values }) => [name, values.slice()]));
  }

  takeBest(): void {
    if (this.progress.best !== null) this.#set(this.#best);
  }

  /**
   * Goes back to the beginning, masks included.
   *
   * @param said of it
   */
  restart(said: string): void {
    this.#set(this.#begin);
    for (const { mean, square } of this.#learned) for (const slot of [mean, square]) slot.fill(0);
    for (const [id, mean] of this.#averages) mean.set(this.#begin.get(`weight/${id}`) ?? []);
    this.progress = beginning([...this.progress.said, said]);
    this.setMasks(this.start.masks);
  }

  #set(arrays: ReadonlyMap<string, Float32Array>): void {
    for (const one of this.#learned) {
      one.values.set(arrayOf(arrays, one.name, one.shape));
      this.#assign(one);
    }
  }

  state(): Checkpoint {
    const arrays = new Map<string, Float32Array>();
    for (const { name, values, mean, square } of this.#learned) {
      arrays.set(name, values.slice());
      arrays.set(`mean/${name}`, mean.slice());
      arrays.set(`square/${name}`, square.slice());
    }
    for (const [id, mean] of this.#averages) arrays.set(`average/${id}`, mean.slice());
    for (const [name, values] of this.#best) arrays.set(`best/${name}`, values);
    for (const [id, mask] of this.#masks) arrays.set(`mask/${id}`, Float32Array.from(mask));
    return { progress: { ...this.progress }, arrays };
  }

  restore({ progress, arrays }: Checkpoint): void {
    const masks = [...arrays].filter(([name]) => name.startsWith('mask/'));
    this.setMasks(
      new Map(masks.map(([name, mask]) => [Number(name.slice(5)), Uint8Array.from(mask)])),
    );
    this.progress = { ...(progress as unknown as Progress) };
    this.#set(arrays);
    for (const { name, shape, mean, square } of this.#learned) {
      mean.set(arrayOf(arrays, `mean/${name}`, shape));
      square.set(arrayOf(arrays, `square/${name}`, shape));
    }
    for (const [id, mean] of this.#averages) {
      mean.set(arrayOf(arrays, `average/${id}`, [mean.length]));
    }
    const best = [...arrays].filter(([name]) => name.startsWith('best/'));
    this.#best = new Map(best.map(([name, values]) => [name.slice(5), values]));
  }

  dispose(): void {
    this.tf.dispose(this.#learned.map(({ variable }) => variable));
    this.tf.dispose([...this.#maskTensors.values()]);
  }
}

function reportOf(rate: number, gradients: ReadonlyMap<Learned, Float32Array>): StepReport {
  const known = [...gradients].filter(([{ id }]) => id !== null);
  return {
    rate,
    values: new Map(known.map(([{ id, values }]) => [id as TensorId, values])),
    gradients: new Map(known.map(([{ id }, slopes]) => [id as TensorId, slopes])),
  };
}

function arrayOf(
  arrays: ReadonlyMap<string, Float32Array>,
  name: string,
  shape: Shape,
): Float32Array {
  const array = arrays.get(name);
  if (array?.length === elementCount(shape)) return array;
  throw new InternalError('compress', `a checkpoint has no "${name}" of ${elementCount(shape)}`);
}
