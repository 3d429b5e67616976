/** The error for outputs that differ from the expected ones. */
import { BonsaiError } from '../errors.js';
import type { Report } from './types.js';

/**
 * @param where text after the model's name: where it ran
 * @returns 'outputs-differ'; null if all vectors agree, or none ran
 */
export function outputsDiffer({ model, verify }: Report, where = ''): BonsaiError | null {
  if (verify === null || verify.mismatches === 0) return null;
  const layer = verify.firstDivergingLayer;
  return new BonsaiError(
    'outputs-differ',
    `${model.name}${where}`,
    `${verify.mismatches} of ${verify.vectors} vectors differ` +
      (layer === null ? '' : `, first at layer ${layer.index} (${layer.op}) "${layer.name}"`),
    layer === null
      ? 'every layer gives the bits of --rounding: check the expected outputs; those of an interpreter on the desktop need --rounding xnnpack, tflite or tflite-portable'
      : 'please report this with the model',
  );
}
