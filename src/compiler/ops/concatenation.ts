/** concatenation (CONCATENATION): tensors one after the other along one dimension. */
import { BonsaiError } from '../../errors.js';
import { at, elementCount, type NodeView, type Shape } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { type Activation, sameQuant } from './arithmetic/quant.js';
import { movement } from './shape/movement.js';
import { inputOf, outputOf, quantizeHint } from './shape/operands.js';

export interface ConcatenationAttrs {
  /** 0 to rank − 1. */
  readonly axis: number;
  /** Only 'none': neither runtime has any other. */
  readonly activation: Activation;
}

export const concatenation = movement<ConcatenationAttrs>({
  name: 'concatenation',
  infer: (view) => [outputShape(view)],
  check(view) {
    if (view.attrs.activation !== 'none') {
      throw new BonsaiError(
        'unsupported-attribute',
        at(view.node),
        `a fused ${view.attrs.activation} is not supported`,
        'put the activation after the concatenation',
      );
    }
    // Both runtimes copy the integers as they are, and refuse different quantization.
    const other = view.inputs.find(
      (input) => !sameQuant(input?.quant ?? null, outputOf(view).quant),
    );
    if (other === undefined) return;
    throw new BonsaiError(
      'bad-quantization',
      at(view.node),
      `input "${other?.name}" has not the output's scale and zero point`,
      outputOf(view).dtype === 'uint8'
        ? quantizeHint('uint8')
        : 'convert the model again: TFLite gives all inputs of a concatenation one quantization',
    );
  },
  moves: (view) => {
    const { axis } = view.attrs;
    const shape = outputShape(view);
    const inner = elementCount(shape.slice(axis + 1));
    const outStride = (shape[axis] as number) * inner;
    let outOffset = 0;
    return view.inputs.map((_, input) => {
      const count = (inputOf(view, input).shape[axis] as number) * inner;
      const loops = [
        { extent: elementCount(shape.slice(0, axis)), inStride: count, outStride },
        { extent: count, inStride: 1, outStride: 1 },
      ];
      const move = { input, output: 0, inOffset: 0, outOffset, loops };
      outOffset += count;
      return move;
    });
  },
}) satisfies OpDef<ConcatenationAttrs>;

function outputShape(view: NodeView<ConcatenationAttrs>): Shape {
  const { axis } = view.attrs;
  const { shape } = inputOf(view, 0);
  const extents = view.inputs.map((_, position) => {
    const input = inputOf(view, position).shape;
    const fits =
      axis < shape.length &&
      input.length === shape.length &&
      input.every((extent, d) => d === axis || extent === shape[d]);
    if (fits) return input[axis] as number;
    throw new BonsaiError(
      'bad-shape',
      at(view.node),
      `input ${position} of [${input}] does not continue [${shape}] along dimension ${axis}`,
      'convert the model again',
    );
  });
  return shape.map((extent, d) => (d === axis ? extents.reduce((a, b) => a + b) : extent));
}
