/** add, sub and mul: the definition's arithmetic, four elements at a time. */
import type { NodeView } from '../../ir/graph.js';
import type { Arithmetic, BinaryAttrs } from '../../ops/arithmetic/arithmetic.js';
import type { Sum } from '../../ops/arithmetic/sum.js';
import { broadcastWalk, type Walk } from '../../ops/shape/broadcast.js';
import { arithmeticCall } from '../portable/binary.js';
import type { Flags, KernelCall, KernelVariant } from '../variant.js';

type Numbers = Readonly<Record<string, number>>;

export function vectorSum<A extends BinaryAttrs>(
  sumOf: (view: NodeView<A>) => Sum,
  { subtract }: { readonly subtract: boolean },
): KernelVariant<A> {
  return vectorVariant('mve/add', 6, sumOf, { subtract }, (numbers, { isShifted = false }) => {
    if (isShifted) return null;
    const a = shiftedRight(numbers.a_multiplier, numbers.a_shift);
    const b = shiftedRight(numbers.b_multiplier, numbers.b_shift);
    const { out_shift: outShift = 0 } = numbers;
    if (a === null || b === null || outShift >= 0) return null;
    return {
      ...numbers,
      ...{ a_multiplier: a.multiplier, a_shift: -a.shift },
      ...{ b_multiplier: b.multiplier, b_shift: -b.shift },
    };
  });
}

export function vectorProduct<A extends BinaryAttrs>(
  productOf: (view: NodeView<A>) => Arithmetic,
): KernelVariant<A> {
  return vectorVariant('mve/mul', 4, productOf, {}, (numbers, { rounding = 'double' }) =>
    (numbers.shift ?? 0) < 0 && rounding === 'double' ? numbers : null,
  );
}

/**
 * A multiplier of 1/2 without a shift, which the larger operand of a sum has, as one of almost 1
 * and a shift by 1; null for others without a shift. For |v| ≤ 255 both are exact:
 * v · 2^20 · (2^31 − 1) / 2^31 = v · 2^20 − v / 2^11 rounds to v · 2^20, which is even.
 */
function shiftedRight(multiplier = 0, shift = 0) {
  if (shift > 0) return { multiplier, shift };
  return multiplier === 2 ** 30 ? { multiplier: 2 ** 31 - 1, shift: 1 } : null;
}

/** @param adapt the numbers that vectors support; null if they do not support the node's */
function vectorVariant<A extends BinaryAttrs, R extends Arithmetic>(
  template: string,
  cyclesEach: number,
  arithmeticOf: (view: NodeView<A>) => R,
  flags: Flags,
  adapt: (numbers: Numbers, arithmetic: R) => Numbers | null,
): KernelVariant<A> {
  return {
    template,
    needs: ['mve'],
    match(view) {
      const arithmetic = arithmeticOf(view);
      const numbers = adapt(arithmetic.numbers, arithmetic);
      if (numbers === null) return null;
      const walk = broadcastWalk(view);
      const fours = walk.runs * Math.ceil(walk.runLength / 4);
      return {
        scratchBytes: 0,
        work: () => ({
          fours: { count: fours, cycles: 4 * cyclesEach },
          runs: { count: walk.runs, cycles: 40 },
        }),
        calls: () => [vectorCall(arithmeticCall(view, flags, { ...arithmetic, numbers }), walk)],
      };
    },
  };
}

function vectorCall(call: KernelCall, { aStep, bStep }: Walk): KernelCall {
  const repeats = aStep < bStep ? 'a' : bStep < aStep ? 'b' : 'none';
  const way = call.flags.subtract
    ? { word: 'subtract', results: 'differences', sign: '-', instruction: 'vsub.i32' }
    : { word: '', results: 'sums', sign: '+', instruction: 'vadd.i32' };
  const { a_step: _, b_step: __, ...numbers } = call.numbers;
  return {
    ...call,
    flags: { ...call.flags, a_repeats: repeats === 'a', b_repeats: repeats === 'b' },
    words: { repeats, way },
    numbers,
  };
}
