/** TensorFlow.js's model.json, of layers or of a frozen graph → graph, names of inputs and outputs. */
import type { Module } from '../../ir/graph.js';
import type { Rounding } from './build.js';
import { fold } from './fold.js';
import { missing } from './graph-def.js';
import { importGraphModel } from './graph-model.js';
import { importLayers } from './keras.js';
import { type ReadBeside, readModel } from './read.js';

export { isTfjs, type ReadBeside } from './read.js';

/**
 * The float module, and the bytes of its weights. Normalization is folded into the layers before
 * it.
 *
 * @throws BonsaiError with exit status 2
 */
export function importTfjs(
  bytes: Uint8Array,
  options: { readonly where: string; readonly rounding: Rounding; readonly beside: ReadBeside },
): {
  readonly module: Pick<Module, 'graphs' | 'inputNames' | 'outputNames'>;
  readonly shards: readonly Uint8Array[];
} {
  const raw = readModel(bytes, options.where, options.beside);
  const isGraph = raw.topology.raw('node') !== undefined;
  const read = isGraph ? importGraphModel : importLayers;
  const { graph, inputNames, outputNames } = read(raw, options.rounding);
  for (const [what, list] of Object.entries({ inputs: graph.inputs, outputs: graph.outputs })) {
    if (list.length === 0) throw missing(options.where, `has no ${what}`);
  }
  return { module: { graphs: [fold(graph)], inputNames, outputNames }, shards: raw.shards };
}
