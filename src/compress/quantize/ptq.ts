/** Post-training quantization: a float graph and samples → scales. */
import { type Graph, type TensorId, tensorOf } from '../../compiler/ir/graph.js';
import { nodeNames, weighted } from '../float-graph.js';
import { type CalibrationMethod, calibrated } from './calibrate.js';
import type { Observation } from './observe.js';
import {
  activationQuants,
  type Quantization,
  scaleAxis,
  type TensorTypes,
  tiesOf,
  type WeightQuant,
  type WeightType,
  weightQuant,
} from './scheme.js';

/** What is another for one layer. */
export interface LayerOptions {
  readonly calibration?: CalibrationMethod | undefined;
  /** A scale for each output of a fully connected layer. */
  readonly perChannel?: boolean | undefined;
}

export interface QuantizeOptions {
  readonly calibration: CalibrationMethod;
  readonly weights: WeightType;
  /** By the names of nodes (`nodeNames`). */
  readonly layers?: Readonly<Record<string, LayerOptions>> | undefined;
  /** Of activations; absent: all are int8. */
  readonly types?: TensorTypes | undefined;
}

/** Scales for a graph that came through `separated`, from its observation. */
export function quantizationOf(
  graph: Graph,
  observation: Observation,
  { calibration, weights, layers = {}, types = new Map() }: QuantizeOptions,
): Quantization {
  const own = new Map(Object.entries(layers));
  const names = nodeNames(graph);
  const ties = tiesOf(graph);
  const methods = new Map<TensorId, CalibrationMethod>();
  const scales = new Map<TensorId, WeightQuant>();
  graph.nodes.forEach((node, index) => {
    const { calibration: method, perChannel = false } = own.get(names[index] ?? '') ?? {};
    if (method !== undefined) for (const out of node.outputs) methods.set(ties.leader(out), method);
    const id = node.inputs[1] ?? null;
    const axis = weighted.get(node.op);
    if (axis === undefined || id === null || scales.has(id)) return;
    scales.set(id, weightQuant(tensorOf(graph, id), perChannel ? axis : scaleAxis(node), weights));
  });
  const ranges = new Map(
    [...observation].map(([id, seen]) => [
      id,
      calibrated(seen, methods.get(ties.leader(id)) ?? calibration, types.get(id)),
    ]),
  );
  return { activations: activationQuants(graph, ranges, types), weights: scales };
}
