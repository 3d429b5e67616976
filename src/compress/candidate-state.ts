/** Candidates as checkpoints, to the bit. */
import {
  allocate,
  elementCount,
  type Graph,
  rawBytes,
  type Tensor,
  type TensorData,
} from '../compiler/ir/graph.js';
import type { Candidate } from './candidate.js';
import type { Quantization } from './quantize/scheme.js';
import type { Checkpoint } from './train/checkpoint.js';

type Entries<M> = M extends ReadonlyMap<infer K, infer V> ? readonly (readonly [K, V])[] : never;

interface Kept {
  /** Without elements; integers, which float32 may not hold, as hexadecimal bytes. */
  readonly graph: Omit<Graph, 'tensors'> & {
    readonly tensors: readonly (Omit<Tensor, 'data'> & { readonly hex: string | null })[];
  };
  readonly quantization: { readonly [K in keyof Quantization]: Entries<Quantization[K]> } | null;
}

/** @param extra plain data to keep beside the candidate */
export function checkpointOf(
  { graph, masks, quantization, unrounded }: Candidate,
  extra: Checkpoint['progress'],
): Checkpoint {
  const arrays = new Map<string, Float32Array>();
  graph.tensors.forEach(({ data }, id) => {
    if (data instanceof Float32Array) arrays.set(`tensor/${id}`, data);
  });
  for (const [id, mask] of masks) arrays.set(`mask/${id}`, Float32Array.from(mask));
  for (const [id, values] of unrounded ?? []) arrays.set(`unrounded/${id}`, values);
  const kept: Kept = {
    graph: {
      ...graph,
      tensors: graph.tensors.map(({ data, ...tensor }) => {
        const isOther = data !== null && !(data instanceof Float32Array);
        return { ...tensor, hex: isOther ? Buffer.from(rawBytes(data)).toString('hex') : null };
      }),
    },
    quantization:
      quantization === null
        ? null
        : { activations: [...quantization.activations], weights: [...quantization.weights] },
  };
  return { progress: { ...extra, candidate: kept }, arrays };
}

export function candidateOf({ progress, arrays }: Checkpoint): Candidate {
  const { graph, quantization } = progress.candidate as Kept;
  const tensors = graph.tensors.map(({ hex, ...tensor }, id) => {
    const data = hex === null ? (arrays.get(`tensor/${id}`) ?? null) : elements(tensor, hex);
    return { ...tensor, data };
  });
  const arraysOf = (kind: string) =>
    [...arrays].flatMap(([name, array]) =>
      name.startsWith(`${kind}/`) ? [[Number(name.slice(kind.length + 1)), array] as const] : [],
    );
  const masks = arraysOf('mask').map(([id, mask]) => [id, Uint8Array.from(mask)] as const);
  const unrounded = arraysOf('unrounded');
  return {
    graph: { ...graph, tensors },
    masks: new Map(masks),
    ...(unrounded.length === 0 ? {} : { unrounded: new Map(unrounded) }),
    quantization:
      quantization === null
        ? null
        : {
            activations: new Map(quantization.activations),
            weights: new Map(quantization.weights),
          },
  };
}

function elements({ dtype, shape }: Pick<Tensor, 'dtype' | 'shape'>, hex: string): TensorData {
  const data = allocate(dtype, elementCount(shape));
  rawBytes(data).set(Buffer.from(hex, 'hex'));
  return data;
}
