/** Whether a fake-quantized graph computes what the device does, element by element. */
import { type Graph, type Tensor, type TensorId, tensorOf } from '../../compiler/ir/graph.js';
import type { Candidate } from '../candidate.js';
import type { Dataset } from '../data/dataset.js';
import { integerRunner } from '../integer.js';
import { quantizedSamples } from '../score.js';
import type { Tf } from '../tensorflow.js';
import { constantOf, runnerOf } from '../trace.js';
import { fakeQuantizer } from './fake.js';
import type { Integers } from './lower.js';
import { batchOf } from './observe.js';

export interface LayerAgreement {
  /** Index of the node. */
  readonly index: number;
  readonly name: string;
  readonly op: string;
  /** Of all outputs over all samples. */
  readonly elements: number;
  /** How many of them differ, and by how many integers at most. */
  readonly differing: number;
  readonly most: number;
}

const batch = 64;

/**
 * Compares each output of a trained, fake-quantized candidate with the graph of integers that `lower`
 * made of it, over all samples. Both compute all layers from the samples: a difference can follow
 * from an earlier one.
 */
export function agreementOf(
  tf: Tf,
  { graph, quantization }: Candidate,
  integer: Graph,
  data: Dataset,
): readonly LayerAgreement[] {
  if (quantization === null) throw new RangeError('a candidate without scales is not quantized');
  const quantizer = fakeQuantizer(tf, graph, quantization);
  const runner = runnerOf(tf, graph);
  const device = integerRunner(tf, integer);
  const found = new Map<TensorId, { elements: number; differing: number; most: number }>();
  for (let first = 0; first < data.count; first += batch) {
    const count = Math.min(batch, data.count - first);
    const wanted = device.run(quantizedSamples(integer, data, first, count), count);
    tf.tidy(() => {
      const hooks = quantizer.hooks((id) => constantOf(tf, tensorOf(graph, id)));
      const seen = new Map<TensorId, number[]>();
      runner.run(batchOf(tf, data, first, count), {
        ...hooks,
        computed(id, value) {
          const kept = hooks.computed?.(id, value) ?? value;
          const raw = rawOf(kept.dataSync() as Float32Array, tensorOf(integer, id));
          // Samples that do not run together come one after the other.
          seen.set(id, [...(seen.get(id) ?? []), ...raw]);
          return kept;
        },
      });
      for (const [id, raw] of seen) note(found, id, raw, wanted.get(id) as Integers);
    });
  }
  tf.dispose([...quantizer.variables.values()]);
  return integer.nodes.flatMap(({ name, op, outputs }, index) =>
    outputs.map((id) => ({ index, name, op, ...(found.get(id) ?? nothing) })),
  );
}

const nothing = { elements: 0, differing: 0, most: 0 };

function note(
  found: Map<TensorId, { elements: number; differing: number; most: number }>,
  id: TensorId,
  raw: readonly number[],
  wanted: Integers,
): void {
  const sum = found.get(id) ?? { ...nothing };
  found.set(id, sum);
  sum.elements += wanted.length;
  wanted.forEach((value, i) => {
    const distance = Math.abs(value - (raw[i] ?? Number.NaN));
    if (distance === 0) return;
    sum.differing += 1;
    sum.most = Math.max(sum.most, distance);
  });
}

function rawOf(real: Float32Array, { quant }: Tensor): Float32Array {
  const { scales: [scale = 1] = [], zeroPoints: [zeroPoint = 0] = [] } = quant ?? {};
  return real.map((value) => Math.round(value / scale) + zeroPoint);
}
