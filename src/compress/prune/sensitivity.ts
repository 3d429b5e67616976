/** What a model loses when one layer alone is pruned: layer by layer, share by share. */
import { type Graph, type TensorId, tensorOf } from '../../compiler/ir/graph.js';
import type { Dataset } from '../data/dataset.js';
import { rebatched } from '../float-graph.js';
import { batchOf } from '../quantize/observe.js';
import {
  type Answers,
  agreement,
  classesOf,
  comparison,
  referenceOf,
  sideBySide,
  type ValueError,
} from '../score.js';
import { type Answer, answerOf, outputSizes } from '../task.js';
import type { Tf, TfTensor } from '../tensorflow.js';
import { type Hooks, type Runner, runnerOf } from '../trace.js';
import { crossEntropy, distillation, scores, soft, squaredError, unitsOf } from '../train/loss.js';
import { isPrunedByDefault, type PrunableLayer, prunableLayers } from './layers.js';
import { masksFor } from './masks.js';
import { nameOf, type Pattern, shareOf } from './patterns.js';
import type { Scores } from './scores.js';

/** A layer pruned in one pattern and share, all others dense, without training after it. */
export interface SensitivityPoint {
  readonly pattern: string;
  /** As asked. */
  readonly share: number;
  /** Share of the layer's weights that were pruned: whole units. */
  readonly pruned: number;
  /** Cross entropy with labels; without them the distance from the dense model's answers. */
  readonly loss: number;
  /** Share of the samples; null without labels. */
  readonly accuracy: number | null;
  /** Share of the samples with the dense model's class; null where there are no classes. */
  readonly agreement: number | null;
  /** Of the scores, in dB; of several outputs the worst. */
  readonly snrDb: number;
  /** null for classes. */
  readonly error: ValueError | null;
}

export interface LayerSensitivity {
  /** Of the node. */
  readonly index: number;
  readonly name: string;
  readonly op: string;
  readonly weights: TensorId;
  readonly count: number;
  readonly points: readonly SensitivityPoint[];
}

export interface Sensitivity {
  readonly samples: number;
  /** Of the dense model. */
  readonly loss: number;
  readonly accuracy: number | null;
  readonly values: ValueError | null;
  readonly layers: readonly LayerSensitivity[];
}

export interface SensitivityOptions {
  readonly patterns: readonly Pattern[];
  /** From above 0 to below 1. N:M has the share that it says. */
  readonly shares: readonly number[];
  readonly scores: Scores;
  /** Default: those that pruning takes by default. */
  readonly layers?: (layer: PrunableLayer) => boolean;
  /** Called after each layer. */
  readonly observe?: (done: number, total: number) => void;
}

const batch = 64;

/**
 * Runs the samples once through the layers before each one, and as often as there are patterns and
 * shares through those behind.
 */
export async function sensitivityOf(
  tf: Tf,
  graph: Graph,
  data: Dataset,
  options: SensitivityOptions,
): Promise<Sensitivity> {
  const answer = answerOf(graph, data);
  const layers = prunableLayers(graph).filter(options.layers ?? isPrunedByDefault);
  const walk = new Walk(tf, answer.graph, data);
  try {
    const dense = walk.answers({});
    const judge = judgeOf(tf, answer, data, dense);
    const found: LayerSensitivity[] = [];
    for (const layer of layers) {
      walk.advance(layer.index);
      const points = pointsOf(graph, layer, options, (weights) => {
        const { shape } = tensorOf(graph, layer.weights);
        return judge(
          walk.answers({
            parameter: (id) => (id === layer.weights ? tf.tensor(weights, [...shape]) : null),
          }),
        );
      });
      const { index, node, weights, count } = layer;
      found.push({ index, name: node.name, op: node.op, weights, count, points });
      options.observe?.(found.length, layers.length);
      // Lets timers, signals and the progress display run.
      await new Promise(setImmediate);
    }
    const { loss, accuracy, error } = judge(dense);
    return { samples: data.count, loss, accuracy, values: error, layers: found };
  } finally {
    walk.dispose();
  }
}

type Judged = Omit<SensitivityPoint, 'pattern' | 'share' | 'pruned'>;

function pointsOf(
  graph: Graph,
  { weights, count }: PrunableLayer,
  { patterns, shares, scores: by }: SensitivityOptions,
  judge: (weights: Float32Array) => Judged,
): readonly SensitivityPoint[] {
  const data = tensorOf(graph, weights).data as Float32Array;
  return patterns.flatMap((pattern) => {
    const own = shareOf(pattern);
    return (own === null ? shares : [own]).map((share) => {
      const plan = new Map([[weights, { pattern, share }]]);
      const mask = masksFor(graph, plan, by).get(weights) as Uint8Array;
      const kept = mask.reduce((sum, one) => sum + one, 0);
      const values = data.map((value, i) => (mask[i] === 0 ? 0 : value));
      return { pattern: nameOf(pattern), share, pruned: 1 - kept / count, ...judge(values) };
    });
  });
}

function judgeOf(
  tf: Tf,
  answer: Answer,
  data: Dataset,
  dense: Answers,
): (answers: Answers) => Judged {
  const { labels } = data;
  const hasClasses = answer.kind !== 'values';
  const sizes = outputSizes(answer.graph);
  const reference = referenceOf(data, dense.values);
  const compare = comparison(dense, sizes, hasClasses ? null : reference);
  const units = hasClasses ? [] : unitsOf(reference.values, sizes);
  const lossOf = (answers: Answers) => {
    const rows = (values: Float32Array) =>
      scores(tf, answer, [tf.tensor(values, [data.count, values.length / data.count])]);
    return tf.tidy(() => {
      const own = rows(answers.values);
      if (!hasClasses) return squaredError(tf, own, rows(reference.values), units).dataSync()[0];
      const wanted = rows(dense.values);
      if (labels === null) return distillation(tf, own, soft(tf, wanted, 1), 1).dataSync()[0];
      return crossEntropy(tf, own, labels).dataSync()[0];
    }) as unknown as number;
  };
  const wanted = classesOf(dense);
  return (answers) => ({
    loss: lossOf(answers),
    accuracy: hasClasses && labels !== null ? agreement(classesOf(answers), labels) : null,
    agreement: hasClasses ? agreement(classesOf(answers), wanted) : null,
    ...compare(answers.values),
  });
}

/** The samples on their way through a graph: what the nodes from `#next` on read. */
class Walk {
  #next = 0;
  /** Tensors of each batch, in the order of the cut before `#next`. */
  #batches: readonly (readonly TfTensor[])[];
  #tail: Runner;
  /** Samples of some graphs do not run together: there nothing can be kept. */
  readonly #canCut: boolean;

  constructor(
    readonly tf: Tf,
    readonly graph: Graph,
    data: Dataset,
  ) {
    const firsts = Array.from({ length: Math.ceil(data.count / batch) }, (_, i) => i * batch);
    this.#batches = firsts.map((first) => batchOf(tf, data, first, batch));
    this.#tail = runnerOf(tf, graph);
    this.#canCut = rebatched(graph, 2) !== null;
  }

  /** Goes on to the input of node `index`, which lies ahead. */
  advance(index: number): void {
    if (!this.#canCut || index === this.#next) return;
    const { tf, graph } = this;
    const runner = runnerOf(tf, between(graph, this.#next, index));
    const next = this.#batches.map((inputs) => {
      // Some tensors only pass through, and would be freed with the old ones.
      const outputs = tf.tidy(() => runner.run(inputs).map((tensor) => tf.clone(tensor)));
      tf.dispose([...inputs]);
      return outputs;
    });
    this.#batches = next;
    this.#next = index;
    this.#tail = runnerOf(tf, between(graph, index, graph.nodes.length));
  }

  /** The graph's outputs, from here on. */
  answers(hooks: Hooks): Answers {
    const { tf } = this;
    const parts = this.#batches.map((inputs) => {
      let size = 0;
      let values = new Float32Array();
      tf.tidy(() => {
        const output = sideBySide(tf, this.#tail.run(inputs, hooks));
        size = output.size / (output.shape[0] ?? 1);
        values = output.dataSync() as Float32Array<ArrayBuffer>;
      });
      return { size, values };
    });
    const values = Float32Array.from(parts.flatMap((part) => [...part.values]));
    // Without the activation that ends the graph, one score above 0 is class 1.
    return { size: parts[0]?.size ?? 1, values, threshold: 0 };
  }

  dispose(): void {
    for (const tensors of this.#batches) this.tf.dispose([...tensors]);
  }
}

/** Nodes `from` … `to` − 1, from the tensors that they read to those that later nodes read. */
function between(graph: Graph, from: number, to: number): Graph {
  const outputs = to === graph.nodes.length ? graph.outputs : cutBefore(graph, to);
  return { ...graph, nodes: graph.nodes.slice(from, to), inputs: cutBefore(graph, from), outputs };
}

/** Inputs of the graph and tensors computed before node `index` that are read from it on. */
function cutBefore({ nodes, inputs, outputs }: Graph, index: number): readonly TensorId[] {
  const made = new Set([...inputs, ...nodes.slice(0, index).flatMap((node) => node.outputs)]);
  const read = [...nodes.slice(index).flatMap((node) => node.inputs), ...outputs];
  return [...new Set(read)].filter((id): id is TensorId => id !== null && made.has(id));
}
