/** fully_connected: four channels at once, row by row. */
import { type FullyConnectedAttrs, fullyConnected, rowCount } from '../../ops/fully_connected.js';
import { fullyConnectedOf } from '../layout/convolution.js';
import type { KernelVariant } from '../variant.js';
import { fullyConnectedCalls, lanesWork, pixelOverlaps, residualKernel } from './dense.js';

export const fullyConnectedVariant: KernelVariant<FullyConnectedAttrs> = {
  ...residualKernel('fully_connected'),
  match(view, context) {
    const { shape, filters, stage } = fullyConnectedOf(view);
    return {
      scratchBytes: 0,
      weightPasses: rowCount(view),
      overlaps: pixelOverlaps(view, shape),
      work: () => lanesWork(view, fullyConnected.macs(view), filters.channels, 5.5),
      calls: () => fullyConnectedCalls(view, filters, stage, context),
    };
  },
};
