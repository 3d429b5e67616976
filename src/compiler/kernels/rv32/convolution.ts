/**
 * A convolution as straight-line RV32IM code, of all output channels of four pixels: as on Thumb-1
 * (routines/coded.ts), but each loaded weight multiplies two words, which hold two pairs of pixels.
 *
 * Registers for a group of three output channels: t2 points to the words, t0 and t1 hold two words,
 * t3 holds 2^15, a0 and a1 hold products. Each channel and pair of pixels has three registers
 * (`registers`): the packed sum of a run, all packed sums added up (S), and their upper lanes added
 * up (H). The lower lane is S − (H << 16). gp and tp are not used: interrupts may rely on them.
 */
import {
  type Coded,
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
import { requantize, type SummedChannel } from './requantize.js';
import { laneBias, RunningSum } from './running-sum.js';

const registers: readonly (readonly [SumRegisters, SumRegisters])[] = [
  [
    { sum: 's0', packed: 's2', upper: 's8' },
    { sum: 's1', packed: 's3', upper: 's9' },
  ],
  [
    { sum: 'a2', packed: 's4', upper: 's10' },
    { sum: 'a3', packed: 's5', upper: 's11' },
  ],
  [
    { sum: 'a4', packed: 's6', upper: 't4' },
    { sum: 'a5', packed: 's7', upper: 't5' },
  ],
];
const products = ['a0', 'a1'] as const;
const words = ['t0', 't1'] as const;
const pointer = 't2';
const outputs = 't6';

/** Of both pairs of pixels: a weight is loaded once for them. */
const productCycles: ProductCycles = {
  input: 2,
  held: 2,
  near: 4,
  scaled: 4,
  shifted: 4,
  multiplied: 5,
};
/** Of the two words that a tap loads, one is mostly in a register already. */
const savings = once(() => savingsOf(productCycles, 1));

/** Bytes that a load reaches from its pointer, on both sides. */
const reach = 2048;

/**
 * void routine(const int32_t *packed, int8_t *const pixels[4]): the word of a tap holds its values
 * for pixels 0 and 2; the word `second` words later holds those for pixels 1 and 3.
 */
export function codeConvolution(coded: Coded, second: number): CodedRoutine {
  const { channels, taps } = coded;
  const groups = groupChannels(
    channels.map(({ weights }) => weights),
    registers.length,
    savings(),
  );
  const write = (assembly: Assembly) => {
    assembly.enter();
    assembly.emit('mv', outputs, 'a1');
    assembly.emit('addi', pointer, 'a0', reach - 48);
    const input = new Input(assembly);
    for (const members of groups) {
      assembly.comment(`Output channels ${members.join(', ')}.`);
      const group = members.map((at, position) => ({
        ...(channels[at] as (typeof channels)[number]),
        registers: registers[position] as (typeof registers)[number],
        at,
      }));
      const runs = multiply(assembly, input, taps, second, group);
      requantize(
        assembly,
        group.map((channel, i) => ({ ...channel, runs: runs[i] as number })),
        outputs,
      );
      input.forget();
    }
    assembly.leave();
  };
  const { text, bytes, cycles } = written((isKept) => new Assembly(isKept), write);
  const twin = () => routineTwin(coded, second);
  return { isa: 'rv32', text: (symbol) => `${symbol}:\n${text()}`, bytes, cycles, twin };
}

/** The packed words; the last two that were loaded are in registers. */
class Input {
  /** Bytes from the first word to the pointer. */
  private at = reach - 48;
  private held: (number | null)[] = [null, null];

  constructor(private readonly assembly: Assembly) {}

  /** Both words, in registers of their own. */
  load(a: number, b: number): readonly [string, string] {
    const first = this.held.indexOf(a);
    const second = this.held.indexOf(b);
    const place = first >= 0 ? first : second >= 0 ? 1 - second : 0;
    this.fill(place, a);
    this.fill(1 - place, b);
    return [words[place] as string, words[1 - place] as string];
  }

  /** Called when other code has overwritten the words' registers. */
  forget(): void {
    this.held = [null, null];
  }

  private fill(place: number, word: number): void {
    if (this.held[place] === word) return;
    const offset = 4 * word - this.at;
    if (offset < -reach || offset >= reach) this.move(4 * word + reach - 48);
    this.assembly.emit('lw', words[place] as string, `${4 * word - this.at}(${pointer})`);
    this.held[place] = word;
  }

  private move(to: number): void {
    while (this.at !== to) {
      const step = Math.max(-reach, Math.min(reach - 4, to - this.at));
      this.assembly.emit('addi', pointer, pointer, step);
      this.at += step;
    }
  }
}

/** The sums of up to three channels. @returns runs of each */
function multiply(
  assembly: Assembly,
  input: Input,
  taps: readonly CodedTap[],
  second: number,
  group: readonly Omit<SummedChannel, 'runs'>[],
): readonly number[] {
  const needed = inOrder(
    taps.filter(({ tap }) => group.some(({ weights }) => weights[tap] !== 0)),
    second,
  );
  const sums = group.map(
    (channel) => new RunningSum(assembly, channel.registers, rangesOf(channel.weights, needed)),
  );
  assembly.load(laneBias, 2 ** 15);
  for (const { tap, word } of needed) {
    const factors = group.map(({ weights }, channel) => ({
      channel,
      weight: weights[tap] as number,
    }));
    const x = input.load(word, word + second);
    for (const product of planProducts(factors, productCycles)) {
      accumulate(assembly, sums[product.channel] as RunningSum, product, x);
    }
  }
  for (const sum of sums) sum.spill();
  return sums.map(({ runs }) => runs);
}

/** Taps in an order in which a tap's second word is often the next tap's first word. */
function inOrder(taps: readonly CodedTap[], second: number): readonly CodedTap[] {
  const byWord = new Map([...taps].sort((a, b) => a.word - b.word).map((tap) => [tap.word, tap]));
  const ordered: CodedTap[] = [];
  for (const first of [...byWord.keys()]) {
    for (let word = first; byWord.has(word); word += second) {
      ordered.push(byWord.get(word) as CodedTap);
      byWord.delete(word);
    }
  }
  return ordered;
}

function accumulate(
  assembly: Assembly,
  sum: RunningSum,
  { weight, making }: Product,
  x: readonly [string, string],
): void {
  const isNegative = weight < 0;
  const magnitude = Math.abs(weight);
  sum.begin();
  if (making.kind === 'input') {
    sum.add(x, isNegative);
    return;
  }
  const each = (emit: (product: string, word: string) => void) =>
    products.forEach((product, pair) => {
      emit(product, x[pair] as string);
    });
  if (making.kind === 'multiplied') {
    // The last product takes the place of the weight.
    assembly.emit('li', products[1], magnitude);
    each((product, word) => assembly.emit('mul', product, word, products[1]));
  } else if (making.kind === 'shifted') {
    each((product, word) => assembly.emit('slli', product, word, making.by));
  } else if (making.kind === 'scaled') {
    each((product) => assembly.emit('slli', product, product, making.by));
  }
  sum.add(products, isNegative);
  if (making.kind === 'near') sum.add(x, isNegative !== making.less);
}
