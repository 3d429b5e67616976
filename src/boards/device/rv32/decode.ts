/**
 * Decodes RV32IMC instructions (The RISC-V Instruction Set Manual, volume I, 20191213: chapters 2,
 * 7 and 16, listed in chapter 24).
 */

/** One instruction: registers 0 to 31; those that its format lacks are 0. */
export interface Instruction {
  /** The assembler's name of the 32-bit instruction; for a compressed one that of its expansion. */
  readonly name: string;
  readonly rd: number;
  readonly rs1: number;
  readonly rs2: number;
  /** Sign-extended; an upper immediate in its position, a shift amount, or the number of a CSR. */
  readonly imm: number;
  /** 2 or 4. */
  readonly bytes: number;
}

/** Bits `high` to `low` of a word, shifted down. */
function bits(word: number, high: number, low: number): number {
  return (word >>> low) & ((2 << (high - low)) - 1);
}

/** The lowest `width` bits as a signed number. */
function signed(value: number, width: number): number {
  return (value << (32 - width)) >> (32 - width);
}

const branches = ['beq', 'bne', null, null, 'blt', 'bge', 'bltu', 'bgeu'];
const loads = ['lb', 'lh', 'lw', null, 'lbu', 'lhu', null, null];
const stores = ['sb', 'sh', 'sw', null, null, null, null, null];
const immediates = ['addi', 'slli', 'slti', 'sltiu', 'xori', 'srli', 'ori', 'andi'];
const registers = ['add', 'sll', 'slt', 'sltu', 'xor', 'srl', 'or', 'and'];
const products = ['mul', 'mulh', 'mulhsu', 'mulhu', 'div', 'divu', 'rem', 'remu'];
const csrs = [null, 'csrrw', 'csrrs', 'csrrc', null, 'csrrwi', 'csrrsi', 'csrrci'];

/** Instructions without operands, by the whole word. */
const system = new Map([
  [0x0000_0073, 'ecall'],
  [0x0010_0073, 'ebreak'],
  [0x3020_0073, 'mret'],
  [0x1050_0073, 'wfi'],
]);

/** Bit 30 (funct7) of `sub` and the arithmetic right shifts. */
const alternative = 0x20;

/**
 * @param word the 32 bits at an instruction's address; the upper half is ignored for a compressed
 *   one
 * @returns null if it is no RV32IMC instruction
 */
export function decode(word: number): Instruction | null {
  return (word & 3) === 3 ? decodeFull(word) : decodeCompressed(word & 0xffff);
}

function decodeFull(word: number): Instruction | null {
  const fields = {
    rd: bits(word, 11, 7),
    rs1: bits(word, 19, 15),
    rs2: bits(word, 24, 20),
    bytes: 4,
  };
  const select = bits(word, 14, 12);
  const upper = word >>> 25;
  const immediate = word >> 20;
  const form = (name: string | null | undefined, imm: number, without: object = {}) =>
    name === null || name === undefined ? null : { ...fields, name, imm, ...without };
  switch (word & 0x7f) {
    case 0x37:
      return form('lui', word & ~0xfff, { rs1: 0, rs2: 0 });
    case 0x17:
      return form('auipc', word & ~0xfff, { rs1: 0, rs2: 0 });
    case 0x6f:
      return form('jal', jumpOffset(word), { rs1: 0, rs2: 0 });
    case 0x67:
      return select === 0 ? form('jalr', immediate, { rs2: 0 }) : null;
    case 0x63:
      return form(branches[select], branchOffset(word), { rd: 0 });
    case 0x03:
      return form(loads[select], immediate, { rs2: 0 });
    case 0x23:
      return form(stores[select], ((word >> 25) << 5) | fields.rd, { rd: 0 });
    case 0x13:
      return immediateForm(select, upper, immediate, form);
    case 0x33:
      return form(registerName(select, upper), 0);
    case 0x0f:
      // One core without a visible write buffer: both order nothing.
      return select <= 1 ? form('fence', 0, { rd: 0, rs1: 0, rs2: 0 }) : null;
    case 0x73:
      return select === 0
        ? form(system.get(word >>> 0), 0, { rd: 0, rs1: 0, rs2: 0 })
        : form(csrs[select], word >>> 20, { rs2: 0 });
    default:
      return null;
  }
}

type Form = (name: string | null | undefined, imm: number, without?: object) => Instruction | null;

function immediateForm(select: number, upper: number, imm: number, form: Form): Instruction | null {
  if (select !== 1 && select !== 5) return form(immediates[select], imm, { rs2: 0 });
  if (upper !== 0 && !(select === 5 && upper === alternative)) return null;
  return form(upper === 0 ? immediates[select] : 'srai', imm & 31, { rs2: 0 });
}

function registerName(select: number, upper: number): string | null | undefined {
  if (upper === 0) return registers[select];
  if (upper === 1) return products[select];
  if (upper !== alternative) return null;
  return select === 0 ? 'sub' : select === 5 ? 'sra' : null;
}

function jumpOffset(word: number): number {
  return (
    ((word >> 31) << 20) |
    (bits(word, 19, 12) << 12) |
    (bits(word, 20, 20) << 11) |
    (bits(word, 30, 21) << 1)
  );
}

function branchOffset(word: number): number {
  return (
    ((word >> 31) << 12) |
    (bits(word, 7, 7) << 11) |
    (bits(word, 30, 25) << 5) |
    (bits(word, 11, 8) << 1)
  );
}

const none = { rd: 0, rs1: 0, rs2: 0, imm: 0, bytes: 2 };
/** The link register, and the stack pointer. */
const ra = 1;
const sp = 2;

function decodeCompressed(half: number): Instruction | null {
  const select = half >>> 13;
  const quadrant = half & 3;
  if (quadrant === 0) return quadrant0(half, select);
  return quadrant === 1 ? quadrant1(half, select) : quadrant2(half, select);
}

/** Loads and stores of the registers x8 to x15. */
function quadrant0(half: number, select: number): Instruction | null {
  const low = 8 + bits(half, 4, 2);
  const base = 8 + bits(half, 9, 7);
  const offset = (bits(half, 12, 10) << 3) | (bits(half, 6, 6) << 2) | (bits(half, 5, 5) << 6);
  if (select === 2) return { ...none, name: 'lw', rd: low, rs1: base, imm: offset };
  if (select === 6) return { ...none, name: 'sw', rs1: base, rs2: low, imm: offset };
  const imm =
    (bits(half, 12, 11) << 4) |
    (bits(half, 10, 7) << 6) |
    (bits(half, 6, 6) << 2) |
    (bits(half, 5, 5) << 3);
  // An immediate of 0 is reserved; a halfword of 0 is illegal by definition.
  if (select !== 0 || imm === 0) return null;
  return { ...none, name: 'addi', rd: low, rs1: sp, imm };
}

function quadrant1(half: number, select: number): Instruction | null {
  const rd = bits(half, 11, 7);
  const short = 8 + bits(half, 9, 7);
  const imm = signed((bits(half, 12, 12) << 5) | bits(half, 6, 2), 6);
  switch (select) {
    case 0:
      return { ...none, name: 'addi', rd, rs1: rd, imm };
    case 1:
      return { ...none, name: 'jal', rd: ra, imm: compressedJump(half) };
    case 2:
      return { ...none, name: 'addi', rd, imm };
    case 3:
      return rd === sp ? stackAdjustment(half) : upperImmediate(rd, imm);
    case 4:
      return compressedArithmetic(half, short, imm);
    case 5:
      return { ...none, name: 'jal', imm: compressedJump(half) };
    default: {
      const name = select === 6 ? 'beq' : 'bne';
      return { ...none, name, rs1: short, imm: compressedBranch(half) };
    }
  }
}

function upperImmediate(rd: number, imm: number): Instruction | null {
  return imm === 0 ? null : { ...none, name: 'lui', rd, imm: imm << 12 };
}

function stackAdjustment(half: number): Instruction | null {
  const imm = signed(
    (bits(half, 12, 12) << 9) |
      (bits(half, 6, 6) << 4) |
      (bits(half, 5, 5) << 6) |
      (bits(half, 4, 3) << 7) |
      (bits(half, 2, 2) << 5),
    10,
  );
  return imm === 0 ? null : { ...none, name: 'addi', rd: sp, rs1: sp, imm };
}

function compressedArithmetic(half: number, rd: number, imm: number): Instruction | null {
  const kind = bits(half, 11, 10);
  if (kind === 2) return { ...none, name: 'andi', rd, rs1: rd, imm };
  // Bit 12 stands for a 64-bit operation, or for a shift by 32 and more.
  if (bits(half, 12, 12) === 1) return null;
  if (kind < 2) {
    return { ...none, name: kind === 0 ? 'srli' : 'srai', rd, rs1: rd, imm: bits(half, 6, 2) };
  }
  const name = ['sub', 'xor', 'or', 'and'][bits(half, 6, 5)] as string;
  return { ...none, name, rd, rs1: rd, rs2: 8 + bits(half, 4, 2) };
}

function compressedJump(half: number): number {
  return signed(
    (bits(half, 12, 12) << 11) |
      (bits(half, 11, 11) << 4) |
      (bits(half, 10, 9) << 8) |
      (bits(half, 8, 8) << 10) |
      (bits(half, 7, 7) << 6) |
      (bits(half, 6, 6) << 7) |
      (bits(half, 5, 3) << 1) |
      (bits(half, 2, 2) << 5),
    12,
  );
}

function compressedBranch(half: number): number {
  return signed(
    (bits(half, 12, 12) << 8) |
      (bits(half, 11, 10) << 3) |
      (bits(half, 6, 5) << 6) |
      (bits(half, 4, 3) << 1) |
      (bits(half, 2, 2) << 5),
    9,
  );
}

/** Moves, jumps through registers, loads and stores beside the stack pointer. */
function quadrant2(half: number, select: number): Instruction | null {
  const rd = bits(half, 11, 7);
  const rs2 = bits(half, 6, 2);
  const isHigh = bits(half, 12, 12) === 1;
  switch (select) {
    case 0:
      return isHigh ? null : { ...none, name: 'slli', rd, rs1: rd, imm: rs2 };
    case 2: {
      const imm = (bits(half, 12, 12) << 5) | (bits(half, 6, 4) << 2) | (bits(half, 3, 2) << 6);
      return rd === 0 ? null : { ...none, name: 'lw', rd, rs1: sp, imm };
    }
    case 4: {
      if (rs2 !== 0) return { ...none, name: 'add', rd, rs1: isHigh ? rd : 0, rs2 };
      if (rd === 0) return isHigh ? { ...none, name: 'ebreak' } : null;
      return { ...none, name: 'jalr', rd: isHigh ? ra : 0, rs1: rd };
    }
    case 6: {
      const imm = (bits(half, 12, 9) << 2) | (bits(half, 8, 7) << 6);
      return { ...none, name: 'sw', rs1: sp, rs2, imm };
    }
    default:
      return null;
  }
}
