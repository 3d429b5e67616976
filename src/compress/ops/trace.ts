/** The interface of a traced operator, and what several of them share. */

import type { NodeView } from '../../compiler/ir/graph.js';
import type { Activation } from '../../compiler/ops/arithmetic/quant.js';
import { scalars } from '../../compiler/ops/scalar.js';
import { BonsaiError } from '../../errors.js';
import type { Tf, TfTensor } from '../tensorflow.js';
import { traced } from './expression.js';

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
  if (activation === 'none') return x;
  const scalar = scalars.get(activation);
  if (scalar !== undefined) return traced(tf, scalar.functionOf({}).f, { x });
  throw new BonsaiError(
    'unsupported-attribute',
    `fused ${activation}`,
    'has no gradient',
    'put the activation behind the layer as an operator of its own',
  );
}

/** Input `position`, which every graph that was checked has. */
export function operand(inputs: readonly (TfTensor | null)[], position: number): TfTensor {
  const tensor = inputs[position];
  if (tensor === undefined || tensor === null) throw new RangeError(`no input ${position}`);
  return tensor;
}
