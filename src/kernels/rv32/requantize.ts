/** From the packed sums of a group's channels, of four pixels, to their int8 outputs. */
import { applyTwoMultiply, type TwoMultiply } from '../layout/two-multiply.js';
import type { CodedChannel } from '../routines/coded.js';
import type { SumRegisters } from '../routines/packed-sum.js';
import type { Assembly } from './assembly.js';

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

/** Code for a lane whose accumulator is out of range, and the label where it continues. */
interface Detour {
  readonly from: number;
  readonly back: number;
  readonly multiply: TwoMultiply;
}

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
    const detour = multiply.inRange
      ? null
      : { from: assembly.newLabel(), back: assembly.newLabel() };
    if (detour !== null) assembly.emit('bltu', top, value, `${detour.from}f`);
    scale(assembly, multiply);
    if (detour !== null) assembly.place(detour.back);
    assembly.emit('sb', value, `${at}(${outputs[pixel]})`);
    return detour === null ? [] : [{ ...detour, multiply }];
  });
}

/** The output byte of an accumulator within the multiply's range. */
function scale(assembly: Assembly, multiply: TwoMultiply): void {
  if (multiply.low !== 0) {
    assembly.emit('mul', spare, value, low);
    if (multiply.lower !== 0) addLower(assembly, multiply);
    assembly.emit('srli', spare, spare, multiply.shift);
  }
  assembly.emit('mul', value, value, high);
  if (multiply.low !== 0) assembly.emit('add', value, value, spare);
  assembly.emit('add', value, value, offset);
  if (multiply.lift === null) {
    assembly.emit('srli', value, value, 24);
    return;
  }
  assembly.emit('srli', spare, value, 31);
  if (multiply.lift > 0) assembly.emit('slli', spare, spare, multiply.lift);
  assembly.emit('add', value, value, spare);
  assembly.emit('srli', value, value, 23);
  if (multiply.zeroPoint !== 0) assembly.emit('addi', value, value, multiply.zeroPoint);
}

/** A third product, for very large accumulators; no register is free for its multiplier. */
function addLower(assembly: Assembly, { lower: third, shift }: TwoMultiply): void {
  const register = 't2';
  assembly.load(register, third);
  assembly.emit('mul', register, value, register);
  assembly.emit('srli', register, register, shift);
  assembly.emit('add', spare, spare, register);
}

/** The sign tells an accumulator below the range from one above it. */
function makeDetours(assembly: Assembly, detours: readonly Detour[]): void {
  if (detours.length === 0) return;
  const end = assembly.newLabel();
  assembly.emit('j', `${end}f`);
  for (const { from, back, multiply } of detours) {
    const above = assembly.newLabel();
    assembly.place(from);
    assembly.emit('bgez', value, `${above}f`);
    assembly.emit('li', value, multiply.lowest);
    assembly.emit('j', `${back}b`);
    assembly.place(above);
    assembly.emit('li', value, multiply.highest);
    assembly.emit('j', `${back}b`);
  }
  assembly.place(end);
}
