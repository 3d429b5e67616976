/** fully_connected: four channels at once, row by row. */
import {
  type FullyConnectedAttrs,
  fullyConnected,
  rowFilters,
  rowStage,
  rowsOf,
} from '../../ops/fully_connected.js';
import { fullyConnectedOf } from '../layout/convolution.js';
import type { KernelVariant } from '../variant.js';
import { fullyConnectedCalls, multiplyWork, pixelOverlaps, residualKernel } from './dense.js';

export const fullyConnectedVariant: KernelVariant<FullyConnectedAttrs> = {
  ...residualKernel('fully_connected', ['dot4']),
  when: () => true,
  work: (view) => multiplyWork(view, fullyConnected.macs(view), 5.5),
  weightPasses: rowsOf,
  overlap: (view) => pixelOverlaps(view, fullyConnectedOf(view).shape),
  lower: (view, context) => fullyConnectedCalls(view, rowFilters(view), rowStage(view), context),
};
