/** add, sub and mul: what elementwise operators of two int8 operands have in common. */
import { InternalError } from '../errors.js';
import {
  at,
  elementCount,
  isConstant,
  type Node,
  type NodeView,
  type TensorData,
} from '../ir/graph.js';
import type { ChannelBounds, KernelCall, KernelVariant, OpDef, Table } from '../ir/op.js';
import type { Arithmetic, BinaryAttrs } from './arithmetic.js';
import { boundsOf, channelCount, rangeAt, tieOf } from './bounds.js';
import { broadcastShape, requireRank, sourceIndices, walkOf } from './broadcast.js';
import { inputOf, outputOf, requireInt8 } from './operands.js';
import { activationRange, clamp } from './quant.js';
import type { Sum } from './sum.js';
import { type SumTables, sumTablesOf } from './sum-tables.js';

interface Kernel<A extends object> {
  readonly template: string;
  readonly support: readonly string[];
  readonly flags: Readonly<Record<string, boolean>>;
  /** Estimated Cortex-M0+ cycles an element. */
  readonly cycles: number;
  /** Of a sum: the same as two look-ups. */
  readonly sumOf?: (view: NodeView<A>) => Sum;
}

/** @param arithmeticOf throws BonsaiError 'bad-quantisation' for scales that it cannot do exactly */
export function binary<A extends BinaryAttrs>(
  name: string,
  kernel: Kernel<A>,
  arithmeticOf: (view: NodeView<A>) => Arithmetic,
): OpDef<A> {
  return {
    name,
    infer: (view) => [broadcastShape(view)],
    check(view) {
      requireInt8(view);
      requireRank(view);
      activationRange(view.attrs.activation, outputOf(view));
      arithmeticOf(view);
    },
    evaluate(view, inputs) {
      const { combine } = arithmeticOf(view);
      const output = outputOf(view);
      const [low, high] = activationRange(view.attrs.activation, output);
      const [a, b] = inputs as readonly [TensorData, TensorData];
      const ofA = sourceIndices(inputOf(view, 0).shape, output.shape);
      const ofB = sourceIndices(inputOf(view, 1).shape, output.shape);
      const element = (i: number) =>
        combine(Number(a[ofA[i] as number]), Number(b[ofB[i] as number]));
      return [Int8Array.from(ofA, (_, i) => clamp(element(i), low, high))];
    },
    macs: () => 0,
    range(view, inputs) {
      const { combine } = arithmeticOf(view);
      const output = outputOf(view);
      const [low, high] = activationRange(view.attrs.activation, output);
      const [a, b] = inputs as readonly [ChannelBounds, ChannelBounds];
      return [
        boundsOf(channelCount(output), (channel) => {
          const ofA = rangeAt(a, channel % a.min.length);
          const ofB = rangeAt(b, channel % b.min.length);
          // At its extremes neither operand can be moved further: both are at an end.
          const corners = ofA.flatMap((x) => ofB.map((y) => clamp(combine(x, y), low, high)));
          return [Math.min(...corners), Math.max(...corners)];
        }),
      ];
    },
    absorbs: { activation: true },
    channels(view) {
      const isTied = (input: number) =>
        channelCount(inputOf(view, input)) === channelCount(outputOf(view));
      const ties = [0, 1].filter(isTied).map(tieOf);
      return { kind: 'tied', ties };
    },
    inPlace(view) {
      const count = elementCount(outputOf(view).shape);
      return [0, 1].filter((position) => {
        const input = inputOf(view, position);
        return !isConstant(input) && elementCount(input.shape) === count;
      });
    },
    variants: [
      {
        template: kernel.template,
        needs: [],
        support: kernel.support,
        when: () => true,
        scratch: () => 0,
        work: (view) => ({
          outputs: { count: elementCount(outputOf(view).shape), cycles: kernel.cycles },
        }),
        lower: (view) => [lower(view, kernel.flags, arithmeticOf(view))],
      },
      ...(kernel.sumOf === undefined ? [] : lookedUp(kernel.sumOf)),
    ],
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
  const walk = walkOf(view);
  const [low, high] = activationRange(view.attrs.activation, outputOf(view));
  const tables: Record<string, Table> = {};
  if (aConstant) tables.a_data = { data: operands[0].data as Int8Array, role: 'table' };
  if (bConstant) tables.b_data = { data: operands[1].data as Int8Array, role: 'table' };
  const plain = walk.runs === 1 && walk.aStep === walk.bStep;
  const numbers: Record<string, number> = { ...arithmetic.numbers, low, high };
  if (plain) numbers.count = walk.runLength;
  else {
    Object.assign(numbers, {
      runs: walk.runs,
      run_length: walk.runLength,
      a_step: walk.aStep,
      b_step: walk.bStep,
      outer_rank: walk.extents.length,
    });
    tables.extents = { data: Int32Array.from(walk.extents), role: 'table' };
    tables.a_turns = { data: Int32Array.from(walk.aTurns), role: 'table' };
    tables.b_turns = { data: Int32Array.from(walk.bTurns), role: 'table' };
  }
  return {
    inputs: [0, 1].filter((position) => !isConstant(operands[position] as (typeof operands)[0])),
    outputs: [0],
    flags: { ...flags, a_constant: aConstant, b_constant: bConstant, broadcast: !plain },
    numbers,
    tables,
  };
}
