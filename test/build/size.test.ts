/** What the sizes of a linked image say of flash and RAM: an image made up, each sum by hand. */
import { expect } from 'chai';
import type { Elf, Section } from '../../src/boards/build/elf.js';
import { measureImage } from '../../src/boards/build/size.js';
import { loadTarget } from '../../src/boards/target/index.js';
import type { Manifest, TableInfo } from '../../src/compiler/codegen/manifest.js';
import { makeReport } from '../../src/report/index.js';
import { NetworkBuilder } from '../support/networks.js';
import { simplePlan } from '../support/plan.js';

const section = (
  name: string,
  bytes: number,
  kind: 'code' | 'data' | 'bss' | 'debug',
): Section => ({
  ...{ name, bytes, allocated: kind !== 'debug' },
  ...{ writable: kind === 'data' || kind === 'bss', stored: kind !== 'bss' },
});
const table = (symbol: string, role: TableInfo['role'], region: TableInfo['region']) => ({
  ...{ symbol, role, region, bytes: 1, step: 0 },
});

/** 5000 bytes of code, 700 of weights and tables in it, 100 of weights that are copied to RAM. */
const elf: Elf = {
  machine: 40,
  sections: [
    section('.text', 5000, 'code'),
    section('.data', 300, 'data'),
    section('.bss', 4000, 'bss'),
    section('.debug', 9999, 'debug'),
  ],
  symbolBytes: new Map([
    ['weights', 600],
    ['stage', 100],
    ['copied', 100],
  ]),
};
const tables: readonly TableInfo[] = [
  table('weights', 'weights', 'flash'),
  table('stage', 'table', 'flash'),
  // Both halves of a step name it: it is there once.
  table('copied', 'weights', 'sram'),
  table('copied', 'weights', 'sram'),
  // The linker has dropped it.
  table('gone', 'weights', 'sram'),
];

function manifestOf(all: readonly TableInfo[]): Manifest {
  const b = new NetworkBuilder();
  const { plan } = simplePlan(b.module([b.dense(b.input([1, 8]), 8)]));
  const planned = { ...plan, arenaBytes: 3000 };
  return { format: 1, plan: planned, tables: all, spans: [], tag: '00000000' };
}

/** A board of which nothing was measured. */
const unmeasured = loadTarget('host');

describe('build: sizes of an image', () => {
  it('tell code, weights, tables, copies in RAM and static RAM apart', () => {
    expect(measureImage(elf, null, manifestOf(tables))).to.deep.equal({
      flashBytes: 5000 + 300,
      weightBytes: 600 + 100,
      tableBytes: 100,
      codeBytes: 5300 - 700 - 100,
      sramCopyBytes: 100,
      staticRamBytes: 300 + 4000 - 3000 - 100,
    });
  });

  it('have the bytes of the raw image where there is one', () => {
    const { flashBytes, codeBytes } = measureImage(elf, 6000, manifestOf(tables));
    expect([flashBytes, codeBytes]).to.deep.equal([6000, 6000 - 800]);
  });

  it('take the sections as RAM that the target says', () => {
    const isRam = ({ name }: Section) => name !== '.debug';
    const { staticRamBytes } = measureImage(elf, null, manifestOf(tables), isRam);
    expect(staticRamBytes).to.equal(5000 + 300 + 4000 - 3000 - 100);
  });
});

describe('report: memory', () => {
  const two = [
    { ...table('a', 'weights', 'flash'), bytes: 500 },
    { ...table('b', 'weights', 'sram'), bytes: 60 },
    { ...table('c', 'table', 'flash'), bytes: 7 },
  ] as const;

  it('before an image is built: the plan’s weights, tables and copies, and no total', () => {
    const { memory } = makeReport({ manifest: manifestOf(two), target: unmeasured });
    expect(memory).to.deep.equal({
      ...{ arenaBytes: 3000, arenaLowerBoundBytes: memory.arenaLowerBoundBytes, stateBytes: 0 },
      ...{ weightBytes: 560, tableBytes: 7, sramCopyBytes: 60 },
      ...{ codeBytes: null, flashBytes: null },
      ...{ staticRamBytes: null, stackBytes: null, ramBytes: null },
      ...{ flashMostBytes: memory.flashMostBytes, ramMostBytes: null },
    });
  });

  it('of an image: its own', () => {
    const sizes = measureImage(elf, null, manifestOf(tables));
    const { memory } = makeReport({
      ...{ manifest: manifestOf(two), target: unmeasured, built: { toolchain: 'gcc', sizes } },
    });
    expect(memory).to.deep.include({ ...sizes, stackBytes: null, ramBytes: null });
  });
});
