/** Images: the ELF reader against the compilers' own tools, UF2, sizes, the boot stage's CRC. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { type Elf, loadedBytes, readElf } from '../../src/boards/build/elf.js';
import { measureImage } from '../../src/boards/build/size.js';
import { makeUf2 } from '../../src/boards/build/uf2.js';
import { readUf2 } from '../../src/boards/device/uf2.js';
import type { Manifest } from '../../src/compiler/codegen/manifest.js';
import { runs } from '../support/runs.js';

const family = 0xe48bff56;

describe('build/elf', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bonsaic-elf-'));
  after(() => rmSync(directory, { recursive: true }));

  for (const [bits, compiler, flags] of [
    [64, 'gcc', []],
    [32, 'arm-none-eabi-gcc', ['-mcpu=cortex-m0plus', '-ffreestanding']],
  ] as const) {
    it(`sizes of sections and symbols, ${bits} bits`, () => {
      const source = join(directory, 'x.c');
      const object = join(directory, `x${bits}.o`);
      writeFileSync(
        source,
        `static const signed char weights[1001] = {1};
         static int state[10]; int initial[3] = {1, 2, 3};
         int f(int i) { return weights[i] + state[i]++ + initial[i]; }`,
      );
      execFileSync(compiler, [...flags, '-O1', '-c', source, '-o', object]);
      const { sections, symbolBytes } = readElf(readFileSync(object));
      const named = (name: string) => sections.find((section) => section.name === name);
      expect(symbolBytes.get('weights')).to.equal(1001);
      expect(symbolBytes.get('state')).to.equal(40);
      expect(named('.data')).to.include({
        bytes: 12,
        allocated: true,
        writable: true,
        stored: true,
      });
      expect(named('.bss')).to.include({ bytes: 40, writable: true, stored: false });
      expect(named('.rodata')).to.include({ writable: false, allocated: true });
      expect(named('.symtab')).to.include({ allocated: false });
    });
  }

  it('refuses what is no ELF file', () => {
    for (const bytes of [new Uint8Array(0), new Uint8Array(100)]) {
      expect(() => readElf(bytes)).to.throw(RangeError, 'ELF');
    }
  });

  const linked = join(directory, 'linked.elf');
  before(() => {
    const source = join(directory, 'linked.c');
    writeFileSync(source, 'int start(void) { return 7; } int data = 3; int zeros[9];');
    const script = join(directory, 'linked.ld');
    // .data runs elsewhere than it is loaded, and a gap is before it.
    const sections =
      '.text 0x1000 : { *(.text*) } .data 0x9000 : AT(0x1100) { *(.data*) } .bss : { *(.bss*) }';
    writeFileSync(script, `ENTRY(start) SECTIONS { ${sections} }`);
    const flags = ['-mcpu=cortex-m0plus', '-nostdlib', '-O1', '-T', script];
    execFileSync('arm-none-eabi-gcc', [...flags, source, '-o', linked]);
  });

  it('loads what objcopy takes out of the file', () => {
    const raw = join(directory, 'linked.bin');
    execFileSync('arm-none-eabi-objcopy', ['-O', 'binary', linked, raw]);
    expect(readFileSync(raw).length).to.equal(0x104);
    expect([...loadedBytes(readFileSync(linked))]).to.deep.equal([...readFileSync(raw)]);
  });

  it('says where a file ends that is cut off, wherever', () => {
    const whole = readFileSync(linked);
    for (let bytes = 4; bytes < whole.length; bytes++) {
      const pattern = bytes < 6 ? /not a little-endian/ : new RegExp(`cut off .* ${bytes} bytes`);
      expect(() => readElf(whole.subarray(0, bytes)), String(bytes)).to.throw(RangeError, pattern);
    }
  });

  it('reads a damaged file or says what is wrong (property)', () => {
    const whole = readFileSync(linked);
    const change = fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 5 }), (changes) => {
        const damaged = Uint8Array.from(whole);
        for (const [at, byte] of changes) damaged[at] = byte;
        for (const read of [readElf, loadedBytes]) {
          try {
            read(damaged);
          } catch (error) {
            expect(error).to.be.instanceOf(RangeError);
            expect((error as Error).message).to.match(/^it(s)? /);
          }
        }
      }),
      { numRuns: runs(2000) },
    );
  });
});

describe('build/size', () => {
  const section = (name: string, bytes: number, [allocated, writable, stored]: boolean[]) => ({
    ...{ name, bytes },
    ...{ allocated: allocated ?? true, writable: writable ?? false, stored: stored ?? true },
  });
  const elf: Elf = {
    machine: 40,
    sections: [
      section('.text', 10_000, [true, false, true]),
      section('.data', 100, [true, true, true]),
      section('.bss', 5000, [true, true, false]),
      section('.debug_info', 1_000_000, [false, false, true]),
    ],
    symbolBytes: new Map([
      ['w0', 4000],
      ['b0', 64],
    ]),
  };
  const table = (symbol: string, role: 'weights' | 'table', bytes: number) => ({
    ...{ symbol, role, bytes },
    step: 0,
  });
  const manifest = {
    plan: { arenaBytes: 4096 },
    // 'dead' was dropped by the linker; two steps share b0.
    tables: [
      table('w0', 'weights', 4000),
      table('dead', 'weights', 999),
      table('b0', 'table', 64),
      table('b0', 'table', 64),
    ],
  } as unknown as Manifest;

  it('takes weights and tables as they are in the image, code is the rest', () => {
    const ram = {
      staticRamBytes: 5100 - 4096,
      sramCopyBytes: 0,
      weightBytes: 4000,
      tableBytes: 64,
    };
    expect(measureImage(elf, 10_104, manifest)).to.deep.equal({
      ...{ ...ram, flashBytes: 10_104, codeBytes: 10_104 - 4064 },
    });
    expect(measureImage(elf, null, manifest)).to.include({ flashBytes: 10_100, codeBytes: 6036 });
  });
});

describe('build/uf2', () => {
  it('reads back as the image, filled up to pages of 256 (property)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 1500 }), (image) => {
        const { blocks } = readUf2(makeUf2(image, 0x10000000, family), family, 'test');
        expect(blocks.map(({ address }) => address)).to.deep.equal(
          blocks.map((_, i) => 0x10000000 + 256 * i),
        );
        const bytes = Buffer.concat(blocks.map(({ payload }) => payload));
        expect(bytes.length).to.equal(256 * Math.ceil(image.length / 256));
        expect(Buffer.compare(bytes.subarray(0, image.length), image)).to.equal(0);
        expect(bytes.subarray(image.length).every((byte) => byte === 0)).to.equal(true);
      }),
      { numRuns: runs(100) },
    );
  });
});

describe('firmware/port/rp2040/boot2.S', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bonsaic-boot2-'));
  after(() => rmSync(directory, { recursive: true }));

  it('is 256 bytes that end in their CRC-32, as the boot ROM checks it', () => {
    const object = join(directory, 'boot2.o');
    const binary = join(directory, 'boot2.bin');
    const source = 'firmware/port/rp2040/boot2.S';
    execFileSync('arm-none-eabi-gcc', ['-mcpu=cortex-m0plus', '-c', source, '-o', object]);
    execFileSync('arm-none-eabi-objcopy', ['-O', 'binary', '-j', '.boot2', object, binary]);
    const bytes = readFileSync(binary);
    expect(bytes).to.have.length(256);
    let crc = 0xffffffff;
    for (const byte of bytes.subarray(0, 252)) {
      crc ^= byte << 24;
      for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ (crc < 0 || crc >>> 31 ? 0x04c11db7 : 0);
    }
    const hex = (value: number) => `0x${(value >>> 0).toString(16).padStart(8, '0')}`;
    expect(hex(bytes.readUInt32LE(252)), 'its last word').to.equal(hex(crc));
  });
});

describe('targets/chips/rp2040.ld', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bonsaic-ld-'));
  after(() => rmSync(directory, { recursive: true }));

  it('keeps veneers, however many, out of the code that start-up copies to the stack', () => {
    const names = Array.from({ length: 40 }, (_, i) => `f${i}`);
    const functions = names.map(
      (name) =>
        `.section .data.${name},"aw"\n.thumb_func\n.type ${name},%function\n${name}: bx lr\n`,
    );
    const source = join(directory, 'x.S');
    const image = join(directory, 'x.elf');
    writeFileSync(
      source,
      `.syntax unified\n.thumb\n.section .boot2,"ax"\n.space 256
      .section .run_from_ram,"ax"\n.space 304
      .section .text.reset,"ax"\n.global bonsai_reset_handler\n.thumb_func\nbonsai_reset_handler:
      ${names.map((name) => `bl ${name}\n`).join('')}${functions.join('')}`,
    );
    const flags = ['-mcpu=cortex-m0plus', '-mthumb', '-nostdlib'];
    const script = ['-T', 'targets/chips/rp2040.ld'];
    execFileSync('arm-none-eabi-gcc', [...flags, ...script, source, '-o', image]);
    const symbols = execFileSync('arm-none-eabi-nm', [image], { encoding: 'utf8' });
    const address = (name: string) =>
      Number(`0x${new RegExp(`^(\\w+) . ${name}$`, 'm').exec(symbols)?.[1]}`);
    expect(symbols.match(/_veneer$/gm)).to.have.length(names.length);
    expect(address('bonsai_run_from_ram_end') - address('bonsai_run_from_ram_start')).to.equal(304);
  });
});
