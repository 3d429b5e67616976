/** Inputs and outputs as the user sees them. */
import { byteCount, type Graph, type TensorId, tensorOf } from '../ir/graph.js';
import { perTensor } from '../ops/arithmetic/quant.js';
import type { IoTensor, Placement } from './types.js';

const keywords: ReadonlySet<string> = new Set(
  (
    'auto break case char const continue default do double else enum extern float for goto if ' +
    'inline int long register restrict return short signed sizeof static struct switch typedef ' +
    'union unsigned void volatile while'
  ).split(' '),
);

/** C identifiers for names, in their order: valid, not keywords, distinct in capitals too. */
export function identifiers(names: readonly string[]): readonly string[] {
  const taken = new Set<string>();
  return names.map((name) => {
    const words = name.replace(/[^A-Za-z0-9]+/g, '_').replace(/^_+|_+$/g, '');
    const isFree = /^[A-Za-z]/.test(words) && !keywords.has(words);
    const stem = words === '' ? 't' : isFree ? words : `t_${words}`;
    let identifier = stem;
    for (let n = 2; taken.has(identifier.toLowerCase()); n++) identifier = `${stem}_${n}`;
    taken.add(identifier.toLowerCase());
    return identifier;
  });
}

/** The inputs or outputs `ids`; `placements` holds each of them. */
export function ioTensors(
  graph: Graph,
  ids: readonly TensorId[],
  names: readonly string[],
  cNames: readonly string[],
  placements: ReadonlyMap<TensorId, Placement>,
): readonly IoTensor[] {
  return ids.map((id, position) => {
    const tensor = tensorOf(graph, id);
    return {
      name: names[position] ?? tensor.name,
      identifier: cNames[position] ?? `t_${position}`,
      tensor: id,
      dtype: tensor.dtype,
      shape: tensor.shape,
      ...perTensor(tensor, tensor.name),
      offset: placements.get(id)?.offset ?? 0,
      bytes: byteCount(tensor),
    };
  });
}
