/** Functions of elements that stand for themselves: of float32, int32 and bool. */
import { rangeOfType } from '../../ir/dtypes.js';
import { type DType, elementCount, isInteger, type NodeView } from '../../ir/graph.js';
import { type AddNAttrs, addNTypes, sumScalingOf } from '../../ops/add_n.js';
import { type Expression, operations, x } from '../../ops/arithmetic/expression.js';
import type { Activation } from '../../ops/arithmetic/quant.js';
import { castTypes } from '../../ops/cast.js';
import { type CompareAttrs, type Scaling, scalingsOf } from '../../ops/compare.js';
import type { ElementFunction, ScalarOperator } from '../../ops/scalar.js';
import { inputOf, outputOf } from '../../ops/shape/operands.js';
import { operandWalk, runsOf } from '../layout/walk.js';
import type { Kernel, KernelVariant, Table } from '../variant.js';
import { clampTable } from './real.js';

/** The kernel of the function of a node's elements. */
export function scalarVariant(scalar: ScalarOperator): KernelVariant<object> {
  const { isPair, types, functionOf } = scalar;
  return {
    template: isPair ? 'portable/plain_pairs' : 'portable/plain',
    needs: [],
    types,
    match: (view) =>
      isPair ? pairKernel(view, scalar) : plainKernel(view, functionOf(view.attrs)),
  };
}

/** Elements as another type. */
export const castVariant: KernelVariant<object> = {
  template: 'portable/plain',
  needs: [],
  types: castTypes,
  match: (view) => plainKernel(view, outputOf(view).dtype === 'bool' ? truth : conversion),
};

const truth = { f: operations.not_equal(x, 0), cycles: 20, term: 'truth' };
const conversion = { f: x, cycles: 40, term: 'cast' };

function plainKernel(view: NodeView<object>, { f, cycles, term }: ElementFunction): Kernel {
  const count = elementCount(outputOf(view).shape);
  const [from, to] = [inputOf(view, 0).dtype, outputOf(view).dtype];
  const whole = from === 'float32' && isInteger(to) && to !== 'bool';
  const [low, high] = whole ? rangeOfType(to) : [0, 0];
  return {
    scratchBytes: 0,
    work: () => ({ [term]: { count, cycles } }),
    calls: () => [
      {
        ...{ inputs: [0], outputs: [0], types: { from, to }, tables: {} },
        ...{ flags: { cast: false, whole, [term]: true }, expressions: { f: ofType(f, from) } },
        numbers: { count, ...(whole ? { low, high } : {}) },
      },
    ],
  };
}

const ofType = (of: Expression, type: DType) => ({ of, isWhole: isInteger(type) });

function pairKernel(view: NodeView<object>, { functionOf, hasActivation }: ScalarOperator): Kernel {
  const { f, cycles, term } = functionOf(view.attrs);
  const count = elementCount(outputOf(view).shape);
  const [element, result] = [inputOf(view, 0).dtype, outputOf(view).dtype];
  const isCompared = view.node.op === 'compare';
  const scalings = isCompared ? scalingsOf(view as NodeView<CompareAttrs>) : null;
  const { activation = 'none' } = view.attrs as { readonly activation?: Activation };
  const clamped = hasActivation && result === 'float32';
  return {
    scratchBytes: 0,
    work: () => ({
      [term]: { count, cycles },
      ...(scalings === null ? {} : { scaled: { count, cycles: scaledCycles } }),
      ...runsOf(view),
    }),
    calls() {
      const walk = operandWalk(view);
      return [
        {
          ...{ inputs: walk.inputs, outputs: [0], types: { element, result } },
          operands: walk.operands,
          flags: { ...walk.flags, clamped, scaled: scalings !== null, [term]: true },
          expressions: { f: ofType(f, element) },
          numbers: { ...walk.numbers, ...(scalings === null ? {} : scalingNumbers(scalings)) },
          tables: { ...walk.tables, ...(clamped ? { bounds: clampTable(activation) } : {}) },
        },
      ];
    },
  };
}

/** Of two operands in a common scale. */
const scaledCycles = 100;

const scalingNumbers = ([a, b]: readonly [Scaling, Scaling]) => ({
  ...{ a_zero_point: a.zeroPoint, a_multiplier: a.multiplier, a_shift: a.shift },
  ...{ b_zero_point: b.zeroPoint, b_multiplier: b.multiplier, b_shift: b.shift },
});

/** A sum of many: one operand after the other, in the scratch memory. */
export const addNVariant: KernelVariant<AddNAttrs> = {
  template: 'portable/add_n',
  needs: [],
  types: addNTypes,
  match(view) {
    const { shape, dtype } = outputOf(view);
    const count = elementCount(shape);
    const scaling = dtype === 'int8' ? sumScalingOf(view) : null;
    const numbers: Record<string, number> =
      scaling === null
        ? { count }
        : {
            ...{ count, in_zero_point: scaling.inputZeroPoint },
            ...{ out_zero_point: scaling.outputZeroPoint, ...scaling.multiplier },
          };
    const last = view.inputs.length - 1;
    return {
      scratchBytes: 4 * count,
      work: () => ({ outputs: { count: count * view.inputs.length, cycles: 60 } }),
      calls: () =>
        view.inputs.map((input, i) => ({
          inputs: input?.data == null ? [i] : [],
          outputs: i === last ? [0] : [],
          types: { element: dtype, sum: dtype === 'float32' ? 'float32' : 'int32' },
          flags: {
            ...{ first: i === 0, last: i === last, constant: input?.data != null },
            ...{ scaled: scaling !== null, whole: dtype === 'int32' },
          },
          numbers,
          tables:
            input?.data == null
              ? {}
              : { data: { data: input.data as Table['data'], role: 'table' } },
        })),
    };
  },
};
