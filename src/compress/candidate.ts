/** A model on its way from float to what the board gets: what every step of compression changes. */
import type { Graph, TensorId } from '../ir/graph.js';
import type { Quantization } from './quantize/scheme.js';

/** Which weights are kept: 1, or pruned: 0. */
export type Masks = ReadonlyMap<TensorId, Uint8Array>;

export interface Candidate {
  /** In float32; it has come through `separated`. Weights that masks prune are 0. */
  readonly graph: Graph;
  readonly masks: Masks;
  /** null: not quantized yet. */
  readonly quantization: Quantization | null;
}
