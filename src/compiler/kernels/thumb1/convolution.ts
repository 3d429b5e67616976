/**
 * A convolution as straight-line code: every weight is an immediate operand.
 *
 * The routine computes all output channels of two pixels at once from words that hold an input
 * value of each, x0 + (x1 << 16): one multiplication for both. The packed sums of a run of products
 * are taken apart before a lane can overflow (runs.ts), as proved from the weights and the bounds
 * of the inputs.
 *
 * Registers for a group of three output channels: r0 points to the words, r1 and r2 hold two words,
 * r3 holds 2^15, r4 to r6 hold the packed sums of a run, r7 holds a product. Each channel has two
 * high registers: one adds up its packed sums (S), one their upper lanes (H). The lower lane is
 * S − (H << 16).
 */
import {
  type CodedChannel,
  type CodedRoutine,
  type CodedTap,
  rangesOf,
  routineTwin,
} from '../routines/coded.js';
import { groupChannels, savingsOf } from '../routines/groups.js';
import type { SumRegisters } from '../routines/packed-sum.js';
import { type Product, type ProductCycles, planProducts } from '../routines/products.js';
import { written } from '../routines/text.js';
import { once } from '../variant.js';
import { Assembly } from './assembly.js';
import { planLoads } from './loads.js';
import { inputSlot, outputSlots, requantize } from './requantize.js';
import { RunningSum } from './running-sum.js';

const registers: readonly SumRegisters[] = [
  { sum: 'r4', packed: 'r8', upper: 'r9' },
  { sum: 'r5', packed: 'r10', upper: 'r11' },
  { sum: 'r6', packed: 'r12', upper: 'lr' },
];

const productCycles: ProductCycles = {
  input: 1,
  held: 1,
  near: 2,
  scaled: 2,
  shifted: 2,
  multiplied: 3,
};
/** A load of a single word takes two cycles, one of a pair three. */
const savings = once(() => savingsOf(productCycles, 1.5));

/** Output bytes within reach of one pointer: offsets 0 to 31. */
const storeReach = 32;

/**
 * void routine(const uint32_t *packed, int8_t *out0, int8_t *out1): writes all channels of the pixel
 * in the lower lane to out0, those of the pixel in the upper lane to out1.
 */
export function codeConvolution(
  channels: readonly CodedChannel[],
  taps: readonly CodedTap[],
): CodedRoutine {
  const write = (assembly: Assembly) => {
    const blockSize = blockSizeOf(channels.length);
    enter(assembly);
    for (let origin = 0; origin < channels.length; origin += blockSize) {
      if (origin > 0) moveOutputs(assembly, blockSize);
      const block = channels.slice(origin, origin + blockSize);
      const groups = groupChannels(
        block.map(({ weights }) => weights),
        registers.length,
        savings(),
      );
      groups.forEach((members, i) => {
        assembly.comment(`Output channels ${members.map((at) => origin + at).join(', ')}.`);
        if (origin + i > 0) assembly.access(`ldr r0, [${inputSlot}]`);
        const group = members.map((at, position) => ({
          ...(block[at] as CodedChannel),
          registers: registers[position] as SumRegisters,
          at,
        }));
        const runs = multiply(assembly, taps, group);
        requantize(
          assembly,
          group.map((channel, position) => ({ ...channel, runs: runs[position] as number })),
        );
      });
    }
    leave(assembly);
  };
  const { text, bytes, cycles } = written((isKept) => new Assembly(isKept), write);
  const twin = () => routineTwin({ channels, taps }, null);
  return { isa: 'thumb', text: (symbol) => `${symbol}:\n${text()}`, bytes, cycles, twin };
}

/** Channels of a block: the fewest blocks, of about equal size, made of whole groups. */
function blockSizeOf(channels: number): number {
  const blocks = Math.ceil(channels / storeReach);
  const groups = Math.ceil(channels / (blocks * registers.length));
  return Math.min(storeReach, groups * registers.length);
}

function enter(assembly: Assembly): void {
  assembly.access('push {r4-r7, lr}', 5);
  assembly.emit('mov r4, r8', 'mov r5, r9', 'mov r6, r10', 'mov r7, r11');
  assembly.access('push {r4-r7}', 4);
  assembly.access('push {r0-r2}', 3);
}

function leave(assembly: Assembly): void {
  assembly.emit('add sp, #12');
  assembly.access('pop {r4-r7}', 4);
  assembly.emit('mov r8, r4', 'mov r9, r5', 'mov r10, r6', 'mov r11, r7');
  assembly.access('pop {r4-r7, pc}', 7);
}

function moveOutputs(assembly: Assembly, bytes: number): void {
  for (const slot of outputSlots) {
    assembly.access(`ldr r1, [${slot}]`);
    assembly.emit(`adds r1, #${bytes}`);
    assembly.access(`str r1, [${slot}]`);
  }
}

/** The sums of up to three channels, in their high registers. @returns runs of each */
function multiply(
  assembly: Assembly,
  taps: readonly CodedTap[],
  group: readonly (CodedChannel & { readonly registers: SumRegisters })[],
): readonly number[] {
  const needed = taps
    .filter(({ tap }) => group.some(({ weights }) => weights[tap] !== 0))
    .sort((a, b) => a.word - b.word);
  const sums = group.map(
    (channel) => new RunningSum(assembly, channel.registers, rangesOf(channel.weights, needed)),
  );
  const tapOf = new Map(needed.map(({ word, tap }) => [word, tap]));
  // 2^15 keeps a negative lower lane from borrowing from the upper one.
  assembly.emit('movs r3, #128', 'lsls r3, r3, #8');
  for (const load of planLoads(needed.map(({ word }) => word))) {
    if (load.kind === 'pair') assembly.access('ldm r0!, {r1, r2}', 2);
    else if (load.kind === 'single') assembly.access(`ldr r1, [r0, #${load.offset}]`);
    else assembly.emit(`adds r0, #${load.bytes}`);
    load.words.forEach((word, i) => {
      const x = i === 0 ? 'r1' : 'r2';
      const tap = tapOf.get(word) as number;
      const factors = group.map(({ weights }, channel) => ({
        channel,
        weight: weights[tap] as number,
      }));
      for (const product of planProducts(factors, productCycles)) {
        accumulate(assembly, sums[product.channel] as RunningSum, product, x);
      }
    });
  }
  for (const sum of sums) sum.spill();
  return sums.map(({ runs }) => runs);
}

function accumulate(
  assembly: Assembly,
  sum: RunningSum,
  { weight, making }: Product,
  x: string,
): void {
  const magnitude = Math.abs(weight);
  if (making.kind === 'scaled') assembly.emit(`lsls r7, r7, #${making.by}`);
  if (making.kind === 'shifted') assembly.emit(`lsls r7, ${x}, #${making.by}`);
  if (making.kind === 'multiplied') assembly.emit(`movs r7, #${magnitude}`, `muls r7, ${x}, r7`);
  sum.begin();
  const isNegative = weight < 0;
  sum.add(making.kind === 'input' ? x : 'r7', isNegative);
  if (making.kind === 'near') sum.add(x, isNegative !== making.less);
}
