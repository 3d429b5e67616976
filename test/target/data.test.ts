/** What a target's data may say, and what builds make of it. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import {
  compilerFlags,
  firmwareMacros,
  firmwareSources,
  requireCores,
} from '../../src/boards/target/firmware.js';
import {
  linkerScriptOf,
  listTargets,
  loadTarget,
  parseTarget,
  twinOf,
} from '../../src/boards/target/index.js';
import { measuredCosts, parseCosts } from '../../src/boards/target/measured.js';
import { BonsaiError } from '../../src/errors.js';

type Json = Record<string, unknown>;

/** What an error says: its code, where and what next. */
function refusalOf(call: () => unknown) {
  try {
    call();
  } catch (error) {
    if (!(error instanceof BonsaiError)) throw error;
    const { code, where, message, hint } = error;
    return { code, where, message, hint };
  }
  return null;
}

/** A board of the family that needs least. */
const least: Json = {
  ...{ name: 'board', description: 'A board', core: 'cortex-m4f', family: 'mps' },
  ...{ clockHz: 1, flashBytes: null, ramBytes: null, flashProtocols: [] },
};
const [esp] = loadTarget('esp32c3').flashProtocols;
const parse = (json: Json) => parseTarget(JSON.stringify(json), 'board/target.json');
const flash = { cacheBytes: 1, lineBytes: 1, missCycles: 1 };
const sram = { reservedBytes: 0 };
const idf = { family: 'esp_idf', chip: 'esp32', flashAddress: '0x00010000', flashBytes: 1 };
const uf2 = { family: 'rp2040', flashAddress: '0x10000000', uf2FamilyId: '0xe48bff56' };

describe('target.json', () => {
  const good: [edge: string, json: Json][] = [
    ['what every board has', {}],
    ['a byte of flash and of RAM', { flashBytes: 1, ramBytes: 1 }],
    ['a cache', { regions: { flash, sram } }],
    ['instructions of 1024 ns', { icountShift: 10 }],
    ['and of 1', { icountShift: 0 }],
    ['a baud rate', { baudRate: 1 }],
    ['USB', { usb: { vendorId: '0x2e8a', productId: '0x000a' } }],
    ['settings of 32 bits', { settings: { A: 0, A_2: 0xffffffff } }],
    ['a name in parts', { name: 'a2-b3_4c' }],
    ['UF2 with an address and an id', uf2],
    ['a chip of ESP-IDF', idf],
  ];
  for (const [edge, json] of good) {
    it(`takes ${edge}`, () => expect(parse({ ...least, ...json })).to.deep.include(json));
  }

  const bad: [edge: string, json: Json, says: RegExp][] = [
    ...Object.keys(least).map((key): [string, Json, RegExp] => [
      `no ${key}`,
      { [key]: undefined },
      new RegExp(`^${key}: `),
    ]),
    ['no bytes of flash', { flashBytes: 0 }, /flashBytes: /],
    ['no bytes of RAM', { ramBytes: 0 }, /ramBytes: /],
    ['half a Hz', { clockHz: 1.5 }, /clockHz: /],
    ['a cache without RAM', { regions: { flash } }, /regions\.sram: /],
    ['RAM without a cache', { regions: { sram } }, /regions\.flash: /],
    [
      'a cache of nothing',
      { regions: { flash: { ...flash, cacheBytes: 0 }, sram } },
      /cacheBytes: /,
    ],
    ['lines of nothing', { regions: { flash: { ...flash, lineBytes: 0 }, sram } }, /lineBytes: /],
    [
      'misses for nothing',
      { regions: { flash: { ...flash, missCycles: 0 }, sram } },
      /missCycles: /,
    ],
    ['less than nothing reserved', { regions: { flash, sram: { reservedBytes: -1 } } }, /reserved/],
    ['more of a cache', { regions: { flash: { ...flash, ways: 2 }, sram } }, /ways/],
    ['more of RAM', { regions: { flash, sram: { ...sram, banks: 2 } } }, /banks/],
    ['other memory', { regions: { flash, sram, tcm: 1 } }, /tcm/],
    ['instructions of 2048 ns', { icountShift: 11 }, /icountShift: /],
    ['half a shift', { icountShift: 0.5 }, /icountShift: /],
    ['a baud rate of 0', { baudRate: 0 }, /baudRate: /],
    ['USB of one id', { usb: { vendorId: '0x2e8a' } }, /usb\.productId: /],
    ['three digits', { usb: { vendorId: '0x2e8', productId: '0x000a' } }, /usb\.vendorId: /],
    ['five digits', { usb: { vendorId: '0x2e8aa', productId: '0x000a' } }, /usb\.vendorId: /],
    ['no 0x', { usb: { vendorId: '2e8a', productId: '0x000a' } }, /usb\.vendorId: /],
    ['capital digits', { usb: { vendorId: '0x2E8A', productId: '0x000a' } }, /usb\.vendorId: /],
    ['an address of 16 bits', { ...uf2, flashAddress: '0x1000' }, /flashAddress: /],
    ['UF2 without an id', { ...uf2, uf2FamilyId: undefined }, /flashAddress and uf2FamilyId/],
    ['UF2 without an address', { ...uf2, flashAddress: undefined }, /flashAddress and uf2FamilyId/],
    ['settings of 33 bits', { settings: { A: 0x100000000 } }, /settings\.A: /],
    ['settings below 0', { settings: { A: -1 } }, /settings\.A: /],
    ['half a setting', { settings: { A: 0.5 } }, /settings\.A: /],
    ['a setting in small letters', { settings: { a: 1 } }, /settings/],
    ['a setting that begins with a digit', { settings: { '1A': 1 } }, /settings/],
    ['a setting with more after it', { settings: { 'A-B': 1 } }, /settings/],
    ['a name in capitals', { name: 'Board' }, /name: /],
    ['a name that begins with a digit', { name: '2board' }, /name: /],
    ['a name that ends with a hyphen', { name: 'board-' }, /name: /],
    ['a name with two hyphens', { name: 'a--b' }, /name: /],
    ['a name after something', { name: ' board' }, /name: /],
    ['a stub that there is not', { flashProtocols: [{ ...esp, stub: 'esp32c33' }] }, /\.stub: /],
    ['a family above its folder', { family: '../port/mps' }, /family: /],
    ...['chip', 'flashAddress', 'flashBytes'].map((key): [string, Json, RegExp] => [
      `a board of ESP-IDF without ${key}`,
      { ...idf, [key]: key === 'flashBytes' ? null : undefined },
      /chip, flashAddress and flashBytes are needed/,
    ]),
  ];
  for (const [edge, json, says] of bad) {
    it(`refuses ${edge}`, () => {
      expect(() => parse({ ...least, ...json }))
        .to.throw(BonsaiError, says)
        .with.property('where', 'board/target.json');
    });
  }

  it('a board extends a chip: its own keys replace those, settings join one by one', () => {
    const { flashBytes, settings, ...f411 } = loadTarget('stm32f411');
    const board = { name: 'pill', description: 'A board', extends: 'stm32f411' };
    const pill = parse({ ...board, flashBytes: 262_144, settings: { UART_TX_PIN: 2, PLL_Q: 4 } });
    expect(pill.flashBytes).to.equal(flashBytes === 262_144 ? 0 : 262_144);
    const { UART_RX_PIN, ...clock } = settings ?? {};
    expect(pill.settings).to.deep.equal({ ...clock, UART_TX_PIN: 2, PLL_Q: 4 });
    expect(pill.flashProtocols).to.deep.equal(f411.flashProtocols);
    expect(linkerScriptOf(pill)?.text).to.match(/flash .*LENGTH = 256K/);
  });

  it('a board of a known chip takes 15 lines at most', () => {
    const lines = listTargets().map((name) => {
      const text = readFileSync(`targets/${name}/target.json`, 'utf8');
      const { extends: chip, flashProtocols } = JSON.parse(text);
      return chip === undefined || flashProtocols !== undefined
        ? 0
        : text.trimEnd().split('\n').length;
    });
    expect(lines.filter((count) => count > 0)).to.have.length.above(10);
    expect(Math.max(...lines)).to.be.at.most(15);
  });

  it('says which chip there is not, and what is wrong in the board alone', () => {
    const board = { name: 'pill', description: 'A board' };
    expect(() => parse({ ...board, extends: 'stm32f999' }))
      .to.throw(BonsaiError, 'does not exist')
      .with.property('where', 'targets/chips/stm32f999.json');
    expect(() => parse({ ...board, extends: '../rp2040/target' })).to.throw(
      BonsaiError,
      /extends: /,
    );
    expect(() => parse({ ...board, extends: 'stm32f411', clokHz: 1 })).to.throw(
      BonsaiError,
      /clokHz/,
    );
  });

  it('says all that is wrong at once, and where to look', () => {
    expect(() => parse({ ...least, clockHz: 0, baudRate: 0 }))
      .to.throw(BonsaiError, /clockHz: .*; baudRate: /)
      .with.property('hint')
      .that.matches(/targets\/rp2040, targets\/chips and targets\/cores\/cortex-m0plus/);
    expect(() => parse({ ...least, core: 'avr' }))
      .to.throw(BonsaiError)
      .with.property('hint', 'targets/rp2040 shows what a board needs');
    expect(() => parse({ ...uf2, ...least, family: 'rp2040', flashAddress: undefined }))
      .to.throw(BonsaiError)
      .with.property('hint', 'targets/rp2040/target.json has both');
  });

  it('says where a file is no JSON, and which keys are unknown', () => {
    expect(refusalOf(() => parseTarget('{', 'x'))).to.deep.include({ code: 'usage', where: 'x' });
    expect(() => parse({ ...least, clokHz: 1 })).to.throw(/^Unrecognized key: "clokHz"$/);
    expect(refusalOf(() => loadTarget('pico'))).to.deep.include({
      ...{ code: 'usage', where: 'target pico', message: 'is not known' },
      hint: `one of: ${listTargets().join(', ')}`,
    });
  });

  it('the core and the family are part of it', () => {
    const { coreName, features, compiler, images, costs } = parse(least);
    expect(coreName).to.equal('Cortex-M4F');
    expect([...features]).to.include('dsp');
    expect({ compiler, costs }).to.deep.equal({ compiler: 'arm-none-eabi-gcc', costs: {} });
    expect(images).to.include('elf');
  });
});

describe('targets', () => {
  it('are listed by name, without the folder of cores', () => {
    const names = listTargets();
    expect(names).to.deep.equal([...names].sort());
    expect(names)
      .to.include.members(['host', 'rp2040', 'mps3-an547'])
      .and.not.include('cores')
      .and.not.include('chips');
  });

  it('have costs that were measured; this machine has none', () => {
    const { costs, code } = loadTarget('rp2040');
    expect(Object.keys(costs)).to.include.members(['speed', 'balanced']);
    expect(code?.balanced.runtimeBytes).to.be.above(1000);
    expect(loadTarget('host')).to.deep.include({ costs: {} }).and.not.have.property('code');
  });

  it('this machine in place of one computes with its kernels, in its own way', () => {
    const [host, rp2040] = [loadTarget('host'), loadTarget('rp2040')];
    const { name, features, costs, costUnit, code, regions, ...rest } = twinOf(rp2040);
    const { compiler, flags, ramBytes, coreName } = host;
    expect(rest).to.deep.include({ compiler, flags, ramBytes, coreName });
    expect({ name, features, costs, costUnit, code, regions }).to.deep.equal({
      ...{ name: 'rp2040', features: rp2040.features, costs: rp2040.costs },
      ...{ costUnit: 'cycles', code: rp2040.code, regions: rp2040.regions },
    });
    expect(twinOf(loadTarget('stm32f405'))).to.not.have.property('regions');
    expect(twinOf(host)).to.not.have.property('code');
  });

  it('refuse two cores where there is one', () => {
    requireCores(loadTarget('rp2040'), 2);
    requireCores(loadTarget('stm32f405'), 1);
    expect(refusalOf(() => requireCores(loadTarget('stm32f405'), 2))).to.deep.equal({
      ...{ code: 'usage', where: '--cores 2', message: 'stm32f405 has one core' },
      hint: 'leave it out',
    });
  });

  it('have the sources that are built, with those of the second core if it runs', () => {
    const rp2040 = loadTarget('rp2040');
    const [one, two] = [firmwareSources(rp2040), firmwareSources(rp2040, 2)];
    const added = [...two.keys()].filter((path) => !one.has(path));
    expect(added).to.have.members(['port/rp2040/core1.c', 'include/cores.h']);
    expect(one.get('rp2040.ld')).to.match(/MEMORY/);
    expect([...one.keys()]).to.include.members([...rp2040.sources, ...rp2040.headers]);
    const f405 = loadTarget('stm32f405');
    const all = firmwareSources(f405, 2);
    expect([...all.keys()]).to.have.members([...f405.sources, ...f405.headers, 'stm32f405.ld']);
    expect([...firmwareSources(loadTarget('host')).keys()]).to.not.include(null);
  });

  it('compile with the headers of their C library, where that is not the compiler’s', () => {
    const rp2040 = loadTarget('rp2040');
    const own = '-Ifirmware/port/common/libc';
    expect(compilerFlags(rp2040)).to.deep.equal([...rp2040.flags, own]);
    const host = loadTarget('host');
    expect(compilerFlags({ ...host, flags: ['-g'] })).to.deep.equal(['-g']);
  });

  it('tell the firmware what QEMU needs, and nothing of links that they have not', () => {
    expect(Object.fromEntries(firmwareMacros(parse({ ...least, icountShift: 7 })))).to.deep.equal({
      ...{ TARGET_NAME: 'board', CLOCK_HZ: '1u', ICOUNT_SHIFT: '7' },
    });
  });
});

describe('costs that were measured', () => {
  const costs = { speed: { k: { macs: 1 } }, balanced: {} };
  const read = (json: unknown) => parseCosts(measuredCosts, JSON.stringify(json), 'x/costs.json');

  it('may leave out those for size', () => {
    for (const all of [costs, { ...costs, size: { k: { macs: 0 } } }]) {
      const measured = { costUnit: 'instructions', costs: all };
      expect(read(measured)).to.deep.equal(measured);
    }
  });

  const rows: [edge: string, json: unknown][] = [
    ['no unit', { costs }],
    ['an unknown unit', { costUnit: 'ns', costs }],
    ['no goal', { costUnit: 'cycles', costs: { speed: {} } }],
    ['an unknown goal', { costUnit: 'cycles', costs: { ...costs, fast: {} } }],
    ['an unknown key', { costUnit: 'cycles', costs, board: 'x' }],
    ['a cost below 0', { costUnit: 'cycles', costs: { ...costs, speed: { k: { macs: -1 } } } }],
    ['a cost of text', { costUnit: 'cycles', costs: { ...costs, speed: { k: { macs: '1' } } } }],
  ];
  for (const [edge, json] of rows) {
    it(`refuse ${edge}`, () => {
      expect(() => read(json))
        .to.throw(BonsaiError, 'is not a table of costs')
        .with.property('where', 'x/costs.json');
      expect(refusalOf(() => read(json))).to.deep.include({
        ...{ code: 'usage', hint: 'measure it again: bonsaic tune' },
      });
    });
  }

  it('refuse text that is not JSON', () => {
    expect(() => parseCosts(measuredCosts, '{', 'x')).to.throw(BonsaiError, /table of costs/);
  });
});
