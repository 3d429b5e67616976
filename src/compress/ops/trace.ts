/** The interface of a traced operator, and what several of them share. */
import { BonsaiError } from '../../errors.js';
import type { NodeView } from '../../ir/graph.js';
import type { Activation } from '../../ops/arithmetic/quant.js';
import type { Tf, TfTensor } from '../tensorflow.js';

/**
 * An operator on float32 tensors, differentiable: what `evaluate` means before quantization.
 * `inputs` holds every input, constants included; null where an optional input is absent. The
 * shapes are those of the view.
 */
export type Trace<A extends object = object> = (
  tf: Tf,
  view: NodeView<A>,
  inputs: readonly (TfTensor | null)[],
) => readonly TfTensor[];

export function activate(tf: Tf, x: TfTensor, activation: Activation): TfTensor {
  switch (activation) {
    case 'none':
      return x;
    case 'relu':
      return tf.relu(x);
    case 'relu6':
      return tf.clipByValue(x, 0, 6);
    case 'relu_n1_to_1':
      return tf.clipByValue(x, -1, 1);
    case 'tanh':
      return tf.tanh(x);
    case 'sign_bit':
      throw new BonsaiError(
        'unsupported-attribute',
        'fused sign_bit',
        'has no gradient',
        'put the activation behind the layer as an operator of its own',
      );
  }
}

/** Input `position`, which every graph that was checked has. */
export function operand(inputs: readonly (TfTensor | null)[], position: number): TfTensor {
  const tensor = inputs[position];
  if (tensor === undefined || tensor === null) throw new RangeError(`no input ${position}`);
  return tensor;
}
