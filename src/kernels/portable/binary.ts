/** add, sub and mul: an arithmetic of two operands, element by element; sums also by tables. */
import { InternalError } from '../../errors.js';
import { at, elementCount, isConstant, type Node, type NodeView } from '../../ir/graph.js';
import type { Arithmetic, BinaryAttrs } from '../../ops/arithmetic/arithmetic.js';
import { activationRange } from '../../ops/arithmetic/quant.js';
import type { Sum } from '../../ops/arithmetic/sum.js';
import { type SumTables, sumTablesOf } from '../../ops/arithmetic/sum-tables.js';
import { broadcastWalk } from '../../ops/shape/broadcast.js';
import { inputOf, outputOf } from '../../ops/shape/operands.js';
import type { KernelCall, DescribedVariant as KernelVariant, Table } from '../variant.js';

const requantiseSupport = ['portable/support/multiply_high', 'portable/support/requantise'];
const sumSupport = [...requantiseSupport, 'portable/support/scale_operand'];

/** Of a sum or a difference. */
export function sumVariants<A extends BinaryAttrs>(
  sumOf: (view: NodeView<A>) => Sum,
  { subtract }: { readonly subtract: boolean },
): readonly KernelVariant<A>[] {
  const flags = { subtract };
  const plain = { template: 'portable/add', support: sumSupport, flags, cycles: 90 };
  return [arithmeticVariant(plain, sumOf), ...lookedUp(sumOf)];
}

export function productVariants<A extends BinaryAttrs>(
  arithmeticOf: (view: NodeView<A>) => Arithmetic,
): readonly KernelVariant<A>[] {
  const product = { template: 'portable/mul', support: requantiseSupport, flags: {}, cycles: 50 };
  return [arithmeticVariant(product, arithmeticOf)];
}

interface Kernel {
  readonly template: string;
  readonly support: readonly string[];
  readonly flags: Readonly<Record<string, boolean>>;
  /** Estimated Cortex-M0+ cycles an element. */
  readonly cycles: number;
}

function arithmeticVariant<A extends BinaryAttrs>(
  { template, support, flags, cycles }: Kernel,
  arithmeticOf: (view: NodeView<A>) => Arithmetic,
): KernelVariant<A> {
  return {
    template,
    needs: [],
    support,
    when: () => true,
    scratch: () => 0,
    work: (view) => ({ outputs: { count: elementCount(outputOf(view).shape), cycles } }),
    lower: (view) => [lower(view, flags, arithmeticOf(view))],
  };
}
/** A sum of two computed tensors of one shape, by tables of 2 KB. */
function lookedUp<A extends BinaryAttrs>(
  sumOf: (view: NodeView<A>) => Sum,
): readonly KernelVariant<A>[] {
  const known = new WeakMap<Node<object>, SumTables | null>();
  const tablesOf = (view: NodeView<A>) => {
    const found = known.get(view.node);
    if (found !== undefined) return found;
    const [low, high] = activationRange(view.attrs.activation, outputOf(view));
    const tables = sumTablesOf(sumOf(view), low, high);
    known.set(view.node, tables);
    return tables;
  };
  const portable: KernelVariant<A> = {
    template: 'portable/add_table',
    needs: [],
    support: ['portable/support/add_residual'],
    when: (view) =>
      [0, 1].every((input) => !isConstant(inputOf(view, input))) &&
      inputOf(view, 0).shape.join() === inputOf(view, 1).shape.join() &&
      tablesOf(view) !== null,
    scratch: () => 0,
    work: (view) => ({ outputs: { count: elementCount(outputOf(view).shape), cycles: 28.5 } }),
    lower(view) {
      const [min, max] = activationRange(view.attrs.activation, outputOf(view));
      const found = tablesOf(view);
      if (found === null) throw new InternalError('ops', `${at(view.node)}: a sum without tables`);
      const count = elementCount(outputOf(view).shape);
      return [
        {
          inputs: [0, 1],
          outputs: [0],
          flags: {},
          numbers: { count, shift: found.shift, min, max },
          tables: { tables: { data: found.tables, role: 'table' } },
        },
      ];
    },
  };
  const vectors: KernelVariant<A> = {
    ...portable,
    template: 'mve/add_table',
    needs: ['mve'],
    support: [...portable.support, 'mve/support/add_bytes'],
    work: (view) => ({
      fours: { count: Math.ceil(elementCount(outputOf(view).shape) / 4), cycles: 12 },
    }),
  };
  return [portable, vectors];
}

function lower(
  view: NodeView<BinaryAttrs>,
  flags: Readonly<Record<string, boolean>>,
  arithmetic: Arithmetic,
): KernelCall {
  const operands = [inputOf(view, 0), inputOf(view, 1)] as const;
  const [aConstant, bConstant] = operands.map(isConstant) as [boolean, boolean];
  const walk = broadcastWalk(view);
  const [low, high] = activationRange(view.attrs.activation, outputOf(view));
  const tables: Record<string, Table> = {};
  if (aConstant) tables.a_data = { data: operands[0].data as Int8Array, role: 'table' };
  if (bConstant) tables.b_data = { data: operands[1].data as Int8Array, role: 'table' };
  const plain = walk.runs === 1 && walk.aStep === walk.bStep;
  const nested = !plain && walk.extents.length > 1;
  const numbers: Record<string, number> = { ...arithmetic.numbers, low, high };
  if (plain) numbers.count = walk.runLength;
  else {
    const { runs, runLength, aStep, bStep } = walk;
    Object.assign(numbers, { runs, run_length: runLength, a_step: aStep, b_step: bStep });
  }
  if (nested) {
    numbers.outer_rank = walk.extents.length;
    tables.extents = { data: Int32Array.from(walk.extents), role: 'table' };
    tables.a_turns = { data: Int32Array.from(walk.aTurns), role: 'table' };
    tables.b_turns = { data: Int32Array.from(walk.bTurns), role: 'table' };
  } else if (!plain) {
    Object.assign(numbers, { a_turn: walk.aTurns[0] ?? 0, b_turn: walk.bTurns[0] ?? 0 });
  }
  return {
    inputs: [0, 1].filter((position) => !isConstant(operands[position] as (typeof operands)[0])),
    outputs: [0],
    flags: { ...flags, a_constant: aConstant, b_constant: bConstant, broadcast: !plain, nested },
    numbers,
    tables,
  };
}
