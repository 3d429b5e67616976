/**
 * A residual sum fused into the convolution or fully connected layer before it: input 3 is added to
 * the int8 result, element by element, exactly as the operator add does.
 */
import { BonsaiError } from '../../../errors.js';
import { at, type NodeView, type TensorData } from '../../ir/graph.js';
import type { ChannelBounds } from '../../ir/op.js';
import { inputOf, outputOf } from '../shape/operands.js';
import { type AccumulationAttrs, stageOutput } from './accumulation.js';
import type { BinaryAttrs } from './arithmetic.js';
import { boundsOf, type Range, rangeAt } from './bounds.js';
import { activationRange, clamp } from './quant.js';
import { type Sum, sumOf } from './sum.js';
import { type SumTables, sumTablesOf } from './sum-tables.js';

/** out = clamp((tables[mid + 128] + tables[256 + skip + 128]) >> shift), exact for every pair. */
export interface Residual extends SumTables {
  readonly min: number;
  readonly max: number;
}

/** Position of the added input. */
export const skipPosition = 3;

export function hasResidual({ node }: Pick<NodeView<object>, 'node'>): boolean {
  return node.inputs.length > skipPosition;
}

/** The sum as tables; null where no tables compute it exactly. */
export function residualTables(view: NodeView<AccumulationAttrs>): Residual | null {
  const { sum, low, high } = sumWith(view);
  const tables = sumTablesOf(sum, low, high);
  return tables && { ...tables, min: low, max: high };
}

/** The outputs of `evaluate`, from the results before the sum. */
export function addResidual(
  view: NodeView<AccumulationAttrs>,
  mids: Int8Array,
  skips: TensorData | null | undefined,
): Int8Array {
  if (!hasResidual(view)) return mids;
  const { sum, low, high } = sumWith(view);
  return mids.map((mid, i) => clamp(sum.combine(mid, Number(skips?.[i])), low, high));
}

/** Bounds of the outputs, from the bounds of the results before the sum. */
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
    // A sum is non-decreasing in both operands.
    return [0, 1].map((end) =>
      clamp(sum.combine(mid[end] as number, skip[end] as number), low, high),
    ) as unknown as Range;
  });
}

/** @throws BonsaiError for operands that the operator add would refuse */
export function checkResidual(view: NodeView<AccumulationAttrs>): void {
  const isWhole = view.attrs.midScale !== undefined && view.attrs.addActivation !== undefined;
  if (isWhole !== hasResidual(view)) {
    throw badResidual(view, 'has only one of a residual input and its quantization');
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
  return { sum: sumOf(add, 1, view.attrs.addRatios), low, high };
}
