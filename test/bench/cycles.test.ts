import { expect } from 'chai';
import type { Instruction } from '../../bench/qemu/blocks.js';
import { type Core, coreOf, estimateCycles } from '../../bench/qemu/cycles.js';

/** One line a run instruction: 'ldr r0, [r1]'; jumps follow a '*'. 4 bytes each, `runs` times. */
function program(text: string, runs = 10): Instruction[] {
  return text.split(';').map((line, index) => {
    const [, mnemonic = '', operands = '', jumps] =
      /^\s*(\S+) ?([^*]*)(?:\*(\d+))?/.exec(line) ?? [];
    return {
      ...{ address: 4 * index, bytes: 4, mnemonic, operands: operands.trim(), symbol: 'f' },
      ...{ runs, jumps: Number(jumps ?? 0) },
    };
  });
}

const cycles = (core: Core, text: string) =>
  estimateCycles(core, program(text)).reduce((sum, count) => sum + count, 0) / 10;

describe('bench: estimated cycles', () => {
  const rows: [edge: string, code: string, m4: number, m7: number, m33: number][] = [
    ['arithmetic', 'adds r0, r1, r2; subs r3, r4, r5', 2, 1, 2],
    ['one needs the other', 'adds r0, r1, r2; subs r3, r0, r5', 2, 2, 2],
    ['the destination is a source', 'adds r0, #1; adds r0, r3', 2, 2, 2],
    ['a load', 'ldr r0, [r1]', 2, 1, 1],
    ['loads in a row', 'ldr r0, [r1]; ldrsb r2, [r1, #4]; ldrh r3, [r1, #8]', 4, 3, 3],
    ['a load by a loaded address', 'ldr r0, [r1]; ldr r2, [r0]', 4, 3, 3],
    ['a load whose result is waited for', 'ldr r0, [r1]; adds r2, r0, r3', 3, 3, 3],
    ['a load beside a sum is late', 'adds r0, r1, r2; ldr r3, [r4]; adds r5, r3, r6', 4, 3, 4],
    [
      'late for the second of a pair',
      'ldr r3, [r4]; adds r0, r1, r2; adds r6, r7, r8; adds r5, r3, r1',
      5,
      3,
      4,
    ],
    [
      'in time after a whole cycle',
      'ldr r3, [r4]; adds r0, r1, r2; adds r6, r7, r8; subs r9, r1, r2; adds r5, r3, r1',
      6,
      3,
      5,
    ],
    ['a store', 'str r0, [r1]; adds r2, r3, r4', 2, 1, 2],
    ['several registers', 'ldmia r0!, {r1, r2, r4-r6, lr}', 7, 4, 6],
    ['two registers', 'ldrd r2, r3, [r0]', 3, 1, 2],
    ['products', 'smlad r0, r1, r2, r0; mla r3, r4, r5, r3', 2, 2, 2],
    ['a product into a sum', 'smlad r0, r1, r2, r0; smlad r0, r3, r4, r0', 2, 3, 2],
    ['a division', 'sdiv r0, r1, r2', 6, 6, 6],
    ['a jump', 'b 100 *10', 3, 1, 2],
    ['a jump not taken', 'bne 100', 1, 1, 1],
    ['a jump taken half the time', 'adds r0, r1, r2; bne 100 *5', 3, 1, 2.5],
    ['a return', 'pop {r4, pc} *10', 5, 2, 3],
    ['the first of two loaded', 'ldrd r2, r3, [r0]; adds r1, r2, r4', 4, 3, 3],
    ['the last of two loaded', 'ldrd r2, r3, [r0]; adds r1, r3, r4', 4, 3, 4],
    ['a product that is a factor', 'mul r0, r1, r2; mla r3, r0, r4, r5', 2, 3, 3],
    ['a product that is used otherwise', 'mul r0, r1, r2; adds r3, r0, r4', 2, 3, 3],
    ['a long product into a sum', 'smull r0, r1, r2, r3; smlal r0, r1, r4, r5', 2, 3, 2],
  ];
  const order = ['Cortex-M4', 'Cortex-M7', 'Cortex-M33'] as const;
  for (const [edge, code, ...counts] of rows) {
    it(edge, () => expect(order.map((core) => cycles(core, code))).to.eql(counts));
  }

  it('does not pair what runs apart', () => {
    const [first, second] = program('adds r0, r1, r2; subs r3, r4, r5');
    if (first === undefined || second === undefined) throw new Error('two instructions');
    const apart = { ...second, address: 100 };
    expect(estimateCycles('Cortex-M7', [first, apart])).to.eql([10, 10]);
    expect(estimateCycles('Cortex-M7', [first, { ...second, runs: 12 }])).to.eql([10, 12]);
  });

  it('knows the cores', () => {
    const names = [
      'Cortex-M4F',
      'Cortex-M7',
      'Cortex-M33',
      'Cortex-M3',
      'Cortex-M55',
      'Cortex-M0+',
    ];
    expect(names.map(coreOf)).to.eql(['Cortex-M4', 'Cortex-M7', 'Cortex-M33', null, null, null]);
  });
});
