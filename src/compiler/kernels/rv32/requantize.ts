/** From the packed sums of a group's channels, of four pixels, to their int8 outputs. */
import {
  applyTwoMultiply,
  loweredWords,
  type Ties,
  type TwoMultiply,
} from '../layout/two-multiply.js';
import type { CodedChannel } from '../routines/coded.js';
import type { SumRegisters } from '../routines/packed-sum.js';
import { type Assembly, calleeSaved } from './assembly.js';

/** A channel whose products are summed up. */
export interface SummedChannel extends CodedChannel {
  /** Of the first pair of pixels, and of the second. */
  readonly registers: readonly [SumRegisters, SumRegisters];
  /** Each has left 2^15 in the lower lane. */
  readonly runs: number;
  /** Offset of its output bytes. */
  readonly at: number;
}

/** Free when the sums are done: outputs of the four pixels, constants of a channel, work. */
const outputs = ['t0', 't1', 't3', 's0'] as const;
const [lower, upper, top, high, low, offset] = ['s1', 'a2', 'a3', 'a4', 'a5', 'a0'] as const;
const [value, spare] = ['a1', 'ra'] as const;
/** The pointer to the words: who writes it restores it from above the saved registers. */
const third = 't2';
const thirdSlot = `${4 * calleeSaved.length}(sp)`;

/** Emits code for a lane that the main path leaves to it. */
type Detour = () => void;

/** @param pointers register with the address of the four outputs' addresses */
export function requantize(
  assembly: Assembly,
  channels: readonly SummedChannel[],
  pointers: string,
): void {
  const detours: Detour[] = [];
  outputs.forEach((register, i) => {
    assembly.emit('lw', register, `${4 * i}(${pointers})`);
  });
  for (const channel of channels) {
    if (channel.runs === 0) {
      // All its weights are zero.
      assembly.load(value, applyTwoMultiply(channel.requantization, channel.bias));
      for (const output of outputs) assembly.emit('sb', value, `${channel.at}(${output})`);
    } else {
      detours.push(...scaleChannel(assembly, channel));
    }
  }
  assembly.aside(() => makeDetours(assembly, detours));
}

function scaleChannel(assembly: Assembly, channel: SummedChannel): readonly Detour[] {
  const { bias, runs, registers, at, requantization: multiply } = channel;
  const start = bias - multiply.base;
  assembly.load(upper, start);
  assembly.load(lower, start - runs * 2 ** 15);
  if (!multiply.inRange) assembly.load(top, multiply.top);
  assembly.load(high, multiply.high);
  if (multiply.low !== 0) assembly.load(low, multiply.low);
  assembly.load(offset, multiply.offset);
  return [0, 1, 2, 3].flatMap((pixel) => {
    const { packed, upper: sum } = registers[pixel % 2] as SumRegisters;
    if (pixel < 2) {
      // The packed sum less its upper lane.
      assembly.emit('slli', value, sum, 16);
      assembly.emit('sub', value, packed, value);
      assembly.emit('add', value, value, lower);
    } else {
      assembly.emit('add', value, sum, upper);
    }
    const detours = scaleLane(assembly, multiply);
    assembly.emit('sb', value, `${at}(${outputs[pixel]})`);
    return detours;
  });
}

function scaleLane(assembly: Assembly, multiply: TwoMultiply): readonly Detour[] {
  const { inRange, ties } = multiply;
  const detours: Detour[] = [];
  if (inRange && ties === null) {
    scale(assembly, multiply);
    return detours;
  }
  const [from, back] = [assembly.newLabel(), assembly.newLabel()];
  if (!inRange) {
    assembly.emit('bltu', top, value, `${from}f`);
    detours.push(() => clampValue(assembly, from, back, multiply));
  }
  scale(assembly, multiply, () => {
    if (ties === null) return;
    const leave = assembly.newLabel();
    // Zero where the fraction has no bits above those of ties.
    assembly.emit('slli', spare, value, 8);
    assembly.emit('srli', spare, spare, 8 + ties.bits);
    assembly.emit('beqz', spare, `${leave}f`);
    detours.push(() => decideTie(assembly, leave, back, ties));
  });
  assembly.place(back);
  return detours;
}

/**
 * The output byte of an accumulator within the multiply's range.
 *
 * @param leaveTies code for a sum without a lift, in `value`; it may write `spare`
 */
function scale(assembly: Assembly, multiply: TwoMultiply, leaveTies: () => void = () => {}): void {
  if (multiply.low !== 0) {
    assembly.emit('mul', spare, value, low);
    if (multiply.lower !== 0) addLower(assembly, multiply);
    assembly.emit('srli', spare, spare, multiply.shift);
  }
  assembly.emit('mul', value, value, high);
  if (multiply.low !== 0) assembly.emit('add', value, value, spare);
  assembly.emit('add', value, value, offset);
  if (multiply.lift === null) {
    leaveTies();
    assembly.emit('srli', value, value, 24);
    return;
  }
  assembly.emit('srli', spare, value, 31);
  if (multiply.lift > 0) assembly.emit('slli', spare, spare, multiply.lift);
  assembly.emit('add', value, value, spare);
  assembly.emit('srli', value, value, 23);
  if (multiply.zeroPoint !== 0) assembly.emit('addi', value, value, multiply.zeroPoint);
}

/** A third product, for very large accumulators. */
function addLower(assembly: Assembly, { lower, shift }: TwoMultiply): void {
  assembly.emit('sw', third, thirdSlot);
  assembly.load(third, lower);
  assembly.emit('mul', third, value, third);
  assembly.emit('srli', third, third, shift);
  assembly.emit('add', spare, spare, third);
  assembly.emit('lw', third, thirdSlot);
}

function makeDetours(assembly: Assembly, detours: readonly Detour[]): void {
  if (detours.length === 0) return;
  const end = assembly.newLabel();
  assembly.emit('j', `${end}f`);
  for (const detour of detours) detour();
  assembly.place(end);
}

/** The sign tells an accumulator below the range from one above it. */
function clampValue(
  assembly: Assembly,
  from: number,
  back: number,
  { lowest, highest }: TwoMultiply,
): void {
  const above = assembly.newLabel();
  assembly.place(from);
  assembly.emit('bgez', value, `${above}f`);
  assembly.emit('li', value, lowest);
  assembly.emit('j', `${back}b`);
  assembly.place(above);
  assembly.emit('li', value, highest);
  assembly.emit('j', `${back}b`);
}

/** Lowers a byte if its bit says so, in words that are immediate operands: code may not be readable. */
function decideTie(assembly: Assembly, from: number, back: number, ties: Ties): void {
  const found = assembly.newLabel();
  assembly.place(from);
  assembly.emit('srli', value, value, 24);
  assembly.emit('srli', spare, value, 5);
  assembly.emit('sw', third, thirdSlot);
  let passed = 0;
  for (const [i, word] of loweredWords(ties.lowered).entries()) {
    if (word === 0) continue;
    if (i > passed) assembly.emit('addi', spare, spare, passed - i);
    passed = i;
    assembly.load(third, word);
    assembly.emit('beqz', spare, `${found}f`);
  }
  assembly.emit('li', third, 0);
  assembly.place(found);
  // A shift takes the lower five bits of its count.
  assembly.emit('srl', third, third, value);
  assembly.emit('andi', third, third, 1);
  assembly.emit('sub', value, value, third);
  assembly.emit('lw', third, thirdSlot);
  assembly.emit('j', `${back}b`);
}
