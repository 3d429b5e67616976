/**
 * mean and reduce_sum: sums in nested loops, and one requantization per output. reduce_max and
 * reduce_min: comparisons in the same loops.
 */
import { elementCount, type NodeView } from '../../ir/graph.js';
import { extremeTypes } from '../../ops/shape/extreme.js';
import { inputOf, outputOf } from '../../ops/shape/operands.js';
import {
  maxLoops,
  type ReductionAttrs,
  type ReductionLoops,
  reductionLoopsOf,
} from '../../ops/shape/reduction.js';
import { type SummingOp, summedCount, summedTypes } from '../../ops/shape/sums.js';
import { vectorTerm } from '../layout/walk.js';
import type { KernelCall, KernelVariant } from '../variant.js';

export function sumVariant<A extends ReductionAttrs>(operator: SummingOp<A>): KernelVariant<A> {
  return {
    template: `portable/${operator.name}`,
    text: 'portable/mean',
    needs: [],
    types: summedTypes,
    match: (view) => ({
      scratchBytes: 0,
      work: () => ({
        inputs: { count: elementCount(inputOf(view, 0).shape), cycles: 6 },
        outputs: { count: elementCount(outputOf(view).shape), cycles: 60 },
      }),
      calls: () => [sumCall(view, operator)],
    }),
  };
}

function sumCall<A extends ReductionAttrs>(view: NodeView<A>, operator: SummingOp<A>): KernelCall {
  const { dtype } = outputOf(view);
  const loops = loopNumbers(operator.loopsOf(view));
  const words = {
    ...{
      result: operator.divides ? 'Mean' : 'Sum',
      sum: dtype === 'float32' ? 'float' : 'int32_t',
    },
    ...(dtype === 'int16' ? { low: '-32768', high: '32767' } : { low: '-128', high: '127' }),
  };
  const call = { inputs: [0], outputs: [0], types: { element: dtype }, words, tables: {} };
  const flags = {
    ...{ vectors: false, wide: dtype === 'int16', divides: operator.divides },
    ...{ real: false, float: false, fixed: false },
  };
  if (dtype === 'float32') {
    const numbers = { ...loops, ...(operator.divides ? { count: summedCount(view) } : {}) };
    return { ...call, flags: { ...flags, real: true }, numbers };
  }
  const { sumOffset, multiplier, outOffset, halvesUp, real } = operator.scalingOf(view);
  if (real !== undefined) {
    const data = Float32Array.of(real.scale, real.bias);
    return {
      ...call,
      flags: { ...flags, float: true },
      numbers: { out_offset: outOffset, ...loops },
      tables: { scaling: { data, role: 'table' } },
    };
  }
  // Without a rounding shift both roundings are the same.
  const vectors = halvesUp > 0 && multiplier.shift < 0;
  return {
    ...call,
    flags: { ...flags, fixed: true, vectors },
    numbers: {
      sum_offset: sumOffset,
      multiplier: multiplier.multiplier,
      shift: multiplier.shift,
      out_offset: outOffset,
      ...(vectors ? { vector_channels: halvesUp } : {}),
      ...loops,
    },
  };
}

/** The loops over kept and reduced dimensions: 'kept_2' is the innermost one's extent. */
export function loopNumbers({ kept, reduced }: ReductionLoops): Readonly<Record<string, number>> {
  const numbers: Record<string, number> = {};
  for (const [kind, walk] of Object.entries({ kept, mean: reduced })) {
    for (let i = 0; i < maxLoops; i++) {
      const { extent, stride } = walk[walk.length - maxLoops + i] ?? { extent: 1, stride: 0 };
      numbers[`${kind}_${i}`] = extent;
      numbers[`${kind}_stride_${i}`] = stride;
    }
  }
  return numbers;
}

/** The term of the inner loop's elements. */
function reducedTerm(view: NodeView<ReductionAttrs>): string {
  const inner = reductionLoopsOf(view).reduced.at(-1);
  return inner?.stride === 1 ? vectorTerm('inputs', inner.extent) : 'apart';
}

export function extremeVariant(maximum: boolean): KernelVariant<ReductionAttrs> {
  return {
    template: 'portable/extreme',
    needs: [],
    types: extremeTypes,
    match: (view) => ({
      scratchBytes: 0,
      work: () => ({
        [reducedTerm(view)]: { count: elementCount(inputOf(view, 0).shape), cycles: 8 },
        outputs: { count: elementCount(outputOf(view).shape), cycles: 20 },
      }),
      calls: () => [
        {
          inputs: [0],
          outputs: [0],
          types: { element: outputOf(view).dtype },
          flags: { maximum, real: outputOf(view).dtype === 'float32' },
          words: extremeWords(maximum),
          numbers: loopNumbers(reductionLoopsOf(view)),
          tables: {},
        },
      ],
    }),
  };
}

/** What is sought, how an element beyond it compares, and the sign of the float that none is beyond. */
export function extremeWords(maximum: boolean) {
  return maximum
    ? { extreme: 'greatest', beyond: '>', sign: '-' }
    : { extreme: 'least', beyond: '<', sign: '' };
}
