/** lstm with SMLAD: the four gates of a unit are the rows of a group (dot-rows.ts). */
import type { NodeView } from '../../ir/graph.js';
import type { Multiplier } from '../../ops/arithmetic/quant.js';
import { sigmoidTable } from '../../ops/arithmetic/sigmoid16.js';
import { type LstmAttrs, lstmDims, lstmInputs, lstmScales } from '../../ops/lstm.js';
import { inputOf } from '../../ops/shape/operands.js';
import { gateOffsets, lstmNumbers } from '../portable/lstm.js';
import type { KernelCall, KernelVariant } from '../variant.js';
import { type DotRow, dotSteps, dotTable } from './dot-rows.js';
import { stepsOf } from './multiply.js';
import { word } from './words.js';

/** The gates' rows of one unit after the other, over the inputs or over the hidden state. */
interface Gates {
  readonly depth: number;
  readonly rows: readonly DotRow[];
  readonly multipliers: readonly Multiplier[];
}

export const smladLstm: KernelVariant<LstmAttrs> = {
  template: 'dsp/lstm',
  needs: ['dsp'],
  types: ['int8', 'int16'],
  match(view) {
    const { batches, steps, inputs, units } = lstmDims(view);
    const { gates, forget, remember, hidden, ...scales } = lstmScales(view);
    const { weights, recurrent, biases } = lstmInputs;
    const fromInput = gateRows(
      view,
      weights,
      gateOffsets(view, weights, scales.inputZeroPoint, biases),
      gates.map(({ input }) => input),
    );
    const fromHidden = gateRows(
      view,
      recurrent,
      gateOffsets(view, recurrent, scales.hiddenZeroPoint, []),
      gates.map((gate) => gate.recurrent),
    );
    // Products of two int16 are below 2^30 in magnitude, except where both are the least one: no
    // gate is. A shift to the left, or none, does not occur with the scales that converters give.
    const isRight = [forget, remember, hidden].every(({ shift }) => shift < 0);
    if (fromInput === null || fromHidden === null || !isRight) return null;
    const words = [fromInput, fromHidden].map(({ depth }) => dotSteps(stepsOf(1, depth)));
    const runs = batches * steps;
    return {
      scratchBytes: 8 * words.reduce((sum, n) => sum + n, 0),
      work: () => ({
        steps: { count: runs * units * words.reduce((sum, n) => sum + n, 0), cycles: 11.05 },
        outputs: { count: runs * units, cycles: 205 },
        widened: { count: (runs * (inputs + units)) / 4, cycles: 6 },
        runs: { count: runs, cycles: 60 },
      }),
      calls: () => [callOf(view, fromInput, fromHidden)],
    };
  },
};

/**
 * Rows whose sums are twice the accumulator, shifted left as its multiplier says: a 32-bit product
 * then has its doubled upper half. null if a weight leaves int16, or a sum may leave int32.
 */
function gateRows(
  view: NodeView<LstmAttrs>,
  positions: readonly number[],
  offsets: Int32Array,
  multipliers: readonly Multiplier[],
): Gates | null {
  const { units } = lstmDims(view);
  const all = positions.map((position) => inputOf(view, position).data as Int8Array);
  const depth = (all[0] as Int8Array).length / units;
  const rows = Array.from({ length: 4 * units }, (_, i) => {
    const [unit, k] = [Math.floor(i / 4), i % 4];
    const factor = 2 ** (1 + Math.max(0, multipliers[k]?.shift ?? 0));
    const weights = (all[k] as Int8Array).subarray(unit * depth, (unit + 1) * depth);
    const reach = weights.reduce(
      (sum, w) => sum + 128 * Math.abs(w),
      Math.abs(offsets[i] as number),
    );
    const start = (offsets[i] as number) * factor;
    return { start, weight: (at: number) => (weights[at] as number) * factor, factor, reach };
  });
  const fits = rows.every(({ factor, reach }) => factor <= 256 && reach * factor < 2 ** 31);
  return fits ? { depth, rows, multipliers } : null;
}

/** The constants of scale_twice. */
function scaleWords({ multiplier, shift }: Multiplier): readonly [number, number, number, number] {
  const right = Math.max(0, -shift);
  return [multiplier, right, right > 0 ? 2 ** (right - 1) : 0, right > 0 ? -1 : 0];
}

/**
 * sigmoid at i / 24 for i = −256 to 255, times 2^16, as the upper half of a word, with the difference
 * to the next node in the lower half. The runtime's sigmoid of a negative argument is 1 minus that of
 * its magnitude, so its lines have nodes of their own. The table's last entry is the 65535 that the
 * runtime takes for all larger arguments.
 */
const curveNodes = Int32Array.from({ length: 512 }, (_, at) => {
  const i = at - 256;
  const positive = (k: number) => sigmoidTable[Math.min(k, 255)] as number;
  const value = (k: number) => (k < 0 ? 65536 - positive(-k) : positive(k));
  return word(value(i + 1) - value(i), value(i));
});

function callOf(view: NodeView<LstmAttrs>, fromInput: Gates, fromHidden: Gates): KernelCall {
  const { forget, remember, hidden, tanh } = lstmScales(view);
  const { flags, numbers } = lstmNumbers(view);
  const half = ({ shift }: Multiplier) => 2 ** (-shift - 1);
  const pairs = [fromInput, fromHidden].map(({ depth }) => stepsOf(1, depth)) as [[], []];
  const stages = fromInput.multipliers.flatMap((multiplier, k) => [
    ...scaleWords(multiplier),
    ...scaleWords(fromHidden.multipliers[k] as Multiplier),
  ]);
  return {
    inputs: [lstmInputs.input],
    outputs: [0, 1, 2],
    flags,
    numbers: {
      ...numbers,
      ...{ input_steps: dotSteps(pairs[0]), hidden_steps: dotSteps(pairs[1]) },
      ...{ forget_shift: -forget.shift, forget_half: half(forget) },
      ...{ remember_shift: -remember.shift, remember_half: half(remember) },
      ...{ hidden_shift: -hidden.shift, hidden_half: half(hidden) },
      tanh_half: tanh.shift > 0 ? 2 ** (tanh.shift - 1) : 0,
    },
    tables: {
      weights: { data: dotTable(fromInput.rows, pairs[0]), role: 'weights' },
      recurrent: { data: dotTable(fromHidden.rows, pairs[1]), role: 'weights' },
      stages: { data: Int32Array.from(stages), role: 'table' },
      nodes: { data: curveNodes, role: 'table' },
    },
  };
}
