/**
 * A row of inputs times the columns of a matrix as straight-line RV32IM code: up to 24 channels at
 * a time have their sums in registers, so an input is loaded once for all their nonzero weights.
 * Products are exact int32, so nothing is proved about their sums.
 *
 * a0 points into the inputs, a1 to the sums; t0 holds an input, t1 a product. gp and tp are not
 * used: interrupts may rely on them.
 */
import { type CodedRoutine, rowTwin } from '../routines/coded.js';
import { type Product, type ProductCycles, planProducts } from '../routines/products.js';
import { written } from '../routines/text.js';
import { Assembly, calleeSaved } from './assembly.js';

const [inputs, sums, input, product] = ['a0', 'a1', 't0', 't1'] as const;
/** Registers for sums. */
const free = [
  ...['a2', 'a3', 'a4', 'a5', 'a6', 'a7', 't2', 't3', 't4', 't5', 't6'],
  ...calleeSaved,
];
/** Channels whose sums are in registers together. */
export const groupChannels = free.length;

/** An addition each, and what makes the product. */
const productCycles: ProductCycles = {
  input: 1,
  held: 1,
  near: 2,
  scaled: 2,
  shifted: 2,
  multiplied: 3,
};

/** Bytes that a load reaches from its pointer, on both sides. */
const reach = 2048;

/**
 * void routine(const int8_t *in, int32_t *sums): the sum of each channel's products.
 *
 * @param channels weights of each, one per input
 */
export function codeRow(channels: readonly Int8Array[]): CodedRoutine {
  const write = (assembly: Assembly) => {
    const used = free.slice(0, channels.length).filter((one) => calleeSaved.includes(one));
    assembly.enter(used);
    const row = new Row(assembly);
    for (let first = 0; first < channels.length; first += groupChannels) {
      const group = channels.slice(first, first + groupChannels);
      assembly.comment(`Output channels ${first} to ${first + group.length - 1}.`);
      multiply(assembly, row, group);
      group.forEach((_, i) => {
        assembly.emit('sw', free[i] as string, `${4 * (first + i)}(${sums})`);
      });
    }
    assembly.leave(used);
  };
  const { text, bytes, cycles } = written((isKept) => new Assembly(isKept), write);
  const twin = () => rowTwin(channels);
  return { isa: 'rv32', text: (symbol) => `${symbol}:\n${text()}`, bytes, cycles, twin };
}

/** The inputs, loaded one by one. */
class Row {
  /** Bytes from the first input to the pointer. */
  private at = 0;

  constructor(private readonly assembly: Assembly) {}

  load(tap: number): void {
    while (tap - this.at < -reach || tap - this.at >= reach) {
      const step = tap < this.at ? -reach : reach - 1;
      this.assembly.emit('addi', inputs, inputs, step);
      this.at += step;
    }
    this.assembly.emit('lb', input, `${tap - this.at}(${inputs})`);
  }
}

function multiply(assembly: Assembly, row: Row, group: readonly Int8Array[]): void {
  const isBegun = group.map(() => false);
  const add = (channel: number, source: string, isNegative: boolean) => {
    const sum = free[channel] as string;
    if (isBegun[channel]) assembly.emit(isNegative ? 'sub' : 'add', sum, sum, source);
    else if (isNegative) assembly.emit('sub', sum, 'zero', source);
    else assembly.emit('mv', sum, source);
    isBegun[channel] = true;
  };
  const depth = group[0]?.length ?? 0;
  for (let tap = 0; tap < depth; tap += 1) {
    const factors = group.flatMap((weights, channel) => {
      const weight = weights[tap] as number;
      return weight === 0 ? [] : [{ channel, weight }];
    });
    if (factors.length === 0) continue;
    row.load(tap);
    // The product in its register has the sign of the weight that it was multiplied by: an addition
    // takes two bytes, a subtraction mostly four.
    let isHeldNegative = false;
    for (const one of planProducts(factors, productCycles)) {
      if (one.making.kind === 'multiplied') isHeldNegative = one.weight < 0;
      if (one.making.kind === 'shifted') isHeldNegative = false;
      accumulate(assembly, one, isHeldNegative, add);
    }
  }
  isBegun.forEach((begun, channel) => {
    if (!begun) assembly.emit('li', free[channel] as string, 0);
  });
}

function accumulate(
  assembly: Assembly,
  { channel, weight, making }: Product,
  isHeldNegative: boolean,
  add: (channel: number, source: string, isNegative: boolean) => void,
): void {
  const isNegative = weight < 0;
  if (making.kind === 'multiplied') {
    assembly.emit('li', product, weight);
    assembly.emit('mul', product, product, input);
  } else if (making.kind === 'shifted') {
    assembly.emit('slli', product, input, making.by);
  } else if (making.kind === 'scaled') {
    assembly.emit('slli', product, product, making.by);
  }
  if (making.kind === 'input') add(channel, input, isNegative);
  else add(channel, product, isNegative !== isHeldNegative);
  if (making.kind === 'near') add(channel, input, isNegative !== making.less);
}
