/**
 * A sum with another tensor as part of the convolution or fully connected layer before it: input 3
 * is added to the int8 result, element by element, as the operator add would.
 */
import { BonsaiError, InternalError } from '../errors.js';
import { at, elementCount, type Node, type NodeView, type TensorData } from '../ir/graph.js';
import type { ChannelBounds, KernelCall, KernelVariant, Overlap, WorkTerm } from '../ir/op.js';
import { type AccumulationAttrs, stageOutput } from './accumulation.js';
import type { BinaryAttrs } from './arithmetic.js';
import { boundsOf, type Range, rangeAt } from './bounds.js';
import { inputOf, outputOf } from './operands.js';
import { activationRange, clamp } from './quant.js';
import { type Sum, sumOf } from './sum.js';
import { type SumTables, sumTablesOf } from './sum-tables.js';

/** out = clamp((tables[mid + 128] + tables[256 + skip + 128]) >> shift), exact for every pair. */
export interface Residual extends SumTables {
  readonly min: number;
  readonly max: number;
}

const skipPosition = 3;

export function hasResidual({ node }: Pick<NodeView<object>, 'node'>): boolean {
  return node.inputs.length > skipPosition;
}

const known = new WeakMap<Node<object>, Residual>();

/**
 * The sum that a kernel computes after the output stage; null where the node has none.
 *
 * @throws InternalError where no tables give it: fuse-residuals leaves such a sum alone
 */
export function residualOf(view: NodeView<AccumulationAttrs>): Residual | null {
  if (!hasResidual(view)) return null;
  const found = known.get(view.node) ?? residualTables(view);
  if (found === null) throw new InternalError('ops', `${at(view.node)}: a sum without tables`);
  known.set(view.node, found);
  return found;
}

/** The same; null also where no tables give the sum. */
export function residualTables(view: NodeView<AccumulationAttrs>): Residual | null {
  const { sum, low, high } = sumWith(view);
  const tables = sumTablesOf(sum, low, high);
  return tables && { ...tables, min: low, max: high };
}

/** What a kernel's call needs besides its own, to add the residual if there is one. */
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
 * Where the output of a kernel may lie that reads each element of what is added before it writes
 * the sum in its place, once.
 */
export function residualOverlap(view: NodeView<object>): readonly Overlap[] {
  return hasResidual(view) ? [{ input: skipPosition, lead: 0, exact: true }] : [];
}

/** What the sum takes a kernel, output by output. */
export function residualWork(
  view: NodeView<object>,
  cycles: number,
): Readonly<Record<string, WorkTerm>> {
  if (!hasResidual(view)) return {};
  return { residuals: { count: elementCount(outputOf(view).shape), cycles } };
}

/** An operator's variants; those that do not tell that they add a residual are kept from it. */
export function residualVariants<A extends object>(
  variants: readonly KernelVariant<A>[],
): readonly KernelVariant<A>[] {
  return variants.map((variant) =>
    variant.addsResidual === true
      ? variant
      : { ...variant, when: (view, context) => !hasResidual(view) && variant.when(view, context) },
  );
}

/** The outputs of `evaluate` from the results before the sum. */
export function addResidual(
  view: NodeView<AccumulationAttrs>,
  mids: Int8Array,
  skips: TensorData | null | undefined,
): Int8Array {
  if (!hasResidual(view)) return mids;
  const { sum, low, high } = sumWith(view);
  return mids.map((mid, i) => clamp(sum.combine(mid, Number(skips?.[i])), low, high));
}

/** Bounds of the outputs from those of the results before the sum. */
export function residualBounds(
  view: NodeView<AccumulationAttrs>,
  mids: ChannelBounds,
  inputs: readonly (ChannelBounds | null)[],
): ChannelBounds {
  const skips = inputs[skipPosition];
  if (!hasResidual(view) || skips == null) return mids;
  const { sum, low, high } = sumWith(view);
  return boundsOf(mids.min.length, (channel) => {
    const [mid, skip] = [rangeAt(mids, channel), rangeAt(skips, channel)];
    // A sum rises with both operands.
    return [0, 1].map((end) =>
      clamp(sum.combine(mid[end] as number, skip[end] as number), low, high),
    ) as unknown as Range;
  });
}

/** @throws BonsaiError for operands that the operator add would refuse */
export function checkResidual(view: NodeView<AccumulationAttrs>): void {
  const isWhole = view.attrs.midScale !== undefined && view.attrs.addActivation !== undefined;
  if (isWhole !== hasResidual(view)) {
    throw badResidual(view, 'has a residual without its quantisation, or the other way round');
  }
  if (!isWhole) return;
  const skip = inputOf(view, skipPosition);
  const output = outputOf(view);
  if (skip.dtype !== 'int8' || skip.shape.join() !== output.shape.join()) {
    throw badResidual(view, `adds ${skip.dtype} [${skip.shape}] to [${output.shape}]`);
  }
  sumWith(view);
}

function badResidual(view: NodeView<object>, message: string): BonsaiError {
  return new BonsaiError('bad-graph', at(view.node), message, 'convert the model again');
}

function sumWith(view: NodeView<AccumulationAttrs>): { sum: Sum; low: number; high: number } {
  const { addActivation = 'none' } = view.attrs;
  const add: NodeView<BinaryAttrs> = {
    node: { ...view.node, attrs: { activation: addActivation } },
    attrs: { activation: addActivation },
    inputs: [stageOutput(view), inputOf(view, skipPosition)],
    outputs: view.outputs,
  };
  const [low, high] = activationRange(addActivation, outputOf(view));
  return { sum: sumOf(add, 1, 'double'), low, high };
}
