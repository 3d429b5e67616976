/** fully_connected: four channels at once, row by row. */
import {
  type FullyConnectedAttrs,
  fullyConnected,
  rowCount,
  rowFilters,
  rowStage,
} from '../../ops/fully_connected.js';
import { fullyConnectedOf } from '../layout/convolution.js';
import type { DescribedVariant as KernelVariant } from '../variant.js';
import { fullyConnectedCalls, lanesWork, pixelOverlaps, residualKernel } from './dense.js';

export const fullyConnectedVariant: KernelVariant<FullyConnectedAttrs> = {
  ...residualKernel('fully_connected', ['dot4', 'dot_few']),
  when: () => true,
  work: (view) => lanesWork(view, fullyConnected.macs(view), rowFilters(view).channels, 5.5),
  weightPasses: rowCount,
  overlap: (view) => pixelOverlaps(view, fullyConnectedOf(view).shape),
  lower: (view, context) => fullyConnectedCalls(view, rowFilters(view), rowStage(view), context),
};
