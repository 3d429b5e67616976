/** Axes that many operators have: what an OpDef states in `axes` (ir/op.ts). */
import type { NodeView, Tensor } from '../../ir/graph.js';
import type { Axis } from '../../ir/op.js';
import type { Window, WindowDims } from './window.js';

/**
 * Each dimension of the output is that of the operands: they align at their last dimensions, and one
 * of another extent repeats.
 *
 * @param operands how many inputs are operands: all, or the first ones
 */
export function pointwiseAxes(
  { inputs, outputs: [output] }: Pick<NodeView<object>, 'inputs' | 'outputs'>,
  operands = inputs.length,
): readonly Axis[] {
  const shape = output?.shape ?? [];
  return shape.map((extent, d) => {
    const own = (tensor: Tensor | null) => {
      const dimension = d - shape.length + (tensor?.shape.length ?? 0);
      return tensor?.shape[dimension] === extent ? dimension : null;
    };
    return { inputs: inputs.slice(0, operands).map(own), output: d };
  });
}

/** Of an operator that takes all of some dimensions together. */
export function reducedAxes(
  { shape }: Pick<Tensor, 'shape'>,
  reduced: readonly number[],
  keepDims: boolean,
): readonly Axis[] {
  return shape.map((_, d) => {
    const before = keepDims ? 0 : reduced.filter((other) => other < d).length;
    return { inputs: [d], output: reduced.includes(d) ? null : d - before };
  });
}

/** Batch, height and width of [n, h, w, c]. Input 3, if there is one, is added to the output. */
export function imageAxes(
  attrs: Window,
  { kernelH, kernelW }: Pick<WindowDims, 'kernelH' | 'kernelW'>,
): readonly Axis[] {
  const { strideH, dilationH, padTop, padBottom, strideW, dilationW, padLeft, padRight } = attrs;
  const rows = {
    ...{ kernel: kernelH, stride: strideH, dilation: dilationH },
    ...{ before: padTop, after: padBottom },
  };
  const columns = {
    ...{ kernel: kernelW, stride: strideW, dilation: dilationW },
    ...{ before: padLeft, after: padRight },
  };
  const axis = (d: number): Axis => ({ inputs: [d, null, null, d], output: d });
  return [axis(0), { ...axis(1), window: rows }, { ...axis(2), window: columns }];
}
