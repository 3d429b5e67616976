/** Learned rounding of quantized weights. */
import { BonsaiError } from '../../errors.js';
import { tensorOf } from '../../ir/graph.js';
import { referenceOf } from '../candidate.js';
import { biasCorrected } from '../quantize/bias.js';
import { learnedRounding } from '../quantize/round.js';
import type { Step } from './step.js';

export const roundStep: Step<'round'> = {
  async run(candidate, { step: _, ...options }, { tf, data, seed }, say) {
    if (candidate.quantization === null) {
      const hint = 'put the step "quantize" before it';
      throw new BonsaiError('usage', 'step "round"', 'finds a model without scales', hint);
    }
    const { quantization, unrounded } = candidate;
    // Biases that are corrected for other integers would count as errors: they are corrected after.
    const reference = referenceOf(candidate);
    const start = { ...candidate, graph: reference };
    const all = { ...options, seed };
    const rounded = await learnedRounding(tf, start, reference, data.calibration, all, say);
    const { graph } = rounded.candidate;
    const final =
      unrounded === undefined
        ? graph
        : biasCorrected(tf, graph, quantization, data.calibration, reference);
    const notes = rounded.layers.map(({ name, nearest, learned }) => {
      const share = nearest === 0 ? 1 : learned / nearest;
      return `${name}: ${(100 * share).toFixed(0)} % of the noise that nearest integers make`;
    });
    const weights = rounded.layers.map(({ weights: id }) => id);
    const kept = weights.map((id) => [id, tensorOf(reference, id).data as Float32Array] as const);
    const made = {
      ...candidate,
      graph: final,
      unrounded: new Map([...(unrounded ?? []), ...kept]),
    };
    return { candidate: made, notes };
  },
};
