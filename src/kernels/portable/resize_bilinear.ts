/** resize_bilinear: tables of rows and columns with their shares, four products per output. */
import { elementCount, type NodeView } from '../../ir/graph.js';
import {
  type Between,
  interpolation,
  type ResizeBilinearAttrs,
} from '../../ops/resize_bilinear.js';
import { inputOf, outputOf } from '../../ops/shape/operands.js';
import type { KernelCall, KernelVariant, Table } from '../variant.js';

export const resizeBilinearVariant: KernelVariant<ResizeBilinearAttrs> = {
  template: 'portable/resize_bilinear',
  needs: [],
  match: (view) => {
    const [, outH = 1, outW = 1] = outputOf(view).shape;
    return {
      scratchBytes: 0,
      work: () => ({
        outputs: { count: elementCount(outputOf(view).shape), cycles: 24 },
        pixels: { count: outH * outW, cycles: 30 },
      }),
      calls: () => [lower(view)],
    };
  },
};

function lower(view: NodeView<ResizeBilinearAttrs>): KernelCall {
  const [batches = 1, inH = 1, inW = 1, channels = 1] = inputOf(view, 0).shape;
  const { rows, columns } = interpolation(view);
  return {
    inputs: [0],
    outputs: [0],
    flags: { batched: batches > 1, halves_up: view.attrs.shareBits === 11 },
    numbers: {
      ...(batches > 1 ? { batches, image_step: inH * inW * channels } : {}),
      out_h: rows.length,
      out_w: columns.length,
      channels,
      row_step: inW * channels,
    },
    tables: { rows: tableOf(rows), columns: tableOf(columns) },
  };
}

/** [first, share] of each position. */
function tableOf(positions: readonly Between[]): Table {
  const data = Uint16Array.from(positions.flatMap(({ first, share }) => [first, share]));
  return { data, role: 'table' };
}
