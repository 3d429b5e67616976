/** Learned rounding of quantized weights. */

import { tensorOf } from '../../compiler/ir/graph.js';
import { BonsaiError } from '../../errors.js';
import { snrScorer } from '../assess.js';
import { referenceOf } from '../candidate.js';
import { biasCorrected, biasesOf } from '../quantize/bias.js';
import { learnedRounding } from '../quantize/round.js';
import type { Step } from './step.js';

export const roundStep: Step<'round'> = {
  async run(candidate, { step: _, ...options }, surroundings, say) {
    const { tf, data, seed } = surroundings;
    const { quantization } = candidate;
    if (quantization === null) {
      const hint = 'put the step "quantize" before it';
      throw new BonsaiError('usage', 'step "round"', 'finds a model without scales', hint);
    }
    // Corrected biases would count as errors: those in float are learned with the weights.
    const reference = referenceOf(candidate);
    const start = { ...candidate, graph: reference };
    const all = { ...options, seed };
    const rounded = await learnedRounding(tf, start, reference, data.calibration, all, say);
    const notes = rounded.layers.map(({ name, nearest, learned }) => {
      const share = nearest === 0 ? 1 : learned / nearest;
      return `${name}: ${(100 * share).toFixed(0)} % of the noise that nearest integers make`;
    });
    const weights = rounded.layers.map(({ weights: id }) => id);
    const kept = weights.map((id) => [id, tensorOf(reference, id).data as Float32Array] as const);
    const unrounded = new Map([...biasesOf(reference), ...kept]);
    const made = { ...rounded.candidate, unrounded };
    const graph = await biasCorrected(tf, made.graph, quantization, data.calibration, {
      reference,
    });
    const corrected = { ...made, graph };
    const score = snrScorer(surroundings, reference);
    const [snrDb, correctedDb] = [score(made), score(corrected)];
    if (!(correctedDb > snrDb)) return { candidate: made, notes };
    const gain = (correctedDb - snrDb).toFixed(1);
    return { candidate: corrected, notes: [...notes, `biases corrected again: +${gain} dB`] };
  },
};
