import { expect } from 'chai';
import { encodeBlock } from 'uf2';
import type { XipModel } from '../../src/boards/device/device.js';
import { bootLoaderBreak, Rp2040Mcu, xipBase } from '../../src/boards/device/rp2040mcu.js';
import { openRp2040 } from '../../src/boards/device/rp2040sim.js';
import { readUf2 } from '../../src/boards/device/uf2.js';
import { BonsaiError } from '../../src/errors.js';

const log = { debug() {}, info() {}, warn() {}, error() {} };
const board = (xip: XipModel = 'ideal') => new Rp2040Mcu(xip, log);

const rp2040 = 0xe48bff56;
const notMainFlash = 1;
const hasFamily = 0x2000;

/** One UF2 block per 256 bytes of `payloads`. */
function uf2(payloads: readonly Uint8Array[], change: object = {}): Uint8Array {
  return Buffer.concat(
    payloads.map((payload, blockNumber) =>
      encodeBlock({
        flags: hasFamily,
        flashAddress: xipBase + 256 * blockNumber,
        payload,
        blockNumber,
        totalBlocks: payloads.length,
        boardFamily: rp2040,
        ...change,
      }),
    ),
  );
}

describe('device/rp2040: XIP cache', () => {
  /** Stalled cycles of reading the addresses in order. */
  function stall(xip: XipModel, addresses: readonly number[]): number {
    const mcu = board(xip);
    for (const address of addresses) mcu.readUint16(address);
    return mcu.misses;
  }
  const way = 8192;
  const rows: [edge: string, offsets: number[], misses: number][] = [
    ['a line is 8 bytes', [0, 2, 4, 6, 8, 14], 2],
    ['two lines of one set fit', [0, way, 0, way], 2],
    ['of three the least recently used goes', [0, way, 0, 2 * way, 0, way], 4],
    ['round robin over three never hits', [0, way, 2 * way, 0, way, 2 * way], 6],
    ['neighbouring sets do not disturb', [0, 8, way + 8, 2 * way + 8, 0], 4],
  ];
  for (const [edge, offsets, misses] of rows) {
    it(edge, () => {
      const addresses = offsets.map((offset) => xipBase + offset);
      expect(stall('model', addresses)).to.equal(misses);
      expect(stall('ideal', addresses)).to.equal(0);
    });
  }

  it('holds 16 KB and loses a line to the next byte', () => {
    const mcu = board('model');
    const read = (bytes: number) => {
      for (let at = 0; at < bytes; at += 4) mcu.readUint32(xipBase + at);
      return mcu.misses;
    };
    expect(read(2 * way)).to.equal(2048);
    expect(read(2 * way)).to.equal(2048);
    expect(read(2 * way + 8)).to.equal(2049);
    expect(read(2 * way + 8)).to.equal(2052);
  });

  it('counts bytes, halfwords and words, and nothing outside of flash', () => {
    const mcu = board('model');
    mcu.readUint8(xipBase);
    mcu.readUint16(xipBase + 8);
    mcu.readUint32(xipBase + 16);
    mcu.readUint32(0x2000_0000);
    mcu.readUint32(0xe000_e018);
    expect(mcu.misses).to.equal(3);
  });
});

describe('device/rp2040: flash', () => {
  const ssi = 0x1800_0000;
  const rows: [edge: string, divider: number, control: number, spi: number, cycles: number][] = [
    ['03h at a quarter of the clock: 8 + 24 + 64 clocks', 4, 0x001f0300, 0x03000218, 384],
    ['EBh with its command: 8 + 8 + 4 + 16 clocks', 2, 0x005f0300, 0x00002221, 72],
    ['EBh, continuous: 8 + 4 + 16 clocks', 2, 0x005f0300, 0xa0002022, 56],
  ];
  for (const [edge, divider, control, spi, cycles] of rows) {
    it(`a miss costs what the registers say: ${edge}`, () => {
      const mcu = board('model');
      mcu.writeUint32(ssi + 0x14, divider);
      mcu.writeUint32(ssi, control);
      mcu.writeUint32(ssi + 0xf4, spi);
      mcu.readUint32(xipBase);
      expect(mcu.stall).to.equal(cycles);
    });
  }
});

describe('device/rp2040: SysTick', () => {
  it('has a period of reload + 1, shows 0, and flags every pass once', () => {
    const mcu = board();
    const [control, reload, value] = [0xe000_e010, 0xe000_e014, 0xe000_e018];
    mcu.writeUint32(reload, 3);
    mcu.writeUint32(value, 0);
    mcu.writeUint32(control, 5);
    const cycle = 1e9 / mcu.clkSys;
    mcu.simulationClock.tick(cycle);
    mcu.readUint32(control);
    const seen: string[] = [];
    for (let i = 0; i < 9; i++) {
      const flag = (mcu.readUint32(control) & (1 << 16)) !== 0;
      seen.push(`${mcu.readUint32(value)}${flag ? '!' : ''}`);
      mcu.simulationClock.tick(cycle);
    }
    expect(seen.join(' ')).to.equal('3 2 1 0! 3 2 1 0! 3');
  });

  it('loses no cycle where the 24 bits wrap', () => {
    const mcu = board();
    mcu.writeUint32(0xe000_e014, 0xff_ffff);
    mcu.writeUint32(0xe000_e018, 0);
    mcu.writeUint32(0xe000_e010, 5);
    const { simulationClock: clock } = mcu;
    const tick = (cycles: number) => clock.tick((cycles * 1e9) / mcu.clkSys);
    tick(100);
    const before = mcu.readUint32(0xe000_e018);
    tick(3 * 2 ** 24 + 12345);
    expect((before - mcu.readUint32(0xe000_e018)) & 0xff_ffff).to.equal(12345);
  });
});

describe('device/rp2040: boot', () => {
  it('finds the boot loader through the ROM’s table, and nothing else', () => {
    for (const [code, found] of [
      ['UB', true],
      ['XX', false],
    ] as const) {
      const mcu = board();
      const { core } = mcu;
      let breakCode = -1;
      mcu.onBreak = (number) => {
        breakCode = number;
      };
      // rom_table_lookup(table, code), then a call of what it found.
      core.registers[0] = mcu.readUint16(0x14);
      core.registers[1] = code.charCodeAt(0) | (code.charCodeAt(1) << 8);
      core.LR = 0x2000_0001;
      core.PC = mcu.readUint16(0x18) & ~1;
      for (let i = 0; i < 40 && core.PC !== 0x2000_0000; i++) core.executeInstruction();
      expect(core.registers[0] !== 0).to.equal(found);
      if (!found) continue;
      core.PC = (core.registers[0] ?? 0) & ~1;
      core.executeInstruction();
      expect(breakCode).to.equal(bootLoaderBreak);
    }
  });

  it('refuses an image whose second stage has a wrong checksum', async () => {
    const options = { name: 'sim', link: 'uart', xip: 'ideal' } as const;
    const error = await openRp2040(uf2([new Uint8Array(256)]), options).catch((reason) => reason);
    expect(error).to.be.instanceOf(BonsaiError);
    expect(error.message).to.match(/checksum of its second stage/);
  });

  it('refuses to write outside of flash', () => {
    const image = readUf2(uf2([new Uint8Array(256)], { flashAddress: 0x2000_0000 }), rp2040, 'x');
    expect(() => board().load(image, 'x')).to.throw(BonsaiError, /0x20000000, which is not flash/);
  });
});

describe('device/uf2', () => {
  const two = uf2([new Uint8Array(256), new Uint8Array(200)]);

  it('reads blocks in order', () => {
    const { blocks, bytes } = readUf2(two, rp2040, 'x');
    expect(blocks.map(({ address }) => address)).to.deep.equal([xipBase, xipBase + 256]);
    expect(bytes).to.equal(456);
  });

  it('reads from the middle of a buffer, as small files come from readFile', () => {
    const shifted = Buffer.concat([Buffer.alloc(3), two]).subarray(3);
    expect(readUf2(shifted, rp2040, 'x').bytes).to.equal(456);
  });

  it('skips blocks that are not for flash', () => {
    expect(
      readUf2(uf2([new Uint8Array(256)], { flags: notMainFlash }), rp2040, 'x').bytes,
    ).to.equal(0);
  });

  const rows: [edge: string, file: Uint8Array, message: RegExp][] = [
    ['nothing', new Uint8Array(0), /not a UF2 image/],
    ['half a block', two.subarray(0, 700), /not whole blocks/],
    ['no UF2', new Uint8Array(512), /block 0 does not decode/],
    ['a missing block', two.subarray(0, 512), /block 0 says 1 of 2/],
    ['another board', uf2([new Uint8Array(4)], { boardFamily: 0x1c5f21b0 }), /another board/],
  ];
  for (const [edge, file, message] of rows) {
    it(`refuses ${edge}`, () => {
      expect(() => readUf2(file, rp2040, 'x.uf2')).to.throw(BonsaiError, message);
    });
  }
});
