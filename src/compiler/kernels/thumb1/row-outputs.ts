/** From the sums of a group of channels to their int8 outputs, in the routine of a row (row-code.ts). */
import type { TwoMultiply } from '../layout/two-multiply.js';
import type { RowOutput } from '../routines/row.js';
import type { Assembly } from './assembly.js';

/**
 * Stores an output for each register of `sums`, which it overwrites as well as r0 to r3; lr, the
 * pointer to the outputs, advances. An unsigned comparison sends sums below and above the range of the
 * multiplication to a detour behind the code. r0 points to the constants, which follow the detours.
 */
export function storeOutputs(
  assembly: Assembly,
  sums: readonly string[],
  outputs: readonly RowOutput[],
): void {
  const [pool, next] = [assembly.newLabel(), assembly.newLabel()];
  const words: number[] = [];
  assembly.emit(`adr r0, ${pool}f`);
  const detours = sums.map((sum, i) => scale(assembly, sum, outputs[i] as RowOutput, words));
  assembly.emit('mov r1, lr');
  sums.forEach((sum, i) => {
    assembly.access(`strb ${sum}, [r1, #${i}]`);
  });
  assembly.emit(`adds r1, #${sums.length}`, 'mov lr, r1');
  assembly.branch(`b ${next}f`);
  for (const detour of detours) assembly.aside(detour);
  assembly.pool(pool, words);
  assembly.place(next);
}

/** The output byte of a sum, in its register. @returns the code of its detour */
function scale(
  assembly: Assembly,
  sum: string,
  { bias, requantization: multiply }: RowOutput,
  words: number[],
): () => void {
  const { base, top, high, low, offset, shift, lift, zeroPoint, inRange } = multiply;
  const load = (constants: readonly number[]) => {
    const registers = ['r1', 'r2', 'r3'].slice(0, constants.length);
    assembly.access(`ldm r0!, {${registers.join(', ')}}`, registers.length);
    words.push(...constants);
  };
  const leaving = { sum, from: assembly.newLabel(), back: assembly.newLabel() };
  load(inRange ? [bias - base] : [bias - base, top]);
  assembly.emit(`adds ${sum}, ${sum}, r1`);
  if (!inRange) assembly.emit(`cmp ${sum}, r2`, `bhi ${leaving.from}f`);
  const factors = low === 0 ? [offset, high] : [offset, high, low];
  load(factors);
  if (low !== 0) assembly.emit(`muls r3, ${sum}, r3`, `lsrs r3, r3, #${shift}`, 'adds r1, r1, r3');
  assembly.emit(`muls ${sum}, r2, ${sum}`, `adds ${sum}, ${sum}, r1`);
  if (lift === null) {
    assembly.emit(`lsrs ${sum}, ${sum}, #24`);
  } else {
    assembly.emit(`lsrs r1, ${sum}, #31`);
    if (lift > 0) assembly.emit(`lsls r1, r1, #${lift}`);
    assembly.emit(`adds ${sum}, ${sum}, r1`, `lsrs ${sum}, ${sum}, #23`);
    if (zeroPoint !== 0) assembly.emit(`adds ${sum}, #${zeroPoint & 255}`);
  }
  assembly.place(leaving.back);
  return () => {
    if (!inRange) clamp(assembly, leaving, multiply, factors.length);
  };
}

/** The sign tells a sum below the range from one above it. @param skipped constants not loaded */
function clamp(
  assembly: Assembly,
  { sum, from, back }: { readonly sum: string; readonly from: number; readonly back: number },
  { lowest, highest }: TwoMultiply,
  skipped: number,
): void {
  const above = assembly.newLabel();
  const leave = (output: number) => {
    assembly.emit(`movs ${sum}, #${output & 255}`, `adds r0, #${4 * skipped}`, `b ${back}b`);
  };
  assembly.place(from);
  assembly.emit(`bge ${above}f`);
  leave(lowest);
  assembly.place(above);
  leave(highest);
}
