/**
 * Random RV32IMC programs as machine code, put together from the tables of the manual's chapter 24
 * and apart from the simulator's decoder.
 */

/** A register. */
type Reg = number;

const part = (value: number, high: number, low: number, at: number) =>
  ((value >>> low) & ((2 << (high - low)) - 1)) << at;

const r = (funct7: number, b: Reg, a: Reg, funct3: number, d: Reg, opcode = 0x33) =>
  (funct7 << 25) | (b << 20) | (a << 15) | (funct3 << 12) | (d << 7) | opcode;
const i = (imm: number, a: Reg, funct3: number, d: Reg, opcode = 0x13) =>
  (imm << 20) | (a << 15) | (funct3 << 12) | (d << 7) | opcode;
const s = (imm: number, b: Reg, a: Reg, funct3: number) =>
  part(imm, 11, 5, 25) | (b << 20) | (a << 15) | (funct3 << 12) | part(imm, 4, 0, 7) | 0x23;
const branch = (imm: number, b: Reg, a: Reg, funct3: number) =>
  part(imm, 12, 12, 31) |
  part(imm, 10, 5, 25) |
  (b << 20) |
  (a << 15) |
  (funct3 << 12) |
  part(imm, 4, 1, 8) |
  part(imm, 11, 11, 7) |
  0x63;
const jal = (imm: number, d: Reg) =>
  part(imm, 20, 20, 31) |
  part(imm, 10, 1, 21) |
  part(imm, 11, 11, 20) |
  part(imm, 19, 12, 12) |
  (d << 7) |
  0x6f;
const lui = (imm: number, d: Reg) => (imm & ~0xfff) | (d << 7) | 0x37;
const auipc = (imm: number, d: Reg) => (imm & ~0xfff) | (d << 7) | 0x17;
const addi = (d: Reg, a: Reg, imm: number) => i(imm, a, 0, d);
const jalr = (d: Reg, a: Reg, imm: number) => i(imm, a, 0, d, 0x67);
const sw = (b: Reg, a: Reg, imm: number) => s(imm, b, a, 2);

/** A compressed instruction: told from the others by its length. */
const c = (half: number) => new Uint16Array([half]);
const compressedJump = (select: number, imm: number) =>
  c(
    (select << 13) |
      part(imm, 11, 11, 12) |
      part(imm, 4, 4, 11) |
      part(imm, 9, 8, 9) |
      part(imm, 10, 10, 8) |
      part(imm, 6, 6, 7) |
      part(imm, 7, 7, 6) |
      part(imm, 3, 1, 3) |
      part(imm, 5, 5, 2) |
      1,
  );
const compressedBranch = (select: number, imm: number, a: Reg) =>
  c(
    (select << 13) |
      part(imm, 8, 8, 12) |
      part(imm, 4, 3, 10) |
      ((a - 8) << 7) |
      part(imm, 7, 6, 5) |
      part(imm, 2, 1, 3) |
      part(imm, 5, 5, 2) |
      1,
  );
const compressedImmediate = (select: number, d: Reg, imm: number) =>
  c((select << 13) | part(imm, 5, 5, 12) | (d << 7) | part(imm, 4, 0, 2) | 1);
const stackAdjustment = (imm: number) =>
  c(
    (3 << 13) |
      part(imm, 9, 9, 12) |
      (2 << 7) |
      part(imm, 4, 4, 6) |
      part(imm, 6, 6, 5) |
      part(imm, 8, 7, 3) |
      part(imm, 5, 5, 2) |
      1,
  );
const besideStack = (imm: number, d: Reg) =>
  c(
    part(imm, 5, 4, 11) |
      part(imm, 9, 6, 7) |
      part(imm, 2, 2, 6) |
      part(imm, 3, 3, 5) |
      ((d - 8) << 2),
  );
const compressedWord = (select: number, imm: number, base: Reg, data: Reg) =>
  c(
    (select << 13) |
      part(imm, 5, 3, 10) |
      ((base - 8) << 7) |
      part(imm, 2, 2, 6) |
      part(imm, 6, 6, 5) |
      ((data - 8) << 2),
  );
const compressedArithmetic = (kind: number, d: Reg, low: number, high = 0) =>
  c((4 << 13) | (high << 12) | (kind << 10) | ((d - 8) << 7) | (low << 2) | 1);
const fromStack = (imm: number, d: Reg) =>
  c((2 << 13) | part(imm, 5, 5, 12) | (d << 7) | part(imm, 4, 2, 4) | part(imm, 7, 6, 2) | 2);
const toStack = (imm: number, b: Reg) =>
  c((6 << 13) | part(imm, 5, 2, 9) | part(imm, 7, 6, 7) | (b << 2) | 2);
const compressedRegisters = (isHigh: number, d: Reg, b: Reg) =>
  c((4 << 13) | (isHigh << 12) | (d << 7) | (b << 2) | 2);

type Code = number | Uint16Array;

const bytesOf = (code: readonly Code[]) =>
  code.reduce<number>((sum, one) => sum + (typeof one === 'number' ? 4 : 2), 0);

/** The stack pointer and x31 hold the middle of the data; x30 where registers are stored next. */
const [sp, store, data] = [2, 30, 31] as const;

export const map = {
  ram: 0x8000_0000,
  ramBytes: 1 << 20,
  /** Of a 16550: writes to its data register are the program's output. */
  uart: 0x1000_0000,
  /** Writing 0x5555 ends the simulation. */
  exit: 0x0010_0000,
} as const;
const dataMiddle = map.ram + 0x4_0000;
const stored = map.ram + 0x8_0000;

/** Values at which arithmetic has its edges. */
const edges = [0, 1, -1, 2, -2, 0x7fff_ffff, -0x8000_0000, 0xffff, 0x8000, -0x8000, 31, 32, 0x55aa];

export type Random = (below: number) => number;

/**
 * A program that stores all registers after each block of random instructions, then sends what it
 * has stored and ends: raw code for the start of RAM.
 */
export function randomProgram(random: Random, blocks: number): Uint8Array {
  const code: Code[] = [...constant(sp, dataMiddle), ...constant(data, dataMiddle)];
  code.push(...constant(store, stored));
  for (let reg = 1; reg < 30; reg++) {
    if (reg === sp) continue;
    const value = random(3) === 0 ? random(2 ** 32) : (edges[random(edges.length)] as number);
    code.push(...constant(reg, value | 0));
  }
  for (let block = 0; block < blocks; block++) {
    code.push(...instruction(random));
    for (let reg = 1; reg < 30; reg++) code.push(sw(reg, store, 4 * reg));
    code.push(addi(store, store, 128));
  }
  code.push(...ending());
  return assembled(code);
}

function assembled(code: readonly Code[]): Uint8Array {
  const bytes = new Uint8Array(bytesOf(code));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const one of code) {
    if (typeof one === 'number') view.setInt32(at, one, true);
    else view.setUint16(at, one[0] as number, true);
    at += bytesOf([one]);
  }
  return bytes;
}

function constant(d: Reg, value: number): readonly Code[] {
  const low = (value << 20) >> 20;
  return [lui(value - low, d), addi(d, d, low)];
}

/** Sends the bytes from `stored` to where x30 points, then ends the simulation. */
function ending(): readonly Code[] {
  return [
    ...constant(5, stored),
    ...constant(6, map.uart),
    i(5, 6, 4, 8, 0x03), // lbu x8, 5(x6): the line's state
    i(0x20, 8, 7, 8), // andi: room for a byte
    branch(-8, 0, 8, 0), // beq x8, x0
    i(0, 5, 4, 7, 0x03), // lbu x7, 0(x5)
    s(0, 7, 6, 0), // sb x7, 0(x6)
    addi(5, 5, 1),
    branch(-24, store, 5, 6), // bltu x5, x30
    ...constant(6, map.exit),
    ...constant(7, 0x5555),
    sw(7, 6, 0),
    jal(0, 0),
  ];
}

/** One random instruction, with what it needs around it. */
function instruction(random: Random): readonly Code[] {
  const kinds = [plain, plain, plain, compressed, compressed, memory, jump, special];
  return (kinds[random(kinds.length)] as typeof plain)(random);
}

const written = (random: Random): Reg => {
  const reg = random(29);
  return reg === sp ? 29 : reg;
};
const any = (random: Random): Reg => random(32);
const few = (random: Random): Reg => 8 + random(8);

/** Registers and immediates. */
function plain(random: Random): readonly Code[] {
  const [d, a, b] = [written(random), any(random), any(random)];
  const imm = random(4096) - 2048;
  const funct3 = random(8);
  switch (random(5)) {
    case 0:
      return [r(0, b, a, funct3, d)];
    case 1:
      return [r(0x20, b, a, random(2) === 0 ? 0 : 5, d)];
    case 2:
      return [r(1, b, a, funct3, d)];
    case 3:
      if (funct3 === 1) return [i(imm & 31, a, 1, d)];
      return [funct3 === 5 ? i((imm & 31) | (random(2) << 10), a, 5, d) : i(imm, a, funct3, d)];
    default:
      return [random(2) === 0 ? lui(random(2 ** 32), d) : auipc(random(2 ** 32), d)];
  }
}

function compressed(random: Random): readonly Code[] {
  const [d, b] = [Math.max(1, written(random)), 1 + random(31)];
  const [low, other] = [few(random), few(random)];
  const imm = random(64) - 32;
  const upper = imm === 0 ? 1 : imm;
  const sum = 16 * (1 + random(31));
  switch (random(11)) {
    case 0:
      return [compressedImmediate(0, d, imm)]; // c.addi, c.nop with a hint's immediate
    case 1:
      return [compressedImmediate(2, d, imm)]; // c.li
    case 2:
      return [compressedImmediate(3, d, upper)]; // c.lui
    case 3:
      return [stackAdjustment(sum), besideStack(4 * (1 + random(255)), low), stackAdjustment(-sum)];
    case 4:
      return [compressedArithmetic(random(2), low, random(32))]; // c.srli, c.srai
    case 5:
      return [compressedArithmetic(2, low, imm & 31, imm < 0 ? 1 : 0)]; // c.andi
    case 6:
      return [compressedArithmetic(3, low, (random(4) << 3) | (other - 8))]; // c.sub, xor, or, and
    case 7:
      return [c((d << 7) | (random(32) << 2) | 2)]; // c.slli
    case 8:
      return [compressedRegisters(0, d, b)]; // c.mv
    case 9:
      return [compressedRegisters(1, d, b)]; // c.add
    default:
      return [c(1)]; // c.nop
  }
}

/** A store, then a load of the same size or another one near it. */
function memory(random: Random): readonly Code[] {
  const [d, b] = [written(random), any(random)];
  const [low, other] = [few(random), few(random)];
  const near = 4 * random(16);
  switch (random(5)) {
    case 0:
      return [
        s(near - 32, b, data, 2),
        i(near - 32 + random(4), data, random(2) === 0 ? 0 : 4, d, 0x03),
      ];
    case 1:
      return [
        s(near + random(4), b, data, 0),
        i(near + 2 * random(2), data, random(2) === 0 ? 1 : 5, d, 0x03),
      ];
    case 2:
      return [s(near + 2 * random(2), b, data, 1), i(near, data, 2, d, 0x03)];
    case 3: {
      const base = low === other ? 8 + ((low - 7) % 8) : other;
      const words = [compressedWord(6, near, base, low), compressedWord(2, near, base, low)];
      return [compressedRegisters(0, base, data), ...words];
    }
    default:
      return [toStack(near, b), fromStack(near, Math.max(1, d))];
  }
}

/** Over instructions or not, as the registers have it; back, in a loop. */
function jump(random: Random): readonly Code[] {
  const body = Array.from({ length: 1 + random(3) }, () => plain(random)).flat();
  const bytes = bytesOf(body);
  const [d, a, b] = [written(random), any(random), any(random)];
  const pointer = Math.max(1, written(random));
  const target = (beyond: number) => [auipc(0, pointer), addi(pointer, pointer, beyond + bytes)];
  const conditions = [0, 1, 4, 5, 6, 7];
  switch (random(8)) {
    case 0:
    case 1:
      return [branch(4 + bytes, b, a, conditions[random(6)] as number), ...body];
    case 2:
      return [jal(4 + bytes, d), ...body];
    case 3:
      return [auipc(0, pointer), jalr(d, pointer, 8 + bytes + random(2)), ...body];
    case 4: {
      // c.j, c.jal
      return [compressedJump(random(2) === 0 ? 5 : 1, 2 + bytes), ...body];
    }
    case 5:
      return [compressedBranch(random(2) === 0 ? 6 : 7, 2 + bytes, few(random)), ...body];
    case 6:
      // c.jr, c.jalr
      return [...target(10), compressedRegisters(random(2), pointer, 0), ...body];
    default:
      return loop(random);
  }
}

/** Three times around; from the second time on an instruction is another one than at first. */
function loop(random: Random): readonly Code[] {
  const [counter, changed, at] = [5, 6, 7];
  const imm = random(2048);
  const body: Code[] = [
    ...constant(changed, addi(9, 9, imm)),
    auipc(0, at),
    addi(9, 9, 1), // what is changed: 4 bytes after the auipc
    addi(10, 10, 3),
    sw(changed, at, 4),
    0x0000_100f, // fence.i
    addi(counter, counter, -1),
  ];
  return [addi(counter, 0, 3), ...body, branch(-bytesOf(body), 0, counter, 1)];
}

/** Control registers, fences. */
function special(random: Random): readonly Code[] {
  const mscratch = 0x340;
  const select = [1, 2, 3, 5, 6, 7][random(6)] as number;
  const operand = select < 4 ? any(random) : random(32);
  return [i(mscratch, operand, select, written(random), 0x73), 0x0ff0_000f];
}
