/** lstm with SMLAD: the four gates of a unit are the rows of a group (dot-rows.ts). */
import type { NodeView } from '../../ir/graph.js';
import { type Multiplier, reducedMultiplier } from '../../ops/arithmetic/quant.js';
import { sigmoidTable } from '../../ops/arithmetic/sigmoid16.js';
import {
  type GateSum,
  gateSums,
  isWide,
  type LstmAttrs,
  lstmDims,
  lstmInputs,
  lstmScales,
} from '../../ops/lstm.js';
import type { DotRow } from '../layout/wide-rows.js';
import { lstmNumbers } from '../portable/lstm.js';
import type { KernelCall, KernelVariant } from '../variant.js';
import { dotSteps, dotTable, pairsInOrder } from './dot-rows.js';
import { stepsOf } from './multiply.js';
import { word } from './words.js';

/** The gates' rows of one unit after the other, over the inputs or over the hidden state. */
interface Gates {
  readonly depth: number;
  readonly rows: readonly DotRow[];
  /** Of each gate, the constants with which lstm_gate scales its sum. */
  readonly stages: readonly (readonly number[])[];
}

export const smladLstm: KernelVariant<LstmAttrs> = {
  template: 'dsp/lstm',
  needs: ['dsp'],
  types: ['int8', 'int16'],
  match(view) {
    const { batches, steps, inputs, units } = lstmDims(view);
    const { forget, remember, hidden } = lstmScales(view);
    const gatesFor = isWide(view) ? wideGates : narrowGates;
    const fromInput = gatesFor(gateSums(view, 'input'));
    const fromHidden = gatesFor(gateSums(view, 'recurrent'));
    // Products of two int16 are below 2^30 in magnitude, except where both are the least one: no
    // gate is. A shift to the left, or none, does not occur with the scales that converters give.
    const isRight = [forget, remember, hidden].every(({ shift }) => shift < 0);
    if (fromInput === null || fromHidden === null || !isRight) return null;
    const words = [fromInput, fromHidden].map(({ depth }) => dotSteps(pairsOf(view, depth)));
    const runs = batches * steps;
    return {
      scratchBytes: 8 * words.reduce((sum, n) => sum + n, 0),
      work: () => ({
        steps: { count: runs * units * words.reduce((sum, n) => sum + n, 0), cycles: 11.05 },
        outputs: { count: runs * units, cycles: isWide(view) ? 175 : 205 },
        widened: { count: (runs * (inputs + units)) / 4, cycles: isWide(view) ? 2 : 6 },
        runs: { count: runs, cycles: 60 },
      }),
      calls: () => [callOf(view, fromInput, fromHidden)],
    };
  },
};

/** Positions of the two values in each word: those of int8 as widen_packed brings them. */
const pairsOf = (view: NodeView<LstmAttrs>, depth: number) =>
  isWide(view) ? pairsInOrder(depth) : stepsOf(1, depth);

/**
 * Rows whose sums are twice the accumulator, shifted left as its multiplier says: a 32-bit product
 * then has its doubled upper half. null if a weight leaves int16, or a sum may leave int32.
 */
function narrowGates(sums: readonly GateSum[]): Gates | null {
  const factorOf = ({ scale }: GateSum) => 2 ** (1 + Math.max(0, scale.shift));
  const fits = sums.every((sum) => factorOf(sum) <= 256 && sum.reach * factorOf(sum) < 2 ** 31);
  if (!fits) return null;
  return gatesOf(sums, factorOf, ({ scale }) => scaleConstants(scale));
}

/**
 * Sums of int16 values in 32 bits. The runtime's (sum · m + 2^(shift - 1)) >> shift, with m below
 * 2^15, is (sum · m · 2^(32 - shift) + 2^31) >> 32: SMMULR with a factor below 2^30 for shifts of 17
 * to 32. null if a sum may leave int32, or for other shifts.
 */
function wideGates(sums: readonly GateSum[]): Gates | null {
  const fits = sums.every(({ reach, scale }) => {
    const { shift } = reducedMultiplier(scale);
    return reach < 2 ** 31 && shift >= 17 && shift <= 32;
  });
  if (!fits) return null;
  return gatesOf(
    sums,
    () => 1,
    ({ scale }) => {
      const { multiplier, shift } = reducedMultiplier(scale);
      return [multiplier * 2 ** (32 - shift)];
    },
  );
}

function gatesOf(
  sums: readonly GateSum[],
  factorOf: (sum: GateSum) => number,
  stageOf: (sum: GateSum) => readonly number[],
): Gates {
  return {
    depth: sums[0]?.weights.length ?? 0,
    rows: sums.map((sum) => {
      const factor = factorOf(sum);
      const weight = (at: number) => (sum.weights[at] as number) * factor;
      return { start: sum.offset * factor, weight };
    }),
    stages: sums.slice(0, 4).map(stageOf),
  };
}

/** The constants of scale_twice. */
function scaleConstants({ multiplier, shift }: Multiplier): readonly number[] {
  const right = Math.max(0, -shift);
  return [multiplier, right, right > 0 ? 2 ** (right - 1) : 0, right > 0 ? -1 : 0];
}

/**
 * sigmoid at i / 24 for i = −256 to 255, times 2^16, as the upper half of a word, with the difference
 * to the next node in the lower half. The runtime's sigmoid of a negative argument is 1 minus that of
 * its magnitude, so its lines have nodes of their own. The table's last entry is the 65535 that the
 * runtime takes for all larger arguments.
 */
const curveNodes = Uint32Array.from({ length: 512 }, (_, at) => {
  const i = at - 256;
  const positive = (k: number) => sigmoidTable[Math.min(k, 255)] as number;
  const value = (k: number) => (k < 0 ? 65536 - positive(-k) : positive(k));
  return word(value(i + 1) - value(i), value(i));
});

function callOf(view: NodeView<LstmAttrs>, fromInput: Gates, fromHidden: Gates): KernelCall {
  const { forget, remember, hidden, tanh } = lstmScales(view);
  const { flags, numbers, types } = lstmNumbers(view);
  const half = ({ shift }: Multiplier) => 2 ** (-shift - 1);
  const pairs = [fromInput, fromHidden].map(({ depth }) => pairsOf(view, depth)) as [[], []];
  const stages = fromInput.stages.flatMap((stage, k) => [
    ...stage,
    ...(fromHidden.stages[k] as readonly number[]),
  ]);
  return {
    inputs: [lstmInputs.input],
    outputs: [0, 1, 2],
    ...{ flags, types },
    numbers: {
      ...numbers,
      gate_words: stages.length / 4,
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
