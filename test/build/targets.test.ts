/** Boards that nothing simulates: their firmware compiles and links, and begins as the chip expects. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { buildProject } from '../../src/build/index.js';
import { firmwareFiles, writeProject } from '../../src/build/project.js';
import { compile } from '../../src/pipeline.js';
import { listTargets, loadTarget } from '../../src/target/index.js';
import { defaults } from '../support/plan.js';

const path = 'examples/activity/activity.tflite';
const boards = listTargets().filter((name) => loadTarget(name).simulator === null);

/** By this the boot ROM of an RP2350 knows a secure Arm image (RP2350 datasheet, 5.9.5). */
const imageDef = Buffer.from('d3deffff42012110ff01000000000000793512ab', 'hex');

/** First address and end of a region in a linker script. */
function regionOf(script: string, region: string): readonly [start: number, end: number] {
  const pattern = new RegExp(`${region} .*ORIGIN = (0x[0-9a-f]+), LENGTH = (\\d+)([KM])`);
  const [, start, number, unit] = pattern.exec(script) ?? [];
  return [Number(start), Number(start) + Number(number) * (unit === 'M' ? 2 ** 20 : 2 ** 10)];
}

describe('boards without a simulator', function () {
  this.timeout(60_000);
  for (const name of boards) {
    it(`${name}: an image that starts with its stack and its reset handler`, async () => {
      const target = loadTarget(name);
      const { emission } = compile({ bytes: readFileSync(path), path, target, options: defaults });
      const directory = mkdtempSync(join(tmpdir(), 'bonsaic-targets-'));
      try {
        writeProject(directory, new Map([...emission.files, ...firmwareFiles(target)]));
        const { bin } = await buildProject(directory, { target, manifest: emission.manifest });
        const image = readFileSync(bin ?? '');
        const [stack, reset] = [image.readUint32LE(0), image.readUint32LE(4)];
        const script = readFileSync(`targets/${name}/${target.linkerScript}`, 'utf8');
        const [flash, flashEnd] = regionOf(script, 'flash');
        expect(stack).to.equal(regionOf(script, 'ram')[1]);
        expect(reset % 2, 'Thumb').to.equal(1);
        expect(reset).to.be.within(flash, Math.min(flashEnd, flash + image.length));
        if (name === 'rp2350') expect(image.indexOf(imageDef)).to.be.within(0, 4096 - 20);
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    });
  }
});
