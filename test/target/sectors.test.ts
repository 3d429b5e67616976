/** Sectors of a chip's flash, from the runs of equal ones that target.json lists. */
import { expect } from 'chai';
import { listTargets, loadTarget } from '../../src/boards/target/index.js';
import { sectorsOf } from '../../src/boards/target/sectors.js';

const ms = (typical: number) => ({ typical, longest: 2 * typical });

describe('target: sectors', () => {
  it('follow each other, numbered from the first of each run', () => {
    const bank = { code: '0xfffd', eraseMs: ms(8) };
    const sectors = [
      { count: 2, bytes: 16, first: 0, eraseMs: ms(5) },
      { count: 1, bytes: 64, first: 4, eraseMs: ms(7), settleMs: 30 },
      { count: 2, bytes: 128, first: 12, otherFirst: 5, eraseMs: ms(9), bank },
    ];
    const plain = { otherNumber: null, settleMs: 0, bank: null };
    const inBank = { bank: { code: 0xfffd, eraseMs: ms(8), count: 2 }, settleMs: 0 };
    const found = sectorsOf({ flashAddress: '0x08000000', sectors });
    expect(found).to.deep.equal([
      { ...plain, number: 0, address: 0x08000000, bytes: 16, eraseMs: ms(5) },
      { ...plain, number: 1, address: 0x08000010, bytes: 16, eraseMs: ms(5) },
      { ...plain, number: 4, address: 0x08000020, bytes: 64, eraseMs: ms(7), settleMs: 30 },
      { ...inBank, number: 12, otherNumber: 5, address: 0x08000060, bytes: 128, eraseMs: ms(9) },
      { ...inBank, number: 13, otherNumber: 6, address: 0x080000e0, bytes: 128, eraseMs: ms(9) },
    ]);
    expect(found[3]?.bank, 'one bank').to.equal(found[4]?.bank);
  });

  for (const name of listTargets()) {
    const { flashBytes, flashProtocols } = loadTarget(name);
    const uart = flashProtocols.find((one) => one.protocol === 'stm32-uart');
    if (uart === undefined) continue;
    it(`${name}: the sectors are all of its flash, each with its own number`, () => {
      const sectors = sectorsOf(uart);
      expect(sectors.reduce((sum, { bytes }) => sum + bytes, 0)).to.equal(flashBytes);
      expect(new Set(sectors.map(({ number }) => number)).size).to.equal(sectors.length);
      for (const { eraseMs } of sectors) expect(eraseMs.typical).to.be.at.most(eraseMs.longest);
    });
    it(`${name}: its boot loaders agree`, () => {
      const dfu = flashProtocols.find((one) => one.protocol === 'stm32-dfu');
      const sizes = new Set(uart.sectors.map(({ bytes }) => bytes));
      expect(dfu).to.include({
        ...{ programBytes: uart.programBytes },
        ...{ flashAddress: uart.flashAddress, ramAddress: uart.ramAddress },
      });
      expect(dfu?.sectorBytes).to.include.members([...sizes]);
    });
  }
});
