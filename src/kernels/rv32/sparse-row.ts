/** Fully connected layers of one row whose nonzero weights are code (row-code.ts). */
import type { NodeView } from '../../ir/graph.js';
import {
  type AccumulationAttrs,
  biasesFor,
  weightRows,
} from '../../ops/arithmetic/accumulation.js';
import { hasResidual } from '../../ops/arithmetic/residual.js';
import type { Convolution } from '../layout/convolution.js';
import { highMultiplies } from '../layout/high-multiply.js';
import { type KernelVariant, once } from '../variant.js';
import { codeRow, groupChannels } from './row-code.js';
import { highStages, isLifted } from './stage.js';

/** The kernel has a sum on the stack for each channel of a call. */
const callChannels = 3 * groupChannels;
/** More code than the RAM of any chip holds, and than is made in a moment. */
const mostWeights = 2 ** 16;

export function rv32SparseRow<A extends AccumulationAttrs>(
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  return {
    template: 'rv32/sparse_fully_connected',
    needs: ['mul32', 'rv32'],
    skipsZeros: true,
    match(view, { facts }) {
      if (!when(view) || hasResidual(view)) return null;
      const { filters, stage } = describe(view);
      const { channels, depth } = filters;
      const weights = weightRows(view, filters);
      if (nonzero(weights) > mostWeights) return null;
      const multiplies = highMultiplies(stage, facts.accumulator(view));
      if (multiplies === null) return null;
      const rows = Array.from({ length: channels }, (_, channel) =>
        weights.subarray(channel * depth, (channel + 1) * depth),
      );
      const firsts = Array.from(
        { length: Math.ceil(channels / callChannels) },
        (_, i) => i * callChannels,
      );
      const routines = once(() =>
        firsts.map((first) => codeRow(rows.slice(first, first + callChannels))),
      );
      return {
        scratchBytes: 0,
        overlaps: [],
        work: () => ({
          code: { count: routines().reduce((sum, { cycles }) => sum + cycles, 0), cycles: 1 },
          outputs: { count: channels, cycles: 20 },
        }),
        calls() {
          const biases = biasesFor(view, filters, true);
          return firsts.map((first, i) => {
            const end = first + callChannels;
            const stages = highStages(multiplies.slice(first, end), biases.slice(first, end));
            return {
              ...{ inputs: [0], outputs: [0], outputBytes: first },
              flags: { lifted: multiplies.slice(first, end).some(isLifted) },
              numbers: {
                channels: Math.min(callChannels, channels - first),
                most_channels: callChannels,
              },
              tables: { stage: { ...stages, role: 'weights' } },
              routines: { routine: routines()[i] as ReturnType<typeof codeRow> },
            };
          });
        },
      };
    },
  };
}

function nonzero(weights: Int8Array): number {
  return weights.reduce((sum, weight) => sum + (weight === 0 ? 0 : 1), 0);
}
