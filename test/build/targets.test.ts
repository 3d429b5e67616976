/** Targets that nothing simulates: firmware links and begins as the chip expects; sources alone compile. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { judgeImage, recordedTargets } from '../../src/boards/build/image-record.js';
import { buildProject } from '../../src/boards/build/index.js';
import { firmwareFiles, writeProject } from '../../src/boards/build/project.js';
import { compilerFlags, isLibrary } from '../../src/boards/target/firmware.js';
import { linkerScriptOf, listTargets, loadTarget } from '../../src/boards/target/index.js';
import { BonsaiError } from '../../src/errors.js';
import { compile } from '../../src/pipeline.js';
import { defaults } from '../support/plan.js';

const path = 'examples/activity/activity.tflite';
const unsimulated = listTargets().filter((name) => loadTarget(name).simulator === null);
/** Projects of ESP-IDF have a test of their own. */
const boards = unsimulated.filter((name) => {
  const target = loadTarget(name);
  return !isLibrary(target) && target.builder === undefined;
});
const libraries = unsimulated.filter((name) => isLibrary(loadTarget(name)));

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
        const script = linkerScriptOf(target)?.text ?? '';
        const [flash, flashEnd] = regionOf(script, 'flash');
        expect(stack).to.equal(regionOf(script, 'ram')[1]);
        expect(reset % 2, 'Thumb').to.equal(1);
        expect(reset).to.be.within(flash, Math.min(flashEnd, flash + image.length));
        // Whatever is cut off behind it, the record is there: some 512 bytes of vectors come first.
        expect(recordedTargets(image.subarray(0, 640))).to.deep.equal([name]);
        expect(judgeImage(image, false).state).to.equal('whole');
        expect(judgeImage(image.subarray(0, 640), false).what).to.match(/cut off/);
        if (name === 'rp2350') expect(image.indexOf(imageDef)).to.be.within(0, 4096 - 20);
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    });
  }
});

describe('targets for builds of the user\u2019s own', function () {
  this.timeout(60_000);
  for (const name of libraries) {
    it(`${name}: a Makefile that includes the fragment`, async () => {
      const target = loadTarget(name);
      const { emission } = compile({ bytes: readFileSync(path), path, target, options: defaults });
      const directory = mkdtempSync(join(tmpdir(), 'bonsaic-targets-'));
      try {
        const project = join(directory, 'model');
        writeProject(project, new Map([...emission.files, ...firmwareFiles(target)]));
        // The compiler may have no C library; the user's program has one.
        const libc = resolve('firmware/port/common/libc');
        const flags = `${compilerFlags(target).join(' ')} -I${libc} -Wall -Wextra -Werror`;
        const rule = '$(CC) $(FLAGS) $(ACTIVITY_FLAGS) -c $(ACTIVITY_SOURCES)';
        writeFileSync(join(directory, 'Makefile'), `include model/activity.mk\nall:\n\t${rule}\n`);
        const variables = [`CC=${target.compiler}`, `FLAGS=${flags}`];
        const { status, stderr } = spawnSync('make', variables, { cwd: directory });
        expect(status, String(stderr)).to.equal(0);
        const options = { target, manifest: emission.manifest };
        const refused = await buildProject(project, options).catch((error: unknown) => error);
        expect(refused).to.be.instanceOf(BonsaiError);
        expect(refused).to.include({ code: 'usage' });
        expect((refused as BonsaiError).hint).to.match(/firmware for this core: --target [a-z]/);
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    });
  }
});
