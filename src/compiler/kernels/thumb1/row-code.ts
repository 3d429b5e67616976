/**
 * A row of inputs times the columns of a matrix as straight-line Thumb code (Armv6-M): four channels
 * at a time have their sums in registers. A word of four inputs is loaded once for all their nonzero
 * weights. Products are exact int32, so nothing is proved about their sums.
 *
 * r0 points into the inputs, r1 holds a word of them, r2 an input, r3 a product; r4 to r7 hold sums.
 * r12 and lr keep the pointers to the inputs and to the sums or outputs.
 */
import { type CodedRoutine, rowTwin } from '../routines/coded.js';
import { type Product, type ProductCycles, planProducts } from '../routines/products.js';
import type { RowOutput } from '../routines/row.js';
import { written } from '../routines/text.js';
import { Assembly } from './assembly.js';
import { storeOutputs } from './row-outputs.js';

const sums = ['r4', 'r5', 'r6', 'r7'] as const;
/** Channels whose sums are in registers together. */
export const groupChannels = sums.length;

/** An addition each, and what makes the product. */
const productCycles: ProductCycles = {
  input: 1,
  held: 1,
  near: 2,
  scaled: 2,
  shifted: 2,
  multiplied: 3,
};

const wordBytes = 4;
/** Bytes that a load reaches behind its pointer, and that the pointer moves by at most. */
const [reach, mostStep] = [31 * wordBytes, 63 * wordBytes];

/**
 * void routine(const int8_t *in, int32_t *sums): the sum of each channel's products, or its output:
 * (const int8_t *in, int8_t *out). `in` is aligned to words.
 *
 * @param channels weights of each, one per input
 * @param outputs how they follow from sums; null for a routine that stores sums
 */
export function codeRow(
  channels: readonly Int8Array[],
  outputs: readonly RowOutput[] | null = null,
): CodedRoutine {
  const write = (assembly: Assembly) => {
    assembly.access('push {r4-r7, lr}', 5);
    assembly.emit('mov r12, r0', 'mov lr, r1');
    for (let first = 0; first < channels.length; first += sums.length) {
      const group = channels.slice(first, first + sums.length);
      assembly.comment(`Output channels ${first} to ${first + group.length - 1}.`);
      if (first > 0) assembly.emit('mov r0, r12');
      multiply(assembly, group);
      const used = sums.slice(0, group.length);
      if (outputs === null) storeSums(assembly, used);
      else storeOutputs(assembly, used, outputs.slice(first));
    }
    assembly.access('pop {r4-r7, pc}', 7);
  };
  const { text, bytes, cycles } = written((isKept) => new Assembly(isKept), write);
  const twin = () => rowTwin(channels, outputs);
  return { isa: 'thumb', text: (symbol) => `${symbol}:\n${text()}`, bytes, cycles, twin };
}

function storeSums(assembly: Assembly, registers: readonly string[]): void {
  assembly.emit('mov r1, lr');
  assembly.access(`stm r1!, {${registers.join(', ')}}`, registers.length);
  assembly.emit('mov lr, r1');
}

/** The inputs, loaded four at a time. */
class Row {
  /** Bytes from the first input to the pointer. */
  private at = 0;

  constructor(private readonly assembly: Assembly) {}

  /** @param tap the first input of a word */
  load(tap: number): void {
    while (tap - this.at > reach) {
      const step = Math.min(tap - this.at, mostStep);
      this.assembly.emit(`adds r0, #${step}`);
      this.at += step;
    }
    this.assembly.access(`ldr r1, [r0, #${tap - this.at}]`);
  }
}

/** Leaves input `byte` of the word in r2. */
function extract(assembly: Assembly, byte: number): void {
  if (byte === 0) assembly.emit('sxtb r2, r1');
  else if (byte === wordBytes - 1) assembly.emit('asrs r2, r1, #24');
  else assembly.emit(`lsls r2, r1, #${24 - 8 * byte}`, 'asrs r2, r2, #24');
}

function multiply(assembly: Assembly, group: readonly Int8Array[]): void {
  const isBegun = group.map(() => false);
  const add = (channel: number, source: string, isNegative: boolean) => {
    const sum = sums[channel] as string;
    if (isBegun[channel])
      assembly.emit(`${isNegative ? 'subs' : 'adds'} ${sum}, ${sum}, ${source}`);
    else assembly.emit(isNegative ? `rsbs ${sum}, ${source}, #0` : `movs ${sum}, ${source}`);
    isBegun[channel] = true;
  };
  const row = new Row(assembly);
  let loaded = -1;
  const depth = group[0]?.length ?? 0;
  for (let tap = 0; tap < depth; tap += 1) {
    const factors = group.flatMap((weights, channel) => {
      const weight = weights[tap] as number;
      return weight === 0 ? [] : [{ channel, weight }];
    });
    if (factors.length === 0) continue;
    const byte = tap % wordBytes;
    if (tap - byte !== loaded) row.load(tap - byte);
    loaded = tap - byte;
    extract(assembly, byte);
    for (const product of planProducts(factors, productCycles)) accumulate(assembly, product, add);
  }
  isBegun.forEach((begun, channel) => {
    if (!begun) assembly.emit(`movs ${sums[channel]}, #0`);
  });
}

function accumulate(
  assembly: Assembly,
  { channel, weight, making }: Product,
  add: (channel: number, source: string, isNegative: boolean) => void,
): void {
  const isNegative = weight < 0;
  if (making.kind === 'multiplied') {
    assembly.emit(`movs r3, #${Math.abs(weight)}`, 'muls r3, r2, r3');
  } else if (making.kind === 'shifted') {
    assembly.emit(`lsls r3, r2, #${making.by}`);
  } else if (making.kind === 'scaled') {
    assembly.emit(`lsls r3, r3, #${making.by}`);
  }
  add(channel, making.kind === 'input' ? 'r2' : 'r3', isNegative);
  if (making.kind === 'near') add(channel, 'r2', isNegative !== making.less);
}
