/** How kernels add another tensor: two look-ups and a shift after the output stage. */
import { InternalError } from '../../../errors.js';
import { at, elementCount, type NodeView } from '../../ir/graph.js';
import type { AccumulationAttrs } from '../../ops/arithmetic/accumulation.js';
import {
  hasResidual,
  type Residual,
  residualTables,
  skipPosition,
} from '../../ops/arithmetic/residual.js';
import { outputOf } from '../../ops/shape/operands.js';
import type { KernelCall, KernelVariant, MatchContext, Overlap, WorkTerm } from '../variant.js';

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

/**
 * An operator's variants, whose calls get the operands of the residual. Variants without
 * `addsResidual` do not match nodes with a residual; templates of the others have a flag for it.
 */
export function residualVariants<A extends AccumulationAttrs>(
  variants: readonly KernelVariant<A>[],
): readonly KernelVariant<A>[] {
  return variants.map((variant) => ({
    ...variant,
    match(view, context) {
      if (variant.addsResidual !== true) {
        return hasResidual(view) ? null : variant.match(view, context);
      }
      const kernel = variant.match(view, context);
      return (
        kernel && {
          ...kernel,
          calls: () => withResidual(kernel.calls(), residualOf(view, context)),
        }
      );
    },
  }));
}

/**
 * The sum that kernels compute after the output stage; null if the node has none.
 *
 * @throws InternalError if no tables compute it: fuse-residuals leaves such sums alone
 */
function residualOf(
  view: NodeView<AccumulationAttrs>,
  { shared }: Pick<MatchContext, 'shared'>,
): Residual | null {
  if (!hasResidual(view)) return null;
  const residual = shared(residualTables, () => residualTables(view));
  if (residual === null) throw new InternalError('ops', `${at(view.node)}: a sum without tables`);
  return residual;
}

function withResidual(
  calls: readonly KernelCall[],
  residual: Residual | null,
): readonly KernelCall[] {
  if (residual === null) {
    return calls.map((call) => ({ ...call, flags: { residual: false, ...call.flags } }));
  }
  const { tables, shift, min, max } = residual;
  return calls.map((call) => ({
    ...call,
    inputs: [...call.inputs, skipPosition],
    operands: { ...call.operands, skip: 'int8' },
    flags: { residual: true, ...call.flags },
    numbers: { residual_shift: shift, residual_min: min, residual_max: max, ...call.numbers },
    tables: { residual_tables: { data: tables, role: 'table' }, ...call.tables },
  }));
}
