/**
 * A row of inputs times the columns of a matrix without multiplications (Armv6-M): distributed
 * arithmetic (Peled and Liu, 1974). Where x_i = -2^7 b_i7 + sum of 2^p b_ip,
 *
 *     sum over i of w_i x_i = -2^7 S_7 + sum over p < 7 of 2^p S_p,    S_p = sum of w_i b_ip,
 *
 * and S_p is a sum of few words of a table, each found by the bits p of several inputs. A word of
 * the table holds the sums of two channels, a + 2^16 b.
 *
 * The planes p are added up from the top, each sum twice the one before plus the next plane. All
 * arithmetic is modulo 2^32, so only at the end of a run of planes must a and b fit 16 bits, for any
 * inputs. Then (a + 2^15) + 2^16 b has b in its upper half. With B the sum of all b and P that of
 * all words, times their powers of two, P - 2^16 B is that of all a, modulo 2^32.
 */
import { type CodedRoutine, rowTwin } from '../routines/coded.js';
import { written } from '../routines/text.js';
import { once } from '../variant.js';
import { Assembly } from './assembly.js';

const planes = 8;
const wordBytes = 4;
/** Registers of the sums that a block of words is added to: all that are free. */
const accumulators = ['r2', 'r3', 'r8', 'r9', 'r10', 'r11', 'r12', 'lr'] as const;
const loaded = ['r4', 'r5', 'r6', 'r7'] as const;
/** Of a routine on the stack: with a call of it they fit the stack of the RP2040's second core. */
const mostFrameBytes = 800;
/** Bytes of a row of a table, which an offset must reach. */
const mostStride = 256;
/** Bytes that a load reaches behind its pointer. */
const reach = 31 * wordBytes;
/** Channels of a routine. */
export const planeChannels = (2 * mostStride) / wordBytes;

/** Room for the sums of so many channels: those of whole blocks are stored. */
export function sumBytes(channels: number): number {
  return blocksOf(channels) * accumulators.length * 2 * wordBytes;
}

const blocksOf = (channels: number) => Math.ceil(channels / 2 / accumulators.length);

/** Where things are. */
interface Layout {
  /** Inputs of each look-up. */
  readonly groups: readonly { readonly first: number; readonly inputs: number }[];
  /** Planes of each run, from the highest. */
  readonly runs: readonly (readonly number[])[];
  /** Words of a block, and how many blocks there are. */
  readonly width: number;
  readonly blocks: number;
  /** Bytes of a row of a table. */
  readonly stride: number;
  /** Bytes from sp to the sums of the earlier runs, to the pointer to all sums, and to the end. */
  readonly runsAt: number;
  readonly sumsAt: number;
  readonly frameBytes: number;
}

/**
 * void routine(const int8_t *in, int32_t *sums): the sum of each channel's products. `in` is aligned
 * to words. `sums` has `sumBytes`.
 *
 * @param channels weights of each, one per input
 * @param inputs of a look-up, at most 8
 * @throws RangeError unless `canCodePlanes`
 */
export function codePlanes(channels: readonly Int8Array[], inputs: number): CodedRoutine {
  const layout = layoutOf(channels, inputs);
  if (layout === null) throw new RangeError('planes that cannot be coded');
  let table = 0;
  const write = (assembly: Assembly) => {
    table = assembly.newLabel();
    enter(assembly, layout, table);
    const inputsLeft = new Inputs(assembly);
    layout.groups.forEach((group, index) => {
      lookUp(assembly, layout, inputsLeft, { group, index });
    });
    loop(assembly, layout);
    leave(assembly, layout);
  };
  const rows = layout.groups.reduce((sum, group) => sum + 2 ** group.inputs, 0);
  const { text, cycles, ...code } = written((isKept) => new Assembly(isKept), write);
  const bytes = Math.ceil(code.bytes / wordBytes) * wordBytes + rows * layout.stride;
  const words = once(() => tableText(channels, layout));
  const twin = () => rowTwin(channels);
  const all = (symbol: string) => `${symbol}:\n${text()}    .balign 4\n${table}:\n${words()}`;
  return { isa: 'thumb', text: all, bytes, cycles, twin };
}

/** Whether no sum can leave its lane, and the stack and a row of a table are large enough. */
export function canCodePlanes(channels: readonly Int8Array[], inputs: number): boolean {
  return layoutOf(channels, inputs) !== null;
}

function layoutOf(channels: readonly Int8Array[], inputs: number): Layout | null {
  const depth = channels[0]?.length ?? 0;
  const runs = runsOf(channels);
  if (runs === null || channels.length > planeChannels) return null;
  const groups = Array.from({ length: Math.ceil(depth / inputs) }, (_, i) => {
    const first = i * inputs;
    return { first, inputs: Math.min(inputs, depth - first) };
  });
  const blocks = blocksOf(channels.length);
  const width = Math.ceil(channels.length / 2 / blocks);
  const runsAt = planes * groups.length * wordBytes;
  const sumsAt = runsAt + (runs.length - 1) * width * wordBytes;
  const frameBytes = sumsAt + wordBytes;
  if (frameBytes > mostFrameBytes) return null;
  const stride = blocks * width * wordBytes;
  return { groups, runs, width, blocks, stride, runsAt, sumsAt, frameBytes };
}

/**
 * As few runs of planes as the lanes allow: a sum of planes, each times its power of two, is
 * between -2^15 and 2^15 - 1 for any bits. null if a plane alone does not fit.
 */
function runsOf(channels: readonly Int8Array[]): readonly (readonly number[])[] | null {
  let [positive, negative] = [0, 0];
  for (const weights of channels) {
    const sum = (sign: number) =>
      weights.reduce((all, weight) => all + Math.max(0, sign * weight), 0);
    positive = Math.max(positive, sum(1));
    negative = Math.max(negative, sum(-1));
  }
  const fits = (run: readonly number[]) => {
    let [low, high] = [0, 0];
    for (const plane of run) {
      const [least, most] = plane === planes - 1 ? [positive, negative] : [negative, positive];
      [low, high] = [2 * low - least, 2 * high + most];
    }
    return low >= -(2 ** 15) && high < 2 ** 15;
  };
  const runs: number[][] = [];
  for (let plane = planes - 1; plane >= 0; plane -= 1) {
    const last = runs.at(-1);
    if (last !== undefined && fits([...last, plane])) last.push(plane);
    else if (fits([plane])) runs.push([plane]);
    else return null;
  }
  return runs;
}

/** Saves registers, makes room on the stack, and loads what look-ups need. */
function enter(assembly: Assembly, layout: Layout, table: number): void {
  assembly.access('push {r4-r7, lr}', 5);
  assembly.emit('mov r4, r8', 'mov r5, r9', 'mov r6, r10', 'mov r7, r11');
  assembly.access('push {r4-r7}', 4);
  moveStack(assembly, 'sub', layout.frameBytes);
  assembly.access(`str r1, [sp, #${layout.sumsAt}]`);
  const [pool, next] = [assembly.newLabel(), assembly.newLabel()];
  assembly.emit(`adr r1, ${pool}f`);
  assembly.access('ldm r1!, {r4-r7}', 4);
  assembly.access('ldm r1!, {r2, r3}', 2);
  assembly.emit('mov r8, r2', 'mov r9, r3', 'mov r10, r5');
  assembly.branch(`b ${next}f`);
  const tableBytes = 2 ** (layout.groups[0]?.inputs ?? 0) * layout.stride;
  const masks = [0x00aa00aa, 0x0000cccc, 0x0f0f0f0f];
  assembly.pool(pool, [`${table}f`, ...masks, tableBytes, layout.stride]);
  assembly.place(next);
}

function leave(assembly: Assembly, layout: Layout): void {
  moveStack(assembly, 'add', layout.frameBytes);
  assembly.access('pop {r4-r7}', 4);
  assembly.emit('mov r8, r4', 'mov r9, r5', 'mov r10, r6', 'mov r11, r7');
  assembly.access('pop {r4-r7, pc}', 7);
}

function moveStack(assembly: Assembly, operation: 'add' | 'sub', bytes: number): void {
  for (let left = bytes; left > 0; left -= 508) {
    assembly.emit(`${operation} sp, #${Math.min(left, 508)}`);
  }
}

/** The inputs, which r0 points into. */
class Inputs {
  /** Bytes from the first input to the pointer. */
  private at = 0;

  constructor(private readonly assembly: Assembly) {}

  /** Inputs first … first + count − 1, at most 4, in the lower bytes; 0 in the others. */
  load(register: string, first: number, count: number): void {
    const byte = first % wordBytes;
    const missing = wordBytes - count;
    this.word(register, first - byte);
    if (byte + count <= wordBytes) {
      this.shift('lsls', register, missing - byte);
      this.shift('lsrs', register, missing);
      return;
    }
    this.word('r3', first - byte + wordBytes);
    this.shift('lsrs', register, byte);
    this.shift('lsls', 'r3', missing + wordBytes - byte);
    this.shift('lsrs', 'r3', missing);
    this.assembly.emit(`adds ${register}, ${register}, r3`);
  }

  private word(register: string, from: number): void {
    if (from - this.at > reach) {
      this.assembly.emit(`adds r0, #${reach}`);
      this.at += reach;
    }
    this.assembly.access(`ldr ${register}, [r0, #${from - this.at}]`);
  }

  private shift(operation: 'lsls' | 'lsrs', register: string, bytes: number): void {
    if (bytes > 0) this.assembly.emit(`${operation} ${register}, ${register}, #${8 * bytes}`);
  }
}

/**
 * Stores the addresses that a group's bits choose, one for each plane: the bits of eight inputs are
 * transposed as a matrix of 8 by 8 (Warren, Hacker's Delight, 7-3).
 *
 * r4 points to the group's table, and r8 holds its bytes; r1 and r2 hold the matrix, r5 to r7 masks.
 */
function lookUp(
  assembly: Assembly,
  layout: Layout,
  inputs: Inputs,
  { group, index }: { readonly group: Layout['groups'][number]; readonly index: number },
): void {
  inputs.load('r1', group.first, Math.min(group.inputs, wordBytes));
  if (group.inputs <= wordBytes) assembly.emit('movs r2, #0');
  else inputs.load('r2', group.first + wordBytes, group.inputs - wordBytes);
  transpose(assembly);
  const exponent = 31 - Math.clz32(layout.stride);
  const isShift = 2 ** exponent === layout.stride;
  if (!isShift) assembly.emit('mov r5, r9');
  for (let plane = 0; plane < planes; plane += 1) {
    const word = plane < 4 ? 'r1' : 'r2';
    const byte = plane % 4;
    if (byte === 0) assembly.emit(`uxtb r3, ${word}`);
    else if (byte === 3) assembly.emit(`lsrs r3, ${word}, #24`);
    else assembly.emit(`lsls r3, ${word}, #${24 - 8 * byte}`, 'lsrs r3, r3, #24');
    assembly.emit(isShift ? `lsls r3, r3, #${exponent}` : 'muls r3, r5, r3', 'adds r3, r3, r4');
    assembly.access(`str r3, [sp, #${slotOf(layout, plane, index)}]`);
  }
  if (!isShift) assembly.emit('mov r5, r10');
  assembly.emit('add r4, r8');
}

/** Byte i, bit p becomes byte p, bit i: in squares of 2 by 2 bits, of 4 by 4, and of 8 by 8. */
function transpose(assembly: Assembly): void {
  for (const [mask, shift] of [
    ['r5', 7],
    ['r6', 14],
  ] as const) {
    for (const word of ['r1', 'r2']) {
      assembly.emit(`lsrs r3, ${word}, #${shift}`, `eors r3, ${word}`, `ands r3, ${mask}`);
      assembly.emit(`eors ${word}, r3`, `lsls r3, r3, #${shift}`, `eors ${word}, r3`);
    }
  }
  assembly.emit('lsrs r3, r1, #4', 'eors r3, r2', 'ands r3, r7', 'eors r2, r3');
  assembly.emit('lsls r3, r3, #4', 'eors r1, r3');
}

/** Bytes from sp to the address of a group's row for a plane. */
function slotOf({ groups }: Layout, plane: number, group: number): number {
  return (plane * groups.length + group) * wordBytes;
}

/** The sums, block by block from the last one. r0 holds the block's offset in a row. */
function loop(assembly: Assembly, layout: Layout): void {
  const { blocks, width } = layout;
  const step = width * wordBytes;
  const [begin, end] = [assembly.newLabel(), assembly.newLabel()];
  assembly.emit(`movs r0, #${(blocks - 1) * step}`);
  assembly.place(begin);
  const before = assembly.cycles;
  layout.runs.forEach((run, index) => {
    addPlanes(assembly, layout, run);
    if (index < layout.runs.length - 1) storeRun(assembly, layout, index);
  });
  finish(assembly, layout);
  if (blocks === 1) return;
  // lr, which no longer holds a sum, is free for a jump that reaches farther than a branch.
  assembly.emit(`subs r0, #${step}`, `bmi ${end}f`);
  assembly.jump(`bl ${begin}b`);
  assembly.place(end);
  assembly.cycles += (blocks - 1) * (assembly.cycles - before);
}

/** The packed sums of a run of planes, in the accumulators. */
function addPlanes(assembly: Assembly, layout: Layout, run: readonly number[]): void {
  const sums = accumulators.slice(0, layout.width);
  const isHigh = (sum: string) => !/^r[0-7]$/.test(sum);
  run.forEach((plane, i) => {
    if (i > 0) assembly.emit(...sums.map((sum) => `add ${sum}, ${sum}`));
    layout.groups.forEach((_, group) => {
      addRow(assembly, layout, slotOf(layout, plane, group), i + group === 0 ? 'mov' : 'add');
    });
    if (plane < planes - 1) return;
    for (const sum of sums) {
      if (isHigh(sum)) assembly.emit(`mov r4, ${sum}`, 'rsbs r4, r4, #0', `mov ${sum}, r4`);
      else assembly.emit(`rsbs ${sum}, ${sum}, #0`);
    }
  });
}

/** @param slot where the row's address is */
function addRow(
  assembly: Assembly,
  { width, blocks }: Layout,
  slot: number,
  operation: 'add' | 'mov',
): void {
  assembly.access(`ldr r1, [sp, #${slot}]`);
  if (blocks > 1) assembly.emit('add r1, r0');
  for (let first = 0; first < width; first += loaded.length) {
    const words = loaded.slice(0, width - first);
    assembly.access(`ldm r1!, {${words.join(', ')}}`, words.length);
    words.forEach((word, i) => {
      assembly.emit(`${operation} ${accumulators[first + i]}, ${word}`);
    });
  }
}

/** Keeps the sums of a run that others follow. */
function storeRun(assembly: Assembly, { width, runsAt }: Layout, run: number): void {
  accumulators.slice(0, width).forEach((sum, word) => {
    const at = runsAt + (run * width + word) * wordBytes;
    assembly.emit(`mov r4, ${sum}`);
    assembly.access(`str r4, [sp, #${at}]`);
  });
}

/**
 * Takes the words of all runs apart and adds them up: r4 becomes P of the top of this file, r5 B. r1
 * points to the block's sums.
 */
function finish(assembly: Assembly, { runs, width, runsAt, sumsAt }: Layout): void {
  assembly.access(`ldr r1, [sp, #${sumsAt}]`);
  assembly.emit('lsls r4, r0, #1', 'adds r1, r1, r4', 'movs r7, #1', 'lsls r7, r7, #15');
  for (let word = 0; word < width; word += 1) {
    runs.forEach((run, index) => {
      const [to, upper] = index === 0 ? ['r4', 'r5'] : ['r6', 'r6'];
      if (index === runs.length - 1) assembly.emit(`mov ${to}, ${accumulators[word]}`);
      else {
        const at = runsAt + (index * width + word) * wordBytes;
        assembly.access(`ldr ${to}, [sp, #${at}]`);
      }
      if (index > 0) {
        assembly.emit(`lsls r4, r4, #${run.length}`, 'adds r4, r4, r6');
        assembly.emit(`lsls r5, r5, #${run.length}`);
      }
      assembly.emit(`adds ${upper}, ${to}, r7`, `asrs ${upper}, ${upper}, #16`);
      if (index > 0) assembly.emit('adds r5, r5, r6');
    });
    assembly.emit('lsls r6, r5, #16', 'subs r4, r4, r6');
    assembly.access('stm r1!, {r4, r5}', 2);
  }
}

/** The tables of all groups: a row for each choice of inputs, a word for each two channels. */
function tableText(channels: readonly Int8Array[], { groups, stride }: Layout): string {
  const words = stride / wordBytes;
  const lines: string[] = [];
  for (const { first, inputs } of groups) {
    const rows = [new Int32Array(words)];
    for (let input = 0; input < inputs; input += 1) {
      const added = Int32Array.from({ length: words }, (_, word) => {
        const weight = (channel: number) => channels[channel]?.[first + input] ?? 0;
        return weight(2 * word) + weight(2 * word + 1) * 65536;
      });
      rows.push(...rows.map((row) => row.map((sum, word) => sum + (added[word] as number))));
    }
    for (const row of rows) lines.push(`    .word ${row.join(', ')}\n`);
  }
  return lines.join('');
}
