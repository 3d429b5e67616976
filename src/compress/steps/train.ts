/** Training: in float32, or fake-quantized behind the step `quantize`; pruned weights stay 0. */
import type { Step } from './step.js';
import { trained } from './training.js';

export const trainStep: Step<'train'> = {
  run: (candidate, ...rest) => trained([candidate], ...rest),
};
