/** A layer in int16, as a change of a quantization that leaves all else as it is. */
import type { Graph, TensorId } from '../../compiler/ir/graph.js';
import { nodeNames } from '../float-graph.js';
import type { Observation } from '../quantize/observe.js';
import {
  type ActivationQuant,
  activationQuants,
  isCopying,
  tiesOf,
  widenedQuant,
  widenedTensors,
} from '../quantize/scheme.js';
import { hasWideKernel, isConversion, withTypes } from '../quantize/types.js';
import type { Twin } from './layers.js';

export interface Wider {
  readonly twin: Twin;
  /** Whether layers that read its output are int16 too: otherwise the output would be int8 again. */
  readonly withReaders: boolean;
  /** Of the step `quantize`. */
  readonly layers: Readonly<Record<string, { activations: 'int16'; calibration?: 'min-max' }>>;
}

/** null where all of them are int16 already, or the layer has no int16 kernel. */
export function wider(twin: Twin, index: number, seen: Observation): Wider | null {
  const { float, quantization } = twin;
  const typeOf = (id: TensorId | undefined) => quantization.activations.get(id ?? -1)?.type;
  const node = float.nodes[index];
  if (node === undefined || !hasWideKernel(node)) return null;
  const readers = node.outputs.flatMap((id) => [...readersOf(float, id)]);
  const wanted = new Set([index, ...readers]);
  const names = nodeNames(float);
  const isWide = (at: number) => typeOf(float.nodes[at]?.outputs[0]) === 'int16';
  if ([...wanted].every(isWide)) return null;
  const layers = Object.fromEntries(
    float.nodes.flatMap((one, at) => {
      // 65 536 steps leave nothing to gain by clipping.
      const settings = { activations: 'int16', calibration: 'min-max' } as const;
      if (wanted.has(at) && !isWide(at)) return [[names[at], settings]];
      const isNamed = isWide(at) && !isCopying(one) && !isConversion(one);
      return isNamed ? [[names[at], { activations: 'int16' }]] : [];
    }),
  );
  const options = { activations: 'int8', layers } as const;
  const { graph: typed, types } = withTypes(float, options);
  const { graph } = withTypes(twin.graph, options);
  const activations = requantized(typed, types, quantization.activations, seen);
  const tried = { float: typed, graph, quantization: { ...quantization, activations } };
  return { twin: tried, withReaders: readers.length > 0, layers };
}

/** Indices of the layers that read a tensor, also behind what copies it, and have int16 kernels. */
function readersOf({ nodes, ...rest }: Graph, id: TensorId): ReadonlySet<number> {
  const found = nodes.flatMap((node, index) => {
    if (!node.inputs.includes(id)) return [];
    const passesOn = isCopying(node) || isConversion(node);
    if (passesOn) return node.outputs.flatMap((out) => [...readersOf({ nodes, ...rest }, out)]);
    return hasWideKernel(node) ? [index] : [];
  });
  return new Set(found);
}

/** The quantization as before, but for tensors whose type is another, and for conversions. */
function requantized(
  graph: Graph,
  types: ReturnType<typeof withTypes>['types'],
  before: ReadonlyMap<TensorId, ActivationQuant>,
  seen: Observation,
): ReadonlyMap<TensorId, ActivationQuant> {
  const ties = tiesOf(graph);
  const sources = new Map(
    graph.nodes
      .filter(isConversion)
      .map(({ inputs: [from = null], outputs: [to = 0] }) => [to, from as TensorId] as const),
  );
  const ranges = new Map([...seen]);
  for (const [to, from] of sources) {
    const range = seen.get(from);
    if (range !== undefined) ranges.set(to, range);
  }
  const fresh = activationQuants(graph, ranges, types);
  const widened = widenedTensors(graph, (id) => types.get(id) ?? 'int8');
  const quantOf = (id: TensorId, given: ActivationQuant): ActivationQuant => {
    const narrow = widened.get(ties.leader(id));
    const own = before.get(sources.get(id) ?? id);
    if (narrow !== undefined) return widenedQuant(before.get(narrow) ?? given);
    return own?.type === given.type ? own : given;
  };
  return new Map([...fresh].map(([id, given]) => [id, quantOf(id, given)] as const));
}
