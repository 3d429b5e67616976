/** A convolution as kernels with layouts of their own see it. */
import type { Filters, OutputStage } from './accumulation.js';
import type { WindowShape } from './overlap.js';

/** A 1×1 one is a row of pixels. */
export interface Convolution {
  readonly shape: WindowShape;
  readonly filters: Filters;
  readonly stage: OutputStage;
}
