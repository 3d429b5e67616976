/** resize_nearest_neighbor: tables of rows and columns, one copy per pixel. */
import { elementCount, type NodeView } from '../../ir/graph.js';
import { geometry, type ResizeNearestNeighborAttrs } from '../../ops/resize_nearest_neighbor.js';
import { outputOf } from '../../ops/shape/operands.js';
import type { KernelCall, KernelVariant } from '../variant.js';

/** Fewer channels are faster to copy one by one than by memcpy. */
const narrowChannels = 5;

export const resizeNearestNeighborVariant: KernelVariant<ResizeNearestNeighborAttrs> = {
  template: 'portable/resize_nearest_neighbor',
  needs: [],
  match: (view) => ({
    scratchBytes: 0,
    work: () => ({ outputs: { count: elementCount(outputOf(view).shape), cycles: 5 } }),
    calls: () => [lower(view)],
  }),
};

function lower(view: NodeView<ResizeNearestNeighborAttrs>): KernelCall {
  const { batches, outH, outW, channels, inH, inW, rows, columns } = geometry(view);
  return {
    inputs: [0],
    outputs: [0],
    flags: { narrow: channels < narrowChannels },
    numbers: {
      batches,
      out_h: outH,
      out_w: outW,
      channels,
      row_bytes: inW * channels,
      image_bytes: inH * inW * channels,
    },
    tables: { rows: { data: rows, role: 'table' }, columns: { data: columns, role: 'table' } },
  };
}
