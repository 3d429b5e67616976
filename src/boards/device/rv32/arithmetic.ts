/** What the instructions of RV32IM compute: on registers, and to decide branches. */

/** Executes an instruction, except for the program counter. */
export type Effect = () => void;

/** By branch. */
export const conditions: ReadonlyMap<string, (a: number, b: number) => boolean> = new Map(
  Object.entries<(a: number, b: number) => boolean>({
    beq: (a, b) => a === b,
    bne: (a, b) => a !== b,
    blt: (a, b) => a < b,
    bge: (a, b) => a >= b,
    bltu: (a, b) => a >>> 0 < b >>> 0,
    bgeu: (a, b) => a >>> 0 >= b >>> 0,
  }),
);

/** The upper 32 bits of a 64-bit product, exactly, in halves of 16 bits. */
function upperProduct(a: number, b: number): number {
  const [aHigh, aLow] = [a >>> 16, a & 0xffff];
  const [bHigh, bLow] = [b >>> 16, b & 0xffff];
  // No sum exceeds 2^32 + 2^17, so all are exact in a double.
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const other = aLow * bHigh + (middle % 0x10000);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(other / 0x10000)) | 0;
}

/** For signed operands: subtracts the excess of their unsigned values (modulo 2^32). */
function upperSigned(a: number, b: number): number {
  return (upperProduct(a, b) - (a < 0 ? b : 0) - (b < 0 ? a : 0)) | 0;
}

/** Division by 0 and overflow follow the manual (chapter 7.2), without a trap. */
function divide(a: number, b: number): number {
  return b === 0 ? -1 : (a / b) | 0;
}

type Arithmetic = (x: Int32Array, rd: number, rs1: number, rs2: number, imm: number) => Effect;

/** By instruction. Each is written out, since a shared function would take most of the time. */
export const arithmetic: ReadonlyMap<string, Arithmetic> = new Map(
  Object.entries<Arithmetic>({
    addi: (x, d, a, _, imm) => () => {
      x[d] = (x[a] as number) + imm;
    },
    slti: (x, d, a, _, imm) => () => {
      x[d] = (x[a] as number) < imm ? 1 : 0;
    },
    sltiu: (x, d, a, _, imm) => () => {
      x[d] = (x[a] as number) >>> 0 < imm >>> 0 ? 1 : 0;
    },
    xori: (x, d, a, _, imm) => () => {
      x[d] = (x[a] as number) ^ imm;
    },
    ori: (x, d, a, _, imm) => () => {
      x[d] = (x[a] as number) | imm;
    },
    andi: (x, d, a, _, imm) => () => {
      x[d] = (x[a] as number) & imm;
    },
    slli: (x, d, a, _, imm) => () => {
      x[d] = (x[a] as number) << imm;
    },
    srli: (x, d, a, _, imm) => () => {
      x[d] = (x[a] as number) >>> imm;
    },
    srai: (x, d, a, _, imm) => () => {
      x[d] = (x[a] as number) >> imm;
    },
    add: (x, d, a, b) => () => {
      x[d] = (x[a] as number) + (x[b] as number);
    },
    sub: (x, d, a, b) => () => {
      x[d] = (x[a] as number) - (x[b] as number);
    },
    sll: (x, d, a, b) => () => {
      x[d] = (x[a] as number) << (x[b] as number);
    },
    srl: (x, d, a, b) => () => {
      x[d] = (x[a] as number) >>> (x[b] as number);
    },
    sra: (x, d, a, b) => () => {
      x[d] = (x[a] as number) >> (x[b] as number);
    },
    slt: (x, d, a, b) => () => {
      x[d] = (x[a] as number) < (x[b] as number) ? 1 : 0;
    },
    sltu: (x, d, a, b) => () => {
      x[d] = (x[a] as number) >>> 0 < (x[b] as number) >>> 0 ? 1 : 0;
    },
    xor: (x, d, a, b) => () => {
      x[d] = (x[a] as number) ^ (x[b] as number);
    },
    or: (x, d, a, b) => () => {
      x[d] = (x[a] as number) | (x[b] as number);
    },
    and: (x, d, a, b) => () => {
      x[d] = (x[a] as number) & (x[b] as number);
    },
    mul: (x, d, a, b) => () => {
      x[d] = Math.imul(x[a] as number, x[b] as number);
    },
    mulh: (x, d, a, b) => () => {
      x[d] = upperSigned(x[a] as number, x[b] as number);
    },
    mulhsu: (x, d, a, b) => () => {
      const [left, right] = [x[a] as number, x[b] as number];
      x[d] = upperProduct(left, right) - (left < 0 ? right : 0);
    },
    mulhu: (x, d, a, b) => () => {
      x[d] = upperProduct(x[a] as number, x[b] as number);
    },
    div: (x, d, a, b) => () => {
      x[d] = divide(x[a] as number, x[b] as number);
    },
    divu: (x, d, a, b) => () => {
      x[d] = divide((x[a] as number) >>> 0, (x[b] as number) >>> 0);
    },
    rem: (x, d, a, b) => () => {
      x[d] = x[b] === 0 ? (x[a] as number) : (x[a] as number) % (x[b] as number);
    },
    remu: (x, d, a, b) => () => {
      x[d] = x[b] === 0 ? (x[a] as number) : ((x[a] as number) >>> 0) % ((x[b] as number) >>> 0);
    },
  }),
);
