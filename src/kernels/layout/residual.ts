/** How kernels add another tensor: two look-ups and a shift after the output stage. */
import { InternalError } from '../../errors.js';
import { at, elementCount, type Node, type NodeView } from '../../ir/graph.js';
import type { AccumulationAttrs } from '../../ops/arithmetic/accumulation.js';
import {
  hasResidual,
  type Residual,
  residualTables,
  skipPosition,
} from '../../ops/arithmetic/residual.js';
import { outputOf } from '../../ops/shape/operands.js';
import type { KernelCall, KernelVariant, Overlap, WorkTerm } from '../variant.js';

const known = new WeakMap<Node<object>, Residual>();

/**
 * The sum that a kernel computes after the output stage; null if the node has none.
 *
 * @throws InternalError if no tables compute it: fuse-residuals leaves such sums alone
 */
export function residualOf(view: NodeView<AccumulationAttrs>): Residual | null {
  if (!hasResidual(view)) return null;
  const found = known.get(view.node) ?? residualTables(view);
  if (found === null) throw new InternalError('ops', `${at(view.node)}: a sum without tables`);
  known.set(view.node, found);
  return found;
}

/** The operands that a kernel's call needs in addition, if the node has a residual. */
export function residualOperands(view: NodeView<AccumulationAttrs>): KernelCall {
  const residual = residualOf(view);
  if (residual === null) {
    return { inputs: [0], outputs: [0], flags: { residual: false }, numbers: {}, tables: {} };
  }
  const { tables, shift, min, max } = residual;
  return {
    inputs: [0, skipPosition],
    outputs: [0],
    flags: { residual: true },
    numbers: { residual_shift: shift, residual_min: min, residual_max: max },
    tables: { residual_tables: { data: tables, role: 'table' } },
  };
}

/**
 * Where the output may lie on the residual, for a kernel that reads each element of it once, before
 * it writes the sum in its place.
 */
export function residualOverlap(view: NodeView<object>): readonly Overlap[] {
  return hasResidual(view) ? [{ input: skipPosition, lead: 0, exact: true }] : [];
}

/** Work of the sum, per output. */
export function residualWork(
  view: NodeView<object>,
  cycles: number,
): Readonly<Record<string, WorkTerm>> {
  if (!hasResidual(view)) return {};
  return { residuals: { count: elementCount(outputOf(view).shape), cycles } };
}

/** An operator's variants. Those without `addsResidual` do not apply to nodes with a residual. */
export function residualVariants<A extends object>(
  variants: readonly KernelVariant<A>[],
): readonly KernelVariant<A>[] {
  return variants.map((variant) =>
    variant.addsResidual === true
      ? variant
      : {
          ...variant,
          match: (view, context) => (hasResidual(view) ? null : variant.match(view, context)),
        },
  );
}
