/** Learned rounding of quantized weights. */
import { BonsaiError } from '../../errors.js';
import { learnedRounding } from '../quantize/round.js';
import type { Step } from './step.js';

export const roundStep: Step<'round'> = {
  async run(candidate, { step: _, ...options }, { tf, data, seed }, say) {
    if (candidate.quantization === null) {
      const hint = 'put the step "quantize" before it';
      throw new BonsaiError('usage', 'step "round"', 'finds a model without scales', hint);
    }
    // The float graph with this candidate's weights: equalization may have moved its channels.
    const reference = candidate.graph;
    const all = { ...options, seed };
    const rounded = await learnedRounding(tf, candidate, reference, data.calibration, all, say);
    const notes = rounded.layers.map(({ name, nearest, learned }) => {
      const share = nearest === 0 ? 1 : learned / nearest;
      return `${name}: ${(100 * share).toFixed(0)} % of the noise that nearest integers make`;
    });
    return { candidate: rounded.candidate, notes };
  },
};
