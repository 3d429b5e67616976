/** The phases of a transposed convolution as calls of convolution kernels. */
import type { NodeView } from '../../ir/graph.js';
import type { Conv2dAttrs } from '../../ops/conv2d.js';
import { rowMajorStrides } from '../../ops/shape/movement.js';
import { outputOf } from '../../ops/shape/operands.js';
import { phaseConvolution, phaseFrom, transposedAxes } from '../../ops/shape/phases.js';
import type { TransposeConvAttrs } from '../../ops/transpose_conv.js';
import type { KernelCall } from '../variant.js';

/** Where a convolution's pixels lie in a larger image, in elements. */
export interface Spread {
  readonly first: number;
  readonly pixel: number;
  readonly row: number;
  readonly image: number;
}

export interface Phase {
  readonly convolution: NodeView<Conv2dAttrs>;
  readonly spread: Spread;
}

/** A convolution for each phase that has outputs. */
export function phasesOf(view: NodeView<TransposeConvAttrs>): readonly Phase[] {
  const { attrs, node } = view;
  const output = outputOf(view);
  const [vertical, horizontal] = transposedAxes(view);
  const [image = 1, row = 1, pixel = 1] = rowMajorStrides(output.shape);
  const starts = (stride: number, extent: number) =>
    Array.from({ length: Math.min(stride, extent) }, (_, start) => start);
  return starts(attrs.strideH, vertical.output).flatMap((y) =>
    starts(attrs.strideW, horizontal.output).map((x): Phase => {
      const rows = phaseFrom(vertical, y);
      const columns = phaseFrom(horizontal, x);
      const { weights, bias, attrs: own, shape } = phaseConvolution(view, rows, columns);
      return {
        convolution: {
          ...{ node: { ...node, op: 'conv2d', attrs: own }, attrs: own },
          inputs: [view.inputs[0] ?? null, weights, bias],
          outputs: [{ ...output, shape }],
        },
        spread: {
          first: y * row + x * pixel,
          ...{ pixel: attrs.strideW * pixel, row: attrs.strideH * row, image },
        },
      };
    }),
  );
}

/** The call with its output spread: what is left of a row, and of an image, is skipped. */
export function spreadCall(call: KernelCall, { first, pixel, row, image }: Spread): KernelCall {
  const { out_h = 1, out_w = 1 } = call.numbers;
  return {
    ...call,
    flags: { ...call.flags, residual: false, spread: true },
    numbers: {
      ...call.numbers,
      ...{ out_first: first, out_c: pixel },
      ...{ row_rest: row - out_w * pixel, image_rest: image - out_h * row },
    },
  };
}
