/** Weights that are mostly zero or need few bits: formats, and the kernels that read them. */
export { packedKernel } from './kernel.js';
export { decode, encode, type PackedChoice, packedChoice } from './packed.js';
export { pairKernel } from './pair-kernel.js';
