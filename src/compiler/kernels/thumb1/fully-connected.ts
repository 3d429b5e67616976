/**
 * Fully connected layers of few outputs: a dot product each, two products at a time.
 *
 * A word holds two inputs, a + 2^16 b, another one their weights the other way round, p + 2^16 q:
 * modulo 2^32 their product is a p + 2^16 (a q + b p). All four are int8, so a p + 2^15 lies within 0
 * and 2^16 − 1 and nothing is carried into the upper half, which holds a q + b p unless that leaves
 * 16 bits. It does so only if both products are −128 · −128.
 */
import type { NodeView } from '../../ir/graph.js';
import { type AccumulationAttrs, weightRows } from '../../ops/arithmetic/accumulation.js';
import { inputOf } from '../../ops/shape/operands.js';
import { type Convolution, pixelsOf } from '../layout/convolution.js';
import { windowLead } from '../layout/overlap.js';
import {
  type RescaleStage,
  rescaleOperands,
  rescaleStage,
  rescaleWork,
  stageRole,
} from '../swar/layer.js';
import { type KernelCall, type KernelVariant, once } from '../variant.js';

/** With more, kernels that multiply several channels at once are faster. */
const mostChannels = 4;

const cyclesPerOutput = { rescaled: 45, lifted: 55, requantized: 125 } as const;

/** @param describe as rows of pixels */
export function dotRows<A extends AccumulationAttrs>(
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  return {
    template: 'thumb1/fully_connected',
    needs: ['mul32', 'thumb1'],
    match(view, context) {
      const layer = describe(view);
      const { shape, filters } = layer;
      const { channels, depth } = filters;
      // Constants begin anywhere, all other tensors at words of the arena.
      const isAligned = depth % 4 === 0 && inputOf(view, 0).data === null;
      if (channels > mostChannels || !isAligned) return null;
      const rows = weightRows(view, filters);
      if (!isExact(rows)) return null;
      const outputs = once(() => rescaleStage(view, context, layer));
      return {
        scratchBytes: 0,
        weightPasses: pixelsOf(shape),
        overlaps: [{ input: 0, lead: windowLead(shape), exact: false }],
        work() {
          const count = pixelsOf(shape) * channels;
          return {
            words: { count: (count * depth) / 4, cycles: 19.8 },
            ...rescaleWork(outputs(), count, cyclesPerOutput),
            rows: { count: pixelsOf(shape), cycles: 100 },
          };
        },
        calls: () => [callOf(layer, rows, outputs())],
      };
    },
  };
}

/** Whether no upper half leaves 16 bits. @param rows whole words of weights */
export function isExact(rows: Int8Array): boolean {
  return rows.every((weight, i) => weight > -128 || (i & 2) !== 0 || rows[i + 2] !== -128);
}

/** Two words for each four weights: 2 and 0, then 3 and 1. */
function packed(rows: Int8Array): Int32Array {
  return Int32Array.from({ length: rows.length / 2 }, (_, i) => {
    const first = (i >> 1) * 4 + (i & 1);
    return (rows[first + 2] as number) + (rows[first] as number) * 65536;
  });
}

function callOf(layer: Convolution, rows: Int8Array, outputs: RescaleStage): KernelCall {
  const { shape, filters } = layer;
  const operands = rescaleOperands(layer, outputs.rescale, outputs.words);
  const { stage_words: _, ...numbers } = operands.numbers;
  return {
    inputs: [0],
    outputs: [0],
    flags: operands.flags,
    numbers: {
      ...numbers,
      rows: pixelsOf(shape),
      words: filters.depth / 4,
      channels: filters.channels,
    },
    tables: {
      ...operands.tables,
      weights: { data: packed(rows), role: 'weights' },
      starts: { data: outputs.starts, role: stageRole(layer) },
    },
  };
}
