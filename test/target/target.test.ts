import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { BonsaiError } from '../../src/errors.js';
import {
  firmwareMacros,
  firmwareSources,
  listTargets,
  loadTarget,
  parseTarget,
} from '../../src/target/index.js';

const text = readFileSync('targets/rp2040/target.json', 'utf8');

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
      BAUD_RATE: '115200u',
      USB_VENDOR_ID: '0x2e8au',
      USB_PRODUCT_ID: '0x000au',
    });
  });

  for (const name of listTargets().filter((name) => loadTarget(name).linkerScript !== null)) {
    it(`${name}: the linker script has the memory that target.json promises`, () => {
      const { flashBytes, ramBytes, linkerScript } = loadTarget(name);
      const script = readFileSync(`targets/${name}/${linkerScript}`, 'utf8');
      const length = (region: string) => {
        const [, number, unit] = new RegExp(`${region} .*LENGTH = (\\d+)([KM])`).exec(script) ?? [];
        return Number(number) * (unit === 'M' ? 1024 * 1024 : 1024);
      };
      expect([length('flash'), length('ram')]).to.deep.equal([flashBytes, ramBytes]);
    });
  }

  const rows: [edge: string, change: (json: Record<string, unknown>) => unknown, says: RegExp][] = [
    ['an unknown key', (json) => ({ ...json, clokHz: 1 }), /clokHz/],
    ['an unknown key further in', (json) => ({ ...json, usb: { vendor: 1 } }), /usb.*vendor/],
    ['a missing key', ({ clockHz, ...rest }) => rest, /clockHz/],
    ['a clock of 0', (json) => ({ ...json, clockHz: 0 }), /clockHz/],
    ['half a byte of flash', (json) => ({ ...json, flashBytes: 0.5 }), /flashBytes/],
    ['an unknown feature', (json) => ({ ...json, features: ['avx'] }), /features\.0/],
    ['a name that is no folder', (json) => ({ ...json, name: '../rp2040' }), /name/],
    ['an instruction of no length', (json) => ({ ...json, icountShift: -1 }), /icountShift/],
    ['a macro that C cannot say', (json) => ({ ...json, macros: { 'A B': '1' } }), /macros/],
    ['no sources', (json) => ({ ...json, sources: [] }), /sources/],
    ['UF2 without an address', ({ flashAddress, ...rest }) => rest, /flashAddress/],
    ['not an object', () => [], /object/],
  ];
  for (const [edge, change, says] of rows) {
    it(`refuses ${edge}`, () => {
      const changed = JSON.stringify(change(JSON.parse(text)));
      expect(() => parseTarget(changed, 'x/target.json'))
        .to.throw(BonsaiError, says)
        .with.property('where', 'x/target.json');
    });
  }

  it('refuses text that is not JSON', () => {
    expect(() => parseTarget('{', 'x')).to.throw(BonsaiError, /is not JSON/);
  });

  it('names the targets that there are', () => {
    for (const name of ['pico', '', '..', '../targets/host']) {
      expect(() => loadTarget(name))
        .to.throw(BonsaiError, 'is not known')
        .with.property('hint', `one of: ${listTargets().join(', ')}`);
    }
  });
});
