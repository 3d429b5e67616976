/**
 * A simulated RV32IMC core in machine mode. Straight runs of instructions are translated once into
 * lists of functions, since weights as code are runs of hundreds of instructions.
 *
 * The RISC-V Instruction Set Manual, volume I, 20191213 (instructions) and volume II, 20190608
 * (machine mode, chapter 3).
 */
import { arithmetic, conditions, type Effect } from './arithmetic.js';
import { decode, type Instruction } from './decode.js';
import { AccessFault, type Memory } from './memory.js';

/** The last instruction of a run: returns the next address. */
type Jump = () => number;

/** Consecutive instructions up to a jump. */
interface Run {
  readonly steps: readonly Effect[];
  /** Addresses of the steps, for traps. */
  readonly addresses: readonly number[];
  readonly end: Jump;
  readonly endAddress: number;
  /** Lines of the flash cache from which it is read; empty outside flash. */
  readonly lines: readonly number[];
  readonly instructions: number;
}

/** The most instructions of a run, so that a caller's limit is met closely. */
const mostSteps = 512;

/** Causes of traps (volume II, table 3.6). */
export const causes = {
  fetchFault: 1,
  illegal: 2,
  breakpoint: 3,
  loadFault: 5,
  storeFault: 7,
  machineCall: 11,
} as const;

/** The simulated control and status registers; `csrs` adds others. */
const numbers = {
  mstatus: 0x300,
  mtvec: 0x305,
  mepc: 0x341,
  mcause: 0x342,
  mtval: 0x343,
  mcycle: 0xb00,
  minstret: 0xb02,
  mcycleh: 0xb80,
  minstreth: 0xb82,
} as const;

/**
 * mstatus: interrupts are enabled; they were before the trap; the mode before it was machine mode.
 */
const mie = 1 << 3;
const mpie = 1 << 7;
const mpp = 3 << 11;

/** A register that software reads and writes by its number. */
export interface Csr {
  read(): number;
  write(value: number): void;
}

export interface Rv32Options {
  readonly memory: Memory;
  /** Address of the first instruction. */
  readonly pc: number;
  /** Registers of the chip that are not in the manual. */
  readonly csrs?: ReadonlyMap<number, Csr>;
  /** Registers of the manual that the chip lacks. */
  readonly lacks?: readonly (keyof typeof numbers)[];
  /** For code behind a cache: the bytes of a line, and a call before a line is executed. */
  readonly cache?: {
    readonly lineBytes: number;
    isCached(address: number): boolean;
    fetch(line: number): void;
  };
}

export class Rv32 {
  /** x0 to x31. */
  readonly x = new Int32Array(32);
  pc: number;
  /** Executed instructions. */
  instructions = 0;
  /** Cycles beyond one per instruction. */
  stallCycles = 0;
  /** Whether it waits for an interrupt. */
  isWaiting = false;

  private readonly memory: Memory;
  private readonly cache: Rv32Options['cache'];
  private readonly csrs: Map<number, Csr>;
  private runs = new Map<number, Run>();
  /** A store has changed translated code, so the current run ends. */
  private hasChanged = false;
  /** Executed steps of the current run. */
  private done = 0;

  constructor({ memory, pc, csrs, lacks = [], cache }: Rv32Options) {
    this.memory = memory;
    this.pc = pc;
    this.cache = cache;
    this.csrs = new Map([...this.ownCsrs(), ...(csrs ?? [])]);
    for (const name of lacks) this.csrs.delete(numbers[name]);
    memory.onCodeChange = () => {
      this.hasChanged = true;
      this.runs = new Map();
      memory.forgetCode();
    };
  }

  /** All cycles so far, also in the middle of a run. */
  get cycles(): number {
    return this.instructions + this.done + this.stallCycles;
  }

  /** The register with this name in the manual. */
  csr(name: keyof typeof numbers): Csr {
    return this.csrs.get(numbers[name]) as Csr;
  }

  /** Executes at least `count` instructions, up to the end of a run. */
  execute(count: number): void {
    const target = this.instructions + count;
    while (this.instructions < target && !this.isWaiting) this.executeRun();
  }

  private executeRun(): void {
    let run: Run | undefined;
    try {
      run = this.runs.get(this.pc) ?? this.translate(this.pc);
      for (const line of run.lines) this.cache?.fetch(line);
      const { steps } = run;
      for (this.done = 0; this.done < steps.length; this.done++) {
        (steps[this.done] as Effect)();
        if (this.hasChanged) {
          this.leave(run);
          return;
        }
      }
      this.pc = run.end() >>> 0;
      this.instructions += run.instructions;
      this.done = 0;
    } catch (error) {
      this.instructions += this.done;
      const at = run?.addresses[this.done] ?? run?.endAddress ?? this.pc;
      this.done = 0;
      this.trap(error, at);
    }
  }

  /** Stops after a store to code, before an instruction that may have changed. */
  private leave(run: Run): void {
    this.hasChanged = false;
    this.instructions += this.done + 1;
    this.pc = run.addresses[this.done + 1] ?? run.endAddress;
    this.done = 0;
  }

  /** Jumps to the handler of an exception. @throws other errors */
  private trap(error: unknown, pc: number): void {
    const exception = exceptionOf(error);
    if (exception === null) throw error;
    const [cause, value] = exception;
    const handler = this.csr('mtvec').read() & ~3;
    // Without a handler the program would run wild, so the simulation ends.
    if (handler === 0) throw error;
    const status = this.csr('mstatus');
    const before = status.read();
    status.write((before & mie) !== 0 ? mpie | mpp : mpp);
    this.csr('mepc').write(pc);
    this.csr('mcause').write(cause);
    this.csr('mtval').write(value);
    this.pc = handler >>> 0;
    this.instructions++;
  }

  private *ownCsrs(): Iterable<[number, Csr]> {
    const plain = [numbers.mstatus, numbers.mtvec, numbers.mepc, numbers.mcause, numbers.mtval];
    // mie, mscratch and mip hold what is written.
    for (const number of [...plain, 0x304, 0x340, 0x344]) {
      let held = 0;
      const write = (value: number) => {
        held = value | 0;
      };
      yield [number, { read: () => held, write }];
    }
    const counter = (of: () => number): Csr => ({ read: () => of() | 0, write: () => {} });
    const high = (count: number) => Math.floor(count / 2 ** 32);
    const instructions = () => this.instructions + this.done;
    const cycles = () => this.cycles;
    yield [numbers.minstret, counter(instructions)];
    yield [numbers.minstreth, counter(() => high(instructions()))];
    yield [numbers.mcycle, counter(cycles)];
    yield [numbers.mcycleh, counter(() => high(cycles()))];
  }

  private translate(start: number): Run {
    const steps: Effect[] = [];
    const addresses: number[] = [];
    let address = start;
    for (;;) {
      const instruction = this.fetch(address);
      const next = (address + (instruction?.bytes ?? 2)) >>> 0;
      const step = instruction === null ? null : this.stepOf(instruction, address);
      if (step !== null && steps.length < mostSteps) {
        steps.push(step);
        addresses.push(address);
        address = next;
        continue;
      }
      const isCut = step !== null;
      const end = isCut ? () => address : this.jumpOf(instruction, address, next);
      const run: Run = {
        ...{ steps, addresses, end, endAddress: address },
        lines: this.linesOf(start, isCut ? address : next),
        instructions: steps.length + (isCut ? 0 : 1),
      };
      this.runs.set(start, run);
      return run;
    }
  }

  private fetch(address: number): Instruction | null {
    const low = this.memory.fetch16(address);
    return decode((low & 3) === 3 ? low | (this.memory.fetch16(address + 2) << 16) : low);
  }

  private linesOf(start: number, end: number): readonly number[] {
    const { cache } = this;
    if (cache === undefined || !cache.isCached(start)) return [];
    const lines: number[] = [];
    const first = Math.floor(start / cache.lineBytes);
    for (let line = first; line * cache.lineBytes < end; line++) lines.push(line);
    return lines;
  }

  /** null if the instruction ends a run. */
  private stepOf(instruction: Instruction, address: number): Effect | null {
    const { name, rd, rs1, rs2, imm } = instruction;
    const { x, memory } = this;
    switch (name) {
      case 'sb':
        return () => memory.store8((x[rs1] as number) + imm, x[rs2] as number);
      case 'sh':
        return () => memory.store16((x[rs1] as number) + imm, x[rs2] as number);
      case 'sw':
        return () => memory.store32((x[rs1] as number) + imm, x[rs2] as number);
      case 'fence':
        return () => {};
    }
    const load = this.loadOf(instruction);
    if (load !== null) return load;
    if (name === 'lui' || name === 'auipc') {
      const value = name === 'lui' ? imm : address + imm;
      return rd === 0
        ? () => {}
        : () => {
            x[rd] = value;
          };
    }
    const compute = arithmetic.get(name)?.(x, rd, rs1, rs2, imm) ?? null;
    // Writes to x0 have no effect.
    return compute !== null && rd === 0 ? () => {} : compute;
  }

  private loadOf({ name, rd, rs1, imm }: Instruction): Effect | null {
    const { x, memory } = this;
    const into = (load: (address: number) => number): Effect =>
      // A load to x0 still happens: a peripheral may notice it.
      rd === 0
        ? () => void load((x[rs1] as number) + imm)
        : () => {
            x[rd] = load((x[rs1] as number) + imm);
          };
    switch (name) {
      case 'lw':
        return rd === 0
          ? into((address) => memory.load32(address))
          : () => {
              x[rd] = memory.load32((x[rs1] as number) + imm);
            };
      case 'lb':
        return into((address) => (memory.load8(address) << 24) >> 24);
      case 'lbu':
        return into((address) => memory.load8(address));
      case 'lh':
        return into((address) => (memory.load16(address) << 16) >> 16);
      case 'lhu':
        return into((address) => memory.load16(address));
      default:
        return null;
    }
  }

  /** The end of a run: a jump, a branch, or an instruction that may change the flow. */
  private jumpOf(instruction: Instruction | null, address: number, next: number): Jump {
    if (instruction === null) return () => raise(causes.illegal, this.memory.load32(address));
    const { name, rd, rs1, rs2, imm } = instruction;
    const { x } = this;
    const link = () => {
      if (rd !== 0) x[rd] = next;
    };
    const condition = conditions.get(name);
    if (condition !== undefined) {
      const target = address + imm;
      return () => (condition(x[rs1] as number, x[rs2] as number) ? target : next);
    }
    switch (name) {
      case 'jal':
        return () => {
          link();
          return address + imm;
        };
      case 'jalr':
        return () => {
          const target = ((x[rs1] as number) + imm) & ~1;
          link();
          return target;
        };
      case 'ecall':
        return () => raise(causes.machineCall, 0);
      case 'ebreak':
        return () => raise(causes.breakpoint, address);
      case 'mret':
        return () => this.returnFromTrap();
      case 'wfi':
        return () => {
          this.isWaiting = true;
          return next;
        };
      default:
        return () => {
          this.accessCsr(instruction);
          return next;
        };
    }
  }

  private returnFromTrap(): number {
    const status = this.csr('mstatus');
    status.write((status.read() & mpie) !== 0 ? mie | mpie : mpie);
    return this.csr('mepc').read();
  }

  /** @throws Exception for a register that the chip lacks */
  private accessCsr({ name, rd, rs1, imm }: Instruction): void {
    const csr = this.csrs.get(imm);
    if (csr === undefined) raise(causes.illegal, imm);
    const isImmediate = name.endsWith('i');
    const operand = isImmediate ? rs1 : (this.x[rs1] as number);
    const before = csr.read();
    // Setting or clearing bits with register 0 writes nothing.
    if (name.startsWith('csrrw')) csr.write(operand);
    else if (rs1 !== 0) csr.write(name.startsWith('csrrs') ? before | operand : before & ~operand);
    if (rd !== 0) this.x[rd] = before;
  }
}

/** An exception raised by an instruction. */
class Exception extends Error {
  constructor(
    readonly trap: number,
    readonly value: number,
  ) {
    super(`exception ${trap}, 0x${(value >>> 0).toString(16)}`);
  }
}

function raise(cause: number, value: number): never {
  throw new Exception(cause, value);
}

function exceptionOf(error: unknown): readonly [cause: number, value: number] | null {
  if (error instanceof Exception) return [error.trap, error.value];
  if (!(error instanceof AccessFault)) return null;
  const cause = { fetch: causes.fetchFault, load: causes.loadFault, store: causes.storeFault };
  return [cause[error.access], error.address];
}
