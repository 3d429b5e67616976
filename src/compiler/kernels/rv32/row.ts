/** Layers of one output pixel whose nonzero weights are RV32IM code (row-code.ts). */
import { biasesFor } from '../../ops/arithmetic/accumulation.js';
import { partsOf, rowKernel } from '../routines/row.js';
import { codeRow, groupChannels } from './row-code.js';
import { channelMultiplies, highStages, scalingWords, stageFlags } from './stage.js';

const callChannels = 3 * groupChannels;

export const rv32Row = rowKernel({
  traits: { template: 'rv32/row', needs: ['mul32', 'rv32'], skipsZeros: true },
  callChannels,
  code: codeRow,
  stagesOf(view, { filters, stage }, context) {
    const multiplies = channelMultiplies(view, stage, context);
    if (multiplies === null) return null;
    const biases = biasesFor(view, filters, true);
    return partsOf(0, multiplies.length, callChannels).map(({ first, channels }) => {
      const own = multiplies.slice(first, first + channels);
      const tables = { stage: highStages(own, biases.slice(first, first + channels)) };
      const words = { scaling: scalingWords(own) };
      const call = { flags: stageFlags(own), words, numbers: {}, tables };
      return { ...{ first, channels }, ...{ term: 'outputs', cycles: 20 }, call };
    });
  },
});
