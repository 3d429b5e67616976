import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import {
  firmwareMacros,
  firmwareSources,
  isLibrary,
  requireFirmware,
} from '../../src/boards/target/firmware.js';
import {
  coreFolder,
  linkerScriptOf,
  listTargets,
  loadTarget,
  parseTarget,
  type Target,
} from '../../src/boards/target/index.js';
import { BonsaiError } from '../../src/errors.js';

const dataOf = (path: string) => JSON.parse(readFileSync(`targets/${path}.json`, 'utf8'));
const { extends: chip, ...own } = dataOf('rp2040/target');
/** Every key of a board, none of them its chip's. */
const text = JSON.stringify({ ...dataOf(`chips/${chip}`), ...own });

describe('target', () => {
  for (const name of listTargets()) {
    it(`${name}: its files are there, all that they include among them`, () => {
      const target = loadTarget(name);
      expect(target.name).to.equal(name);
      expect(existsSync(`firmware/port/${target.family}`)).to.equal(true);
      const sources = firmwareSources(target);
      const files = new Set([...sources.keys()].map((path) => path.split('/').at(-1)));
      for (const [path, code] of sources) {
        for (const [, header] of code.matchAll(/#include "(.+)"/g)) {
          expect(files.has(header), `${header} of ${path}`).to.equal(true);
        }
      }
    });

    it(`${name}: README says how to connect it`, () => {
      expect(readFileSync(`targets/${name}/README.md`, 'utf8')).to.match(/^# /);
    });
  }

  it('says to the firmware what it must know', () => {
    expect(Object.fromEntries(firmwareMacros(loadTarget('rp2040')))).to.deep.equal({
      TARGET_NAME: 'rp2040',
      CLOCK_HZ: '125000000u',
      ICOUNT_SHIFT: '0',
      XOSC_HZ: '12000000u',
      PLL_SYS_MULTIPLE: '125u',
      PLL_SYS_DIVIDER1: '6u',
      PLL_SYS_DIVIDER2: '2u',
      PLL_USB_MULTIPLE: '100u',
      PLL_USB_DIVIDER1: '5u',
      PLL_USB_DIVIDER2: '5u',
      UART_TX_PIN: '0u',
      UART_RX_PIN: '1u',
      BAUD_RATE: '115200u',
      USB_VENDOR_ID: '0x2e8au',
      USB_PRODUCT_ID: '0x000au',
    });
  });

  for (const name of listTargets().filter((name) => linkerScriptOf(loadTarget(name)) !== null)) {
    it(`${name}: the linker script has the memory that target.json promises`, () => {
      const target = loadTarget(name);
      const { flashBytes, ramBytes } = target;
      const script = linkerScriptOf(target)?.text ?? '';
      const length = (region: string) => {
        const [, number, unit] = new RegExp(`${region} .*LENGTH = (\\d+)([KM])`).exec(script) ?? [];
        return Number(number) * (unit === 'M' ? 1024 * 1024 : 1024);
      };
      expect([length('flash'), length('ram')]).to.deep.equal([flashBytes, ramBytes]);
    });
  }

  type Json = Record<string, unknown>;
  const rows: [edge: string, change: (json: Json) => unknown, says: RegExp, where?: RegExp][] = [
    ['an unknown key', (json) => ({ ...json, clokHz: 1 }), /clokHz/],
    ['an unknown key further in', (json) => ({ ...json, usb: { vendor: 1 } }), /usb.*vendor/],
    ['a missing key', ({ clockHz, ...rest }) => rest, /clockHz/],
    ['a clock of 0', (json) => ({ ...json, clockHz: 0 }), /clockHz/],
    ['half a byte of flash', (json) => ({ ...json, flashBytes: 0.5 }), /flashBytes/],
    ['a key of its core', (json) => ({ ...json, features: ['dsp'] }), /features/],
    [
      'a core that does not exist',
      (json) => ({ ...json, core: 'avr' }),
      /does not exist/,
      /cores\/avr/,
    ],
    [
      'a family that does not exist',
      (json) => ({ ...json, family: 'avr' }),
      /does not exist/,
      /port\/avr/,
    ],
    ['a core that is no folder', (json) => ({ ...json, core: '../rp2040' }), /core/],
    ['a name that is no folder', (json) => ({ ...json, name: '../rp2040' }), /name/],
    ['an instruction of no length', (json) => ({ ...json, icountShift: -1 }), /icountShift/],
    ['a setting that C cannot say', (json) => ({ ...json, settings: { 'A B': 1 } }), /settings/],
    ['a setting of text', (json) => ({ ...json, settings: { PIN: '1u' } }), /settings/],
    ['UF2 without an address', ({ flashAddress, ...rest }) => rest, /flashAddress/],
    ['not an object', () => [], /object/],
  ];
  for (const [edge, change, says, where = /^x\/target\.json$/] of rows) {
    it(`refuses ${edge}`, () => {
      const changed = JSON.stringify(change(JSON.parse(text)));
      const refuse = () => parseTarget(changed, 'x/target.json');
      expect(refuse).to.throw(BonsaiError).with.property('code', 'usage');
      expect(refuse).to.throw().with.property('where').that.matches(where);
      expect(refuse).to.throw(says);
    });
  }

  it('refuses text that is not JSON', () => {
    expect(() => parseTarget('{', 'x')).to.throw(BonsaiError, /is not JSON/);
  });

  it('costs are those of the core, where the board has none of its own', () => {
    const [f405, f411] = [loadTarget('stm32f405'), loadTarget('stm32f411')];
    expect(f411.costs).to.deep.equal(f405.costs);
    expect(f411.code).to.deep.equal(f405.code);
    expect(coreFolder(f411)).to.equal('targets/cores/cortex-m4f');
  });

  it('names the targets that there are', () => {
    expect(listTargets()).to.include('stm32f411').and.not.to.include('cores');
    for (const name of ['pico', '', '..', '../targets/host']) {
      expect(() => loadTarget(name))
        .to.throw(BonsaiError, 'is not known')
        .with.property('hint', `one of: ${listTargets().join(', ')}`);
    }
  });

  it('that is sources alone has no firmware: the error names the boards with this core', () => {
    const [board, library] = ['rp2040', 'cortex-m0plus'].map(loadTarget) as [Target, Target];
    expect([board, library].map(isLibrary)).to.deep.equal([false, true]);
    expect(() => requireFirmware(board, 'build')).to.not.throw();
    expect(() => requireFirmware(library, 'build'))
      .to.throw(BonsaiError, 'cortex-m0plus is sources for your own build: it has no start-up code')
      .that.includes({ code: 'usage', where: 'build' })
      .with.property('hint')
      .that.matches(/README\.md.* --target (?!.*(cortex|rp2350)).*rp2040 or /);
  });
});
