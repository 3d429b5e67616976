/** Where quantization loses signal and answers: each layer alone, and all layers but one. */
import { type Graph, type TensorId, tensorOf } from '../../compiler/ir/graph.js';
import { isReshape } from '../../compiler/ops/shape/same-elements.js';
import { type Dataset, thinned } from '../data/dataset.js';
import { fakeQuantizer } from '../quantize/fake.js';
import { layerNoise } from '../quantize/noise.js';
import { tensorElements } from '../quantize/observe.js';
import type { Quantization } from '../quantize/scheme.js';
import { agreement, classesOf, floatAnswers, signalToNoise } from '../score.js';
import { answerOf } from '../task.js';
import type { Tf } from '../tensorflow.js';
import { constantOf, type Hooks } from '../trace.js';

/** A graph in float32, with the scales that it gets in int8. */
export interface Twin {
  readonly float: Graph;
  /** With its weights rounded and its biases corrected, where that was done. */
  readonly graph: Graph;
  readonly quantization: Quantization;
}

export interface ExplainedLayer {
  /** Index of the node. */
  readonly index: number;
  readonly name: string;
  readonly op: string;
  /** Signal to noise of the layer's output with this layer quantized alone, in dB. */
  readonly ownDb: number;
  /** The same with all layers before it, in int8. */
  readonly accumulatedDb: number;
  /** Signal to noise of the model's scores with this layer quantized alone, in dB. */
  readonly scoresDb: number;
  /**
   * What the share of right answers gains if all layers but this are quantized; without labels, of
   * answers as in float. null for models without classes.
   */
  readonly gain: number | null;
}

/** Samples whose tensors are compared, and samples whose answers are, at most. */
const [mostTensors, mostAnswers] = [32, 512];

/** @param integer the int8 graph of the twin */
export function explainLayers(
  tf: Tf,
  twin: Twin,
  integer: Graph,
  test: Dataset,
): readonly ExplainedLayer[] {
  const few = thinned(test, mostTensors);
  const many = thinned(test, mostAnswers);
  const accumulated = layerNoise(tf, twin.float, integer, few);
  const partly = partialQuantizer(tf, twin);
  const outputs = twin.float.nodes.flatMap((node) => node.outputs.slice(0, 1));
  const [scores = 0] = answerOf(twin.float, test).graph.outputs;
  const wanted = tensorElements(tf, twin.float, few, [...outputs, scores]);
  const right = rightAnswers(tf, twin, many);
  const whole = right?.(partly.hooks(() => true)) ?? null;
  const layers = twin.float.nodes.flatMap((node, index) => {
    const [output] = node.outputs;
    if (output === undefined || isReshape(node)) return [];
    const alone = partly.hooks((one) => one === index);
    const without = whole === null ? null : right?.(partly.hooks((one) => one !== index));
    const own = tensorElements(tf, twin.graph, few, [output, scores], alone);
    const snrOf = (id: TensorId) =>
      signalToNoise(wanted.get(id) as Float32Array, own.get(id) as Float32Array);
    return {
      index,
      name: node.name,
      op: node.op,
      ownDb: snrOf(output),
      accumulatedDb: accumulated[index]?.snrDb ?? Number.POSITIVE_INFINITY,
      scoresDb: snrOf(scores),
      gain: whole === null || typeof without !== 'number' ? null : without - whole,
    };
  });
  partly.dispose();
  return layers;
}

/** Quantizes some nodes of a graph: their weights, biases and outputs. */
export interface PartialQuantizer {
  hooks(isQuantized: (index: number) => boolean): Hooks;
  dispose(): void;
}

export function partialQuantizer(tf: Tf, { float, graph, quantization }: Twin): PartialQuantizer {
  const quantizer = fakeQuantizer(tf, graph, quantization);
  const all = quantizer.hooks((id) => constantOf(tf, tensorOf(graph, id)));
  return {
    hooks(isQuantized) {
      const chosen = new Set<TensorId>();
      graph.nodes.forEach(({ inputs, outputs }, index) => {
        if (!isQuantized(index)) return;
        for (const id of outputs) chosen.add(id);
        for (const id of inputs)
          if (id !== null && tensorOf(graph, id).data !== null) chosen.add(id);
      });
      return {
        computed: (id, value) => (chosen.has(id) ? (all.computed?.(id, value) ?? value) : value),
        parameter: (id) =>
          chosen.has(id) ? (all.parameter?.(id) ?? null) : constantOf(tf, tensorOf(float, id)),
      };
    },
    dispose: () => tf.dispose([...quantizer.variables.values()]),
  };
}

/** Scores before the activation that ends the graph. */
export function scoresOf(tf: Tf, graph: Graph, data: Dataset, hooks: Hooks): Float32Array {
  const open = answerOf(graph, data).graph;
  return floatAnswers(tf, open, data, hooks).values;
}

/** The share of right answers, or of answers as in float; null for models without classes. */
function rightAnswers(tf: Tf, { float, graph }: Twin, data: Dataset) {
  const { kind } = answerOf(float, data);
  if (kind === 'values') return null;
  const known = data.labels ?? classesOf(floatAnswers(tf, float, data));
  return (hooks: Hooks) => agreement(classesOf(floatAnswers(tf, graph, data, hooks)), known);
}
