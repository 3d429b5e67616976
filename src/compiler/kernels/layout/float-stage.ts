/** Kernels whose output stage takes integer multipliers only. */
import type { NodeView } from '../../ir/graph.js';
import { type AccumulationAttrs, outputStage } from '../../ops/arithmetic/accumulation.js';
import { outputOf } from '../../ops/shape/operands.js';
import type { KernelVariant } from '../variant.js';

/** The variant for nodes whose multipliers are integers: it does not know the rounding 'float'. */
export function inIntegers<A extends AccumulationAttrs>(
  variant: KernelVariant<A>,
): KernelVariant<A> {
  const match: KernelVariant<A>['match'] = (view, context) =>
    isFloat(view) ? null : variant.match(view, context);
  return { ...variant, match };
}

function isFloat(view: NodeView<AccumulationAttrs>): boolean {
  if (view.attrs.rounding !== 'float') return false;
  const channels = outputOf(view).shape.at(-1) ?? 1;
  return outputStage(view, channels, 'per-channel').rounding === 'float';
}
