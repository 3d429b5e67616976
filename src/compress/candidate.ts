/** A model on its way from float to what the board gets: what every step of compression changes. */
import type { Graph, TensorId } from '../compiler/ir/graph.js';
import { type Values, withValues } from './float-graph.js';
import type { Quantization } from './quantize/scheme.js';

/** Which weights are kept: 1, or pruned: 0. */
export type Masks = ReadonlyMap<TensorId, Uint8Array>;

export interface Candidate {
  /** In float32; it has come through `separated`. Weights that masks prune are 0. */
  readonly graph: Graph;
  readonly masks: Masks;
  /** null: not quantized yet. */
  readonly quantization: Quantization | null;
  /**
   * Weights and biases as they were before quantization rounded or corrected them; absent: as they
   * are in `graph`.
   */
  readonly unrounded?: Values;
}

/** The float graph that a candidate's quantization stands for. */
export function referenceOf({ graph, unrounded = new Map() }: Candidate): Graph {
  return withValues(graph, unrounded);
}
