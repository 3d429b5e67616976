/**
 * Estimates the cycles of a run on a chip from the instructions that it executed.
 *
 * An estimate, not a measurement: it assumes no wait states, and no mispredictions but those stated
 * here. It shows whether a kernel saves work or merely packs it into fewer instructions.
 */
import type { Instruction } from './blocks.js';

type Model = (program: readonly Instruction[]) => number[];

const models = {
  'Cortex-M4': cortexM4,
  'Cortex-M7': cortexM7,
  'Cortex-M33': cortexM33,
} satisfies Record<string, Model>;

export type Core = keyof typeof models;

const cores = Object.keys(models) as Core[];

/** The core model for a target; null if there is none. */
export function coreOf(name: string): Core | null {
  return cores.find((core) => name === core || name === `${core}F`) ?? null;
}

/** Cycles of each instruction over all its runs, in the same order. */
export function estimateCycles(core: Core, program: readonly Instruction[]): number[] {
  return models[core](program);
}

const isSingleLoad = ({ mnemonic }: Instruction) => /^ldr(b|h|sb|sh)?$/.test(mnemonic);
const isSingleStore = ({ mnemonic }: Instruction) => /^str(b|h)?$/.test(mnemonic);
const isMultiple = ({ mnemonic }: Instruction) => /^(push|pop|ldm|stm)/.test(mnemonic);
const isDouble = ({ mnemonic }: Instruction) => /^(ldrd|strd)$/.test(mnemonic);
const isMemory = (i: Instruction) =>
  isSingleLoad(i) || isSingleStore(i) || isMultiple(i) || isDouble(i);
const isMultiply = ({ mnemonic }: Instruction) =>
  /^(mul|mla|mls|[su]mul|[su]mla|smm|smu|umaal)/.test(mnemonic);
const isDivide = ({ mnemonic }: Instruction) => /^[su]div$/.test(mnemonic);

/** The number of registers in a list like '{r4, r5, r8-r11, lr}'. */
function listLength(operands: string): number {
  const number = (name: string) =>
    ({ sp: 13, lr: 14, pc: 15, sl: 10, fp: 11, ip: 12 })[name] ?? Number(name.slice(1));
  const list = /\{([^}]*)\}/.exec(operands)?.[1] ?? '';
  return list.split(',').reduce((sum, item) => {
    const [from = '', to = from] = item.trim().split('-');
    return sum + number(to) - number(from) + 1;
  }, 0);
}

const registers = (text: string) => text.match(/\b(r\d+|sp|lr|pc|sl|fp|ip)\b/g) ?? [];

/** Registers that an instruction writes. */
function written(i: Instruction): string[] {
  const { mnemonic, operands } = i;
  if (/^(str|cmp|cmn|tst|teq|cb|b|it|nop|push|stm|dsb|isb)/.test(mnemonic)) {
    return /^(bfi|bfc|bic)/.test(mnemonic) ? registers(operands).slice(0, 1) : [];
  }
  if (/^(pop|ldm)/.test(mnemonic)) return registers(operands.replace(/^[^{]*/, ''));
  const two = /^([su]mull|[su]mlal|smlald|smlsld|ldrd|umaal)/.test(mnemonic);
  return registers(operands).slice(0, two ? 2 : 1);
}

/** Registers that an instruction reads, including a destination that is also a source. */
function read(i: Instruction): string[] {
  const { mnemonic, operands } = i;
  const all = registers(operands);
  const twoOperands =
    operands.split(',').length < 3 && !isMemory(i) && !/^(mov|mvn)/.test(mnemonic);
  const accumulates = /^([su]mlal|smlald|smlsld|umaal|bfi|movt)/.test(mnemonic);
  return twoOperands || accumulates ? all : all.slice(written(i).length);
}

const meet = (a: readonly string[], b: readonly string[]) => a.some((item) => b.includes(item));

/** Whether `next` directly follows `i` and runs only after it. */
function follows(next: Instruction | undefined, i: Instruction): next is Instruction {
  return next !== undefined && next.address === i.address + i.bytes && next.runs <= i.runs;
}

/**
 * Cortex-M4 Technical Reference Manual (DDI 0439), 3.3: a load takes 2 cycles, or 1 directly after
 * another load whose result is not its address; a store 1; a jump 1 and 2 to refill the pipeline; a
 * division 2 to 12, assumed 6.
 */
function cortexM4(program: readonly Instruction[]): number[] {
  const refill = 2;
  return program.map((i, index) => {
    const jumps = i.jumps * refill;
    if (isMultiple(i)) return i.runs * (1 + listLength(i.operands)) + jumps;
    if (isDouble(i)) return i.runs * 3;
    if (isDivide(i)) return i.runs * 6;
    if (isSingleLoad(i)) {
      const before = program[index - 1];
      const piped =
        before !== undefined &&
        isSingleLoad(before) &&
        follows(i, before) &&
        !meet(written(before), read(i));
      return i.runs * (piped ? 1 : 2) + jumps;
    }
    return i.runs + jumps;
  });
}

/**
 * Cortex-M33, for which Arm publishes no table: an in-order pipeline whose first two stages are
 * nearly a Cortex-M0+'s. The second computes addresses, so that a load takes 1 cycle (2 on a
 * Cortex-M4), and resolves jumps, 1 cycle and 1 to refill; the third multiplies (F. Riemenschneider,
 * 'Cortex-M23 und -M33', elektroniknet.de, 2016). The result of a load or product is one cycle
 * late, as LLVM assumes for loads of cortex-m33; that counts if the next instruction waits for it,
 * unless it adds a product to a product. A list of registers takes as long as single loads, and
 * only its last register is late. Some pairs of 16-bit instructions share a cycle on a chip; none do
 * here, since no source says which.
 */
function cortexM33(program: readonly Instruction[]): number[] {
  const refill = 1;
  const cycles = program.map((i) => {
    const jumps = i.jumps * refill;
    if (isMultiple(i)) return i.runs * listLength(i.operands) + jumps;
    if (isDouble(i)) return i.runs * 2;
    return i.runs * (isDivide(i) ? 6 : 1) + jumps;
  });
  for (const [index, i] of program.entries()) {
    const next = program[index + 1];
    if (!follows(next, i) || !(isMemory(i) || isMultiply(i))) continue;
    const operands = isMultiply(i) && isMultiply(next) ? factors(next) : read(next);
    const late = isMultiply(i) ? written(i) : written(i).slice(-1);
    if (meet(late, operands)) cycles[index + 1] = (cycles[index + 1] ?? 0) + next.runs;
  }
  return cycles;
}

/** Registers that a multiplication reads, except those of the sum that it adds to. */
function factors(i: Instruction): string[] {
  const long = /^([su]mull|[su]mlal|smlald|smlsld|umaal)/.test(i.mnemonic);
  const all = registers(i.operands);
  return all.length === 2 ? all : all.slice(long ? 2 : 1, long ? 4 : 3);
}

/**
 * Cortex-M7, for which Arm publishes no table. In-order, two instructions per cycle if the second
 * does not depend on the first and they do not both use the load/store unit, the multiplier or the
 * branch unit. Jumps are predicted. The result of a load or product is one cycle late, which is
 * counted if an instruction of the next cycle waits for it.
 */
function cortexM7(program: readonly Instruction[]): number[] {
  const cycles = program.map((i) => {
    if (isMultiple(i)) return i.runs * Math.ceil((1 + listLength(i.operands)) / 2);
    return i.runs * (isDivide(i) ? 6 : 1);
  });
  /** Results of the cycle before, which are there one cycle later. */
  let late: readonly string[] = [];
  for (let index = 0; index < program.length; index += 1) {
    const i = program[index] as Instruction;
    const next = program[index + 1];
    if (meet(late, read(i))) {
      cycles[index] = (cycles[index] ?? 0) + i.runs;
      late = [];
    }
    const pair = sharesCycle(i, next) && !meet(late, read(next));
    const issued = pair ? [i, next] : [i];
    if (pair) {
      index += 1;
      cycles[index] = (cycles[index] ?? 0) - next.runs;
    }
    const last = issued.at(-1) as Instruction;
    const goesOn = last.jumps === 0 && follows(program[index + 1], last);
    late = goesOn ? issued.filter((one) => isMemory(one) || isMultiply(one)).flatMap(written) : [];
  }
  return cycles;
}

/** Whether `next` is issued in the cycle of `i`, if its operands are there. */
function sharesCycle(i: Instruction, next: Instruction | undefined): next is Instruction {
  if (!follows(next, i) || i.jumps > 0) return false;
  const sameUnit =
    (isMemory(i) && isMemory(next)) ||
    (isMultiply(i) && isMultiply(next)) ||
    (isBranch(i) && isBranch(next));
  return !sameUnit && !isMultiple(i) && !isMultiple(next) && !meet(written(i), read(next));
}

const isBranch = ({ mnemonic }: Instruction) => /^(b|bl|bx|blx|cbz|cbnz|b[a-z]{2})$/.test(mnemonic);
