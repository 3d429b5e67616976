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
  types: ['int8', 'int16'],
  match: (view) => kernelOf(view, 24, () => integerCall(view)),
};

export const realResizeBilinear: KernelVariant<ResizeBilinearAttrs> = {
  template: 'portable/resize_bilinear_f32',
  needs: [],
  types: ['float32'],
  // Of cores without a floating-point unit: eleven calls of the library an output.
  match: (view) => kernelOf(view, 700, () => realCall(view)),
};

function kernelOf(
  view: NodeView<ResizeBilinearAttrs>,
  outputCycles: number,
  callOf: () => KernelCall,
) {
  const [, outH = 1, outW = 1] = outputOf(view).shape;
  return {
    scratchBytes: 0,
    work: () => ({
      outputs: { count: elementCount(outputOf(view).shape), cycles: outputCycles },
      pixels: { count: outH * outW, cycles: 30 },
    }),
    calls: () => [callOf()],
  };
}

function integerCall(view: NodeView<ResizeBilinearAttrs>): KernelCall {
  const { rows, columns } = interpolation(view);
  const { dtype } = outputOf(view);
  const sharesOf = (positions: readonly Between[]) =>
    table(Uint16Array.from(positions.flatMap(({ first, share }) => [first, share])));
  const call = callOf(view, { rows: sharesOf(rows), columns: sharesOf(columns) });
  return {
    ...call,
    types: { element: dtype },
    flags: { ...call.flags, wide: dtype === 'int16', halves_up: view.attrs.shareBits === 11 },
    words:
      view.attrs.shareBits === 11 ? { bits: '11', all_bits: '22' } : { bits: '10', all_bits: '20' },
  };
}

function realCall(view: NodeView<ResizeBilinearAttrs>): KernelCall {
  const { rows, columns } = interpolation(view);
  const pixelsOf = (positions: readonly Between[]) =>
    table(Uint16Array.from(positions.flatMap(({ first, next }) => [first, next])));
  const sharesOf = (positions: readonly Between[]) =>
    table(Float32Array.from(positions, ({ share }) => share));
  return callOf(view, {
    ...{ rows: pixelsOf(rows), columns: pixelsOf(columns) },
    ...{ row_shares: sharesOf(rows), column_shares: sharesOf(columns) },
  });
}

const table = (data: Table['data']): Table => ({ data, role: 'table' });

function callOf(
  view: NodeView<ResizeBilinearAttrs>,
  tables: Readonly<Record<string, Table>>,
): KernelCall {
  const [batches = 1, inH = 1, inW = 1, channels = 1] = inputOf(view, 0).shape;
  const [, outH = 1, outW = 1] = outputOf(view).shape;
  return {
    inputs: [0],
    outputs: [0],
    flags: { batched: batches > 1 },
    numbers: {
      ...(batches > 1 ? { batches, image_step: inH * inW * channels } : {}),
      ...{ out_h: outH, out_w: outW, channels, row_step: inW * channels },
    },
    tables,
  };
}
