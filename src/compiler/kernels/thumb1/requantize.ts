/** From the sums of up to three channels of two pixels to their int8 outputs. */
import {
  applyTwoMultiply,
  loweredWords,
  type Ties,
  type TwoMultiply,
} from '../layout/two-multiply.js';
import type { CodedChannel } from '../routines/coded.js';
import type { SumRegisters } from '../routines/packed-sum.js';
import type { Assembly } from './assembly.js';

/** A routine's parameters, which it leaves on the stack. */
export const inputSlot = 'sp, #0';
export const outputSlots = ['sp, #4', 'sp, #8'] as const;

/** A channel whose products are summed up. */
export interface SummedChannel extends CodedChannel {
  readonly registers: SumRegisters;
  /** Each has left 2^15 in the lower lane. */
  readonly runs: number;
  /** Offset of its output bytes. */
  readonly at: number;
}

/** Registers of a channel's constants. */
interface Constants {
  readonly high: string;
  readonly low: string;
  readonly offset: string;
  readonly top: string;
}

/** Emits code for a lane that the main path leaves to it. */
type Detour = () => void;

/** A lane and the labels of its detour, and of where that continues. */
interface Leaving {
  readonly lane: string;
  readonly from: number;
  readonly back: number;
}

/**
 * Stores the channels' outputs. Constants and detours follow the code. An unsigned comparison sends
 * accumulators below and above the multiplication's range to a detour, which takes fewer cycles; under ReLU
 * about half of all accumulators take it.
 */
export function requantize(assembly: Assembly, channels: readonly SummedChannel[]): void {
  const pool = assembly.newLabel();
  const words: number[] = [];
  let detours: Detour[] = [];
  assembly.emit(`adr r7, ${pool}f`);
  for (const channel of channels) {
    if (channel.runs === 0) {
      // All its weights are zero.
      const byte = applyTwoMultiply(channel.requantization, channel.bias) & 255;
      assembly.emit(`movs r1, #${byte}`, 'movs r2, r1');
      store(assembly, channel, channels);
      continue;
    }
    const constants = loadConstants(assembly, channel, words);
    separate(assembly, channel.registers);
    detours.push(...scaleLanes(assembly, channel, constants));
    store(assembly, channel, channels);
    const { lower, ties } = channel.requantization;
    if (lower !== 0) assembly.emit('adds r7, #4');
    if (lower !== 0 || ties !== null) {
      // After the last of these long channels, a detour would be out of a branch's reach.
      skip(assembly, detours);
      detours = [];
    }
  }
  skip(assembly, [...detours, () => assembly.pool(pool, words)]);
}

/** Emits code that the main path jumps over. */
function skip(assembly: Assembly, texts: readonly (() => void)[]): void {
  const next = assembly.newLabel();
  assembly.branch(`b ${next}f`);
  for (const text of texts) assembly.aside(text);
  assembly.place(next);
}

/** The output bytes of both lanes, in r1 and r2. @returns where those go that need more */
function scaleLanes(
  assembly: Assembly,
  { requantization: multiply, registers }: SummedChannel,
  constants: Constants,
): readonly Detour[] {
  const { inRange, ties } = multiply;
  const spare = registers.packed;
  // The upper lane comes last: it may take the constants' registers.
  return ['r1', 'r2'].flatMap((lane) => {
    if (inRange && ties === null) {
      scale(assembly, multiply, constants, lane, spare);
      return [];
    }
    const detours: Detour[] = [];
    const leaving = { lane, from: assembly.newLabel(), back: assembly.newLabel() };
    if (!inRange) {
      assembly.emit(`cmp ${lane}, ${constants.top}`, `bhi ${leaving.from}f`);
      detours.push(() => clampLane(assembly, leaving, multiply));
    }
    scale(assembly, multiply, constants, lane, spare, () => {
      if (ties === null) return;
      const from = assembly.newLabel();
      // Zero where the fraction has no bits above those of ties.
      assembly.emit(`lsls r0, ${lane}, #8`, `lsrs r0, r0, #${8 + ties.bits}`, `beq ${from}f`);
      detours.push(() => decideTie(assembly, { ...leaving, from }, ties, spare));
    });
    assembly.place(leaving.back);
    return detours;
  });
}

/** Loads the addends of the lanes into r1 and r2, and the other constants into r3 to r6. */
function loadConstants(
  assembly: Assembly,
  { bias, runs, requantization }: SummedChannel,
  words: number[],
): Constants {
  const { base, high, low, lower, offset, top, inRange } = requantization;
  const start = bias - base;
  const names = ['r3', 'r4', 'r5', 'r6'];
  const list = ['r1', 'r2'];
  words.push(start + start * 2 ** 16 - runs * 2 ** 15, start);
  const take = (isUsed: boolean, word: number) => {
    if (!isUsed) return '';
    words.push(word);
    list.push(names.shift() as string);
    return list.at(-1) as string;
  };
  const constants = {
    high: take(true, high),
    low: take(low !== 0, low),
    offset: take(true, offset),
    top: take(!inRange, top),
  };
  assembly.access(`ldm r7!, {${list.join(', ')}}`, list.length);
  // No register is free for it, so r7 points to it until the channel is done.
  if (lower !== 0) words.push(lower);
  return constants;
}

/** Leaves the accumulators of the lower and the upper lane, less base, in r1 and r2. */
function separate(assembly: Assembly, { packed, upper }: SumRegisters): void {
  assembly.emit(`add r1, ${packed}`, `add r2, ${upper}`, 'lsls r0, r2, #16', 'subs r1, r1, r0');
}

/**
 * The output byte of an accumulator within the multiplication's range, in `lane`.
 *
 * @param spare a high register that may be written
 * @param leaveTies code for a sum without a lift, in `lane`; it may write r0
 */
function scale(
  assembly: Assembly,
  { low, lower, shift, lift, zeroPoint }: TwoMultiply,
  constants: Constants,
  lane: string,
  spare: string,
  leaveTies: () => void = () => {},
): void {
  const { high, offset } = constants;
  const isLast = lane === 'r2';
  if (low === 0) {
    assembly.emit(`muls ${lane}, ${high}, ${lane}`);
  } else if (lower !== 0) {
    assembly.emit(`mov ${spare}, ${lane}`);
    assembly.access('ldr r0, [r7]');
    assembly.emit(`muls r0, ${lane}, r0`, `lsrs r0, r0, #${shift}`);
    assembly.emit(`muls ${lane}, ${constants.low}, ${lane}`, `adds ${lane}, ${lane}, r0`);
    assembly.emit(`lsrs ${lane}, ${lane}, #${shift}`, `mov r0, ${spare}`);
    assembly.emit(`muls r0, ${high}, r0`, `adds ${lane}, ${lane}, r0`);
  } else if (isLast) {
    assembly.emit(`muls ${high}, ${lane}, ${high}`, `muls ${lane}, ${constants.low}, ${lane}`);
    assembly.emit(`lsrs ${lane}, ${lane}, #${shift}`, `adds ${lane}, ${lane}, ${high}`);
  } else {
    assembly.emit(`movs r0, ${lane}`, `muls r0, ${constants.low}, r0`, `lsrs r0, r0, #${shift}`);
    assembly.emit(`muls ${lane}, ${high}, ${lane}`, `adds ${lane}, ${lane}, r0`);
  }
  assembly.emit(`adds ${lane}, ${lane}, ${offset}`);
  if (lift === null) {
    leaveTies();
    assembly.emit(`lsrs ${lane}, ${lane}, #24`);
    return;
  }
  assembly.emit(`lsrs r0, ${lane}, #31`);
  if (lift > 0) assembly.emit(`lsls r0, r0, #${lift}`);
  assembly.emit(`adds ${lane}, ${lane}, r0`, `lsrs ${lane}, ${lane}, #23`);
  if (zeroPoint !== 0) assembly.emit(`adds ${lane}, #${zeroPoint & 255}`);
}

/**
 * Stores r1 and r2 through the two output pointers. In a group of three channels the first one keeps
 * the pointers in its high registers, which are free by then: for the others a move is cheaper than
 * a load.
 */
function store(assembly: Assembly, channel: SummedChannel, group: readonly SummedChannel[]): void {
  const [first, ...others] = group;
  const keeps = others.length > 1;
  [first?.registers.packed, first?.registers.upper].forEach((kept, lane) => {
    if (keeps && channel !== first) {
      assembly.emit(`mov r3, ${kept}`);
    } else {
      assembly.access(`ldr r3, [${outputSlots[lane]}]`);
      if (keeps) assembly.emit(`mov ${kept}, r3`);
    }
    assembly.access(`strb r${1 + lane}, [r3, #${channel.at}]`);
  });
}

/** The sign tells an accumulator below the range from one above it. */
function clampLane(
  assembly: Assembly,
  { lane, from, back }: Leaving,
  { lowest, highest }: TwoMultiply,
): void {
  const above = assembly.newLabel();
  assembly.place(from);
  assembly.emit(`bge ${above}f`, `movs ${lane}, #${lowest & 255}`, `b ${back}b`);
  assembly.place(above);
  assembly.emit(`movs ${lane}, #${highest & 255}`, `b ${back}b`);
}

/** Lowers a byte if its bit in a table says so. @param spare keeps r7 */
function decideTie(
  assembly: Assembly,
  { lane, from, back }: Leaving,
  ties: Ties,
  spare: string,
): void {
  const table = assembly.newLabel();
  assembly.place(from);
  assembly.emit(`lsrs ${lane}, ${lane}, #24`, `mov ${spare}, r7`, `adr r7, ${table}f`);
  assembly.emit(`lsrs r0, ${lane}, #3`, 'ldrb r7, [r7, r0]');
  // Bit n leaves by the carry of a shift by n + 1, which the move keeps.
  assembly.emit('movs r0, #7', `ands r0, ${lane}`, 'adds r0, #1', 'lsrs r7, r0');
  assembly.emit(`mov r7, ${spare}`, `bcc ${back}b`, `subs ${lane}, #1`, `b ${back}b`);
  assembly.pool(table, [...loweredWords(ties.lowered)]);
}
