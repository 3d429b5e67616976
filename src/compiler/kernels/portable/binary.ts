/** add, sub and mul: arithmetic on two operands, element by element. Sums can also use tables. */
import { elementCount, isConstant, type NodeView } from '../../ir/graph.js';
import type { Arithmetic, BinaryAttrs } from '../../ops/arithmetic/arithmetic.js';
import { binaryTypes } from '../../ops/arithmetic/binary.js';
import { activationRange } from '../../ops/arithmetic/quant.js';
import type { Sum } from '../../ops/arithmetic/sum.js';
import { sumTablesOf } from '../../ops/arithmetic/sum-tables.js';
import { broadcastWalk } from '../../ops/shape/broadcast.js';
import { inputOf, outputOf } from '../../ops/shape/operands.js';
import { operandWalk } from '../layout/walk.js';
import type { Flags, Kernel, KernelCall, KernelVariant, Words } from '../variant.js';
import { roundingFlags } from './dense.js';

/** Variants of a sum or a difference. */
export function sumVariants<A extends BinaryAttrs>(
  sumOf: (view: NodeView<A>) => Sum,
  { subtract }: { readonly subtract: boolean },
): readonly KernelVariant<A>[] {
  const flags = ({ isShifted = false }: Sum) => ({ subtract, shifted: isShifted });
  const plain = {
    template: 'portable/add',
    flags,
    words: { sign: subtract ? '-' : '+' },
    cycles: 90,
  };
  return [arithmeticVariant(plain, sumOf), ...lookedUp(sumOf)];
}

export function productVariants<A extends BinaryAttrs>(
  arithmeticOf: (view: NodeView<A>) => Arithmetic,
): readonly KernelVariant<A>[] {
  const flags = ({ rounding = 'double' }: Arithmetic) => roundingFlags({ rounding });
  const product = { template: 'portable/mul', flags, cycles: 50 };
  return [arithmeticVariant(product, arithmeticOf)];
}

interface ArithmeticKernel<R extends Arithmetic> {
  readonly template: string;
  readonly words?: Readonly<Record<string, Words>>;
  flags(arithmetic: R): Flags;
  /** Estimated Cortex-M0+ cycles per element. */
  readonly cycles: number;
}

function arithmeticVariant<A extends BinaryAttrs, R extends Arithmetic>(
  { template, flags, words = {}, cycles }: ArithmeticKernel<R>,
  arithmeticOf: (view: NodeView<A>) => R,
): KernelVariant<A> {
  return {
    template,
    needs: [],
    types: binaryTypes,
    match: (view) => ({
      scratchBytes: 0,
      work: () => ({ outputs: { count: elementCount(outputOf(view).shape), cycles } }),
      calls() {
        const { dtype } = outputOf(view);
        const arithmetic = arithmeticOf(view);
        const all = { ...flags(arithmetic), wide: dtype === 'int16' };
        return [{ ...arithmeticCall(view, all, arithmetic), words, types: { element: dtype } }];
      },
    }),
  };
}

/** A sum of two computed tensors of the same shape, by tables of 2 KB. */
function lookedUp<A extends BinaryAttrs>(
  sumOf: (view: NodeView<A>) => Sum,
): readonly KernelVariant<A>[] {
  const variant = (
    traits: Pick<KernelVariant, 'template' | 'needs'>,
    work: (elements: number) => ReturnType<Kernel['work']>,
  ): KernelVariant<A> => ({
    ...traits,
    match(view, { shared }) {
      const isAlike = inputOf(view, 0).shape.join() === inputOf(view, 1).shape.join();
      if (!isAlike || [0, 1].some((input) => isConstant(inputOf(view, input)))) return null;
      const [min, max] = activationRange(view.attrs.activation, outputOf(view));
      const found = shared(sumTablesOf, () => sumTablesOf(sumOf(view), min, max));
      if (found === null) return null;
      const count = elementCount(outputOf(view).shape);
      const numbers = { count, shift: found.shift, min, max };
      const tables = { tables: { data: found.tables, role: 'table' } } as const;
      return {
        scratchBytes: 0,
        work: () => work(count),
        calls: () => [{ inputs: [0, 1], outputs: [0], flags: {}, numbers, tables }],
      };
    },
  });
  return [
    variant({ template: 'portable/add_table', needs: [] }, (count) => ({
      outputs: { count, cycles: 28.5 },
    })),
    variant(
      {
        template: 'mve/add_table',
        needs: ['mve'],
      },
      (count) => ({ fours: { count: Math.ceil(count / 4), cycles: 12 } }),
    ),
  ];
}

/** The call of a kernel that walks both operands, broadcast to the output. */
export function arithmeticCall(
  view: NodeView<BinaryAttrs>,
  flags: Flags,
  arithmetic: Arithmetic,
): KernelCall {
  const walk = operandWalk(view);
  const { runs, runLength, aStep, bStep } = broadcastWalk(view);
  const [low, high] = activationRange(view.attrs.activation, outputOf(view));
  const plain = runs === 1 && aStep === bStep;
  const places = plain ? { count: runLength } : walk.numbers;
  return {
    ...{ inputs: walk.inputs, outputs: [0], operands: walk.operands },
    flags: { ...flags, ...walk.flags, broadcast: !plain },
    numbers: { ...arithmetic.numbers, low, high, ...places },
    tables: walk.tables,
  };
}
