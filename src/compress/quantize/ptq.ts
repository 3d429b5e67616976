/** Post-training quantization: a float graph and samples → scales → an int8 module. */
import { type Graph, type TensorId, tensorOf } from '../../ir/graph.js';
import { weighted } from '../float-graph.js';
import { type CalibrationMethod, calibrated } from './calibrate.js';
import type { Observation } from './observe.js';
import {
  activationQuants,
  type Quantization,
  scaleAxis,
  type WeightQuant,
  type WeightType,
  weightQuant,
} from './scheme.js';

export interface QuantizeOptions {
  readonly calibration: CalibrationMethod;
  readonly weights: WeightType;
}

/** Scales for a graph that came through `separated`, from its observation. */
export function quantizationOf(
  graph: Graph,
  observation: Observation,
  { calibration, weights }: QuantizeOptions,
): Quantization {
  const ranges = new Map([...observation].map(([id, seen]) => [id, calibrated(seen, calibration)]));
  const scales = new Map<TensorId, WeightQuant>();
  for (const node of graph.nodes) {
    const id = node.inputs[1] ?? null;
    if (!weighted.has(node.op) || id === null || scales.has(id)) continue;
    scales.set(id, weightQuant(tensorOf(graph, id), scaleAxis(node), weights));
  }
  return { activations: activationQuants(graph, ranges), weights: scales };
}
