/**
 * Images that bonsaic built, with any one byte changed, cut off anywhere or with anything behind
 * them: all are refused, in every format, without the checksums that the build folder has besides.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect } from 'chai';
import { isElf } from '../../src/boards/build/elf.js';
import { buildProject } from '../../src/boards/build/index.js';
import { firmwareFiles, writeProject } from '../../src/boards/build/project.js';
import { checkRecord } from '../../src/boards/flash/image-check.js';
import { emit } from '../../src/boards/project/emit.js';
import { loadTarget, type Target } from '../../src/boards/target/index.js';
import { BonsaiError } from '../../src/errors.js';
import { chainModule } from '../support/fake-board.js';
import { Random } from '../support/module.js';
import { simplePlan } from '../support/plan.js';
import { needs } from '../support/skip.js';

const seed = 27;
/** Every byte of a raw image and of a UF2 file is tried; of ELF files, which are larger, so many. */
const elfPositions = 3_000;

/** Builds a small model; returns the paths of its images. */
async function built(target: Target, directory: string): Promise<readonly string[]> {
  const module = chainModule(16);
  const plan = simplePlan(module);
  const emission = emit(module, { ...plan, plan: { ...plan.plan, target: target.name } }, target);
  const { manifest } = emission;
  writeProject(directory, new Map([...emission.files, ...firmwareFiles(target)]));
  return (await buildProject(directory, { target, manifest })).images;
}

/** What `flash` says of the image before anything else; null: it is taken. */
function refusal(target: Target, path: string, bytes: Uint8Array): string | null {
  try {
    checkRecord({ path, bytes }, target, false);
    return null;
  } catch (error) {
    if (!(error instanceof BonsaiError) || error.exitStatus !== 5) throw error;
    return error.message;
  }
}

/** The positions of a file to change. */
function positionsOf(bytes: Uint8Array, random: Random): readonly number[] {
  if (!isElf(bytes)) return [...bytes.keys()];
  return Array.from({ length: elfPositions }, () => random.integer(0, bytes.length - 1));
}

const families = ['rp2040', 'esp32c3', 'stm32f405', 'mps3-an547', 'lx60', 'host'];

describe('flash: damaged images', function () {
  this.timeout(120_000);
  const directory = mkdtempSync(join(tmpdir(), 'bonsaic-damage-'));
  after(() => rmSync(directory, { recursive: true }));

  for (const name of families) {
    it(`${name}: any byte, any end (seed ${seed})`, async function () {
      const target = loadTarget(name);
      needs(this, target.compiler);
      for (const path of await built(target, join(directory, name))) {
        const bytes = Uint8Array.from(readFileSync(path));
        const away = join(directory, basename(path));
        const what = `${name}, ${basename(path)}`;
        expect(refusal(target, path, bytes), what).to.equal(null);
        expect(refusal(target, away, bytes), `${what}, elsewhere`).to.equal(null);
        const random = new Random(seed);
        for (const at of positionsOf(bytes, random)) {
          const right = bytes[at] ?? 0;
          bytes[at] = right ^ random.integer(1, 255);
          if (refusal(target, away, bytes) === null) expect.fail(`${what}: byte ${at} changed`);
          bytes[at] = right;
        }
        for (let left = 0; left < bytes.length; left += 64) {
          const cut = bytes.subarray(0, left);
          if (refusal(target, away, cut) === null) expect.fail(`${what}: cut off at ${left}`);
        }
        for (let more = 1; more <= 1000; more++) {
          const longer = Buffer.concat([bytes, Buffer.alloc(more, more % 3 === 0 ? 0xff : 0)]);
          if (refusal(target, away, longer) === null) expect.fail(`${what}: ${more} bytes more`);
        }
      }
    });
  }
});
