/** softmax and log_softmax: a table of exponentials, and one division or logarithm for each row. */
import { type DType, elementCount, type NodeView } from '../../ir/graph.js';
import {
  fixedExponentials,
  inputScale,
  tableExponentials,
} from '../../ops/arithmetic/exponentials.js';
import { differenceMultiplier, wideTables } from '../../ops/arithmetic/softmax16.js';
import { fixedDistances, fixedSummands, type LogSoftmaxAttrs } from '../../ops/log_softmax.js';
import { inputOf, outputOf } from '../../ops/shape/operands.js';
import { rowsOf } from '../../ops/shape/rows.js';
import { outputStep, type SoftmaxAttrs, widens } from '../../ops/softmax.js';
import type { KernelCall, KernelVariant, Overlap } from '../variant.js';

/** Every row is read before it is written, or element by element. */
const inPlace: readonly Overlap[] = [{ input: 0, lead: 0, exact: true }];

/** Of int8, to int8 or int16. */
const ofBytes: readonly DType[] = ['int8', 'int16'];
const takesBytes = (view: NodeView<SoftmaxAttrs>) => inputOf(view, 0).dtype === 'int8';

export const softmaxVariants: readonly KernelVariant<SoftmaxAttrs>[] = [
  {
    template: 'portable/softmax',
    needs: [],
    types: ofBytes,
    match(view) {
      if (view.attrs.algorithm !== 'fixed' || !takesBytes(view)) return null;
      return {
        scratchBytes: 0,
        work: () => ({ outputs: { count: elementCount(outputOf(view).shape), cycles: 70 } }),
        calls: () => [toType(view, { exponentials: fixedTable(view, view.attrs.beta) })],
      };
    },
  },
  {
    template: 'portable/softmax_table',
    needs: [],
    types: ofBytes,
    match(view) {
      if (view.attrs.algorithm !== 'table' || !takesBytes(view)) return null;
      return {
        scratchBytes: 0,
        // Two floating-point additions or multiplications by the run-time library, on a core
        // without an FPU.
        work: () => ({ outputs: { count: elementCount(outputOf(view).shape), cycles: 300 } }),
        calls: () => [
          toType(view, {
            exponentials: tableExponentials(view, view.attrs.beta),
            ...(widens(view) ? { scale: Float32Array.of(outputStep(view)) } : {}),
          }),
        ],
      };
    },
  },
  {
    template: 'portable/softmax_lines',
    needs: [],
    types: ['int16'],
    match(view) {
      const { multiplier, shift } = differenceMultiplier(view, view.attrs.beta);
      const { exponentials, reciprocals } = wideTables[view.attrs.algorithm];
      return {
        scratchBytes: 0,
        overlaps: inPlace,
        work: () => ({ outputs: { count: elementCount(outputOf(view).shape), cycles: 75 } }),
        calls: () => [
          {
            ...{ inputs: [0], outputs: [0], flags: {} },
            numbers: { ...rowsOf(view), multiplier, shift },
            tables: {
              exponentials: { data: exponentials, role: 'table' },
              reciprocals: { data: reciprocals, role: 'table' },
            },
          },
        ],
      };
    },
  },
  realVariant('portable/softmax_f32', ({ beta }) => beta, { logarithm: false }),
];

export const logSoftmaxVariants: readonly KernelVariant<LogSoftmaxAttrs>[] = [
  {
    template: 'portable/log_softmax',
    needs: [],
    match(view) {
      if (view.attrs.algorithm !== 'fixed') return null;
      return {
        scratchBytes: 0,
        overlaps: inPlace,
        work: () => rowWork(view, { cycles: 30, rowCycles: 600 }),
        calls: () => [
          lower(view, {
            distances: Int32Array.from(fixedDistances(view)),
            summands: Int32Array.from(fixedSummands(view)),
          }),
        ],
      };
    },
  },
  {
    template: 'portable/log_softmax_table',
    needs: [],
    match(view) {
      if (view.attrs.algorithm !== 'table') return null;
      const scale = inputScale(view);
      return {
        scratchBytes: 0,
        overlaps: inPlace,
        work: () => rowWork(view, { cycles: 800, rowCycles: 4000 }),
        calls: () => [
          lower(view, {
            exponentials: tableExponentials(view, 1),
            scales: Float32Array.of(scale, Math.fround(16 * scale)),
          }),
        ],
      };
    },
  },
  realVariant('portable/log_softmax_f32', () => 1, { logarithm: true }),
];

/** Rows of float32; the output holds the exponentials until their sum is known. */
function realVariant<A extends object>(
  template: string,
  betaOf: (attrs: A) => number,
  { logarithm }: { readonly logarithm: boolean },
): KernelVariant<A> {
  return {
    ...{ template, text: 'portable/softmax_f32', needs: [], types: ['float32'] },
    match: (view) => ({
      scratchBytes: 0,
      overlaps: inPlace,
      work: () => rowWork(view, { cycles: 3500, rowCycles: logarithm ? 4000 : 300 }),
      calls() {
        const beta = betaOf(view.attrs);
        const scaled = beta !== 1;
        const tables = scaled ? { beta: Float32Array.of(beta) } : {};
        return [{ ...lower(view, tables), flags: { logarithm, scaled } }];
      },
    }),
  };
}

function rowWork(
  view: NodeView<object>,
  { cycles, rowCycles }: { readonly cycles: number; readonly rowCycles: number },
) {
  return {
    outputs: { count: elementCount(outputOf(view).shape), cycles },
    rows: { count: rowsOf(view).rows, cycles: rowCycles },
  };
}

const fixedTable = (view: NodeView<object>, beta: number) =>
  Int32Array.from(fixedExponentials(view, beta));

function toType(
  view: NodeView<SoftmaxAttrs>,
  tables: Readonly<Record<string, Int32Array | Float32Array>>,
): KernelCall {
  const wide = widens(view);
  const words = wide
    ? { most: '32767', middle: '32768', fraction: '15' }
    : { most: '127', middle: '128', fraction: '23' };
  return { ...lower(view, tables), flags: { wide }, words, types: { to: outputOf(view).dtype } };
}

function lower(
  view: NodeView<object>,
  tables: Readonly<Record<string, Int32Array | Float32Array>>,
): KernelCall {
  const entries = Object.entries(tables);
  return {
    ...{ inputs: [0], outputs: [0], flags: {}, numbers: { ...rowsOf(view) } },
    tables: Object.fromEntries(entries.map(([name, data]) => [name, { data, role: 'table' }])),
  };
}
