/** Checks images before anything is erased, and those for simulators, which load their image when they run. */

import { BonsaiError } from '../../errors.js';
import { isElf, loadedBytes } from '../build/elf.js';
import { judgeFile } from '../build/image-file.js';
import { recordedTargets } from '../build/image-record.js';
import { isUf2, readUf2 } from '../device/uf2.js';
import { checkImage as checkEspImage } from './esp/image.js';
import type { FlashTarget, ImageFile } from './protocol.js';
import { readExecutable, requireRoom } from './shared/image.js';
import { coveredSectors, stm32Settings } from './stm32/image.js';
import { contentOf } from './uf2/image.js';

/**
 * Checks that an image is one that bonsaic built for this target, as it built it.
 *
 * @param foreign whether other images pass too; none for another target does
 * @throws BonsaiError 'flash'
 */
export function checkRecord(image: ImageFile, target: FlashTarget, foreign: boolean): void {
  const { path, bytes } = image;
  // Not the file: the blocks of a UF2 file may split the record.
  const content = flashBytesOf(image, target.name, foreign);
  const other = recordedTargets(content).find((name) => name !== target.name);
  if (other !== undefined) {
    const message = `is an image for ${other}, not for ${target.name}: nothing was erased`;
    throw new BonsaiError('flash', path, message, `give one that was compiled for ${target.name}`);
  }
  if (foreign) return;
  const { state, what } = judgeFile({ path, file: bytes, content, isUf2: isUf2(bytes) }, target);
  if (state === 'whole') return;
  const rebuild = state === 'unrecorded' ? 'give one that bonsaic build DIR has made' : hint;
  const message = `${what}: nothing was erased`;
  throw new BonsaiError('flash', path, message, `${rebuild}; ${foreignHint}`);
}

/**
 * The bytes that the flash gets; none for a foreign ELF file that cannot be read, which what takes
 * ELF files refuses.
 *
 * @throws BonsaiError 'flash' for a UF2 file that is not whole, and an ELF file that cannot be read
 */
function flashBytesOf({ path, bytes }: ImageFile, name: string, foreign: boolean): Uint8Array {
  // The record names the target, which says more than the family of a block.
  if (isUf2(bytes)) return contentOf(readUf2(bytes, null, path));
  if (!isElf(bytes)) return bytes;
  try {
    return loadedBytes(bytes);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    if (foreign) return new Uint8Array();
    const message = `is not an image for ${name}: ${error.message}`;
    throw new BonsaiError('flash', path, message, `${hint}; ${foreignHint}`);
  }
}

const foreignHint = '--foreign flashes it as it is';
const hint = 'build it again: bonsaic build DIR';

type Check = (image: ImageFile, target: FlashTarget) => number;

/** By the name in target.json; the other simulators load executables. */
const checks: ReadonlyMap<string, Check> = new Map(
  Object.entries({
    rp2040js: ({ path, bytes }, { uf2FamilyId }) => readUf2(bytes, Number(uf2FamilyId), path).bytes,
    esp32c3sim: (image, target) => {
      const settings = target.flashProtocols.find((one) => one.protocol === 'esp-rom');
      if (settings !== undefined) checkEspImage({ image, target, settings });
      return image.bytes.length;
    },
  } satisfies Record<string, Check>),
);

/**
 * @returns the bytes of the image in flash
 * @throws BonsaiError 'flash' or 'device' when the image is not one that the target's simulator
 *   loads, or is larger than the flash
 */
export function checkForSimulator(image: ImageFile, target: FlashTarget): number {
  const bytes = (checks.get(target.simulator ?? '') ?? checkExecutable)(image, target);
  requireRoom(image.path, bytes, target.flashBytes, target.name);
  return bytes;
}

/** By Node's name. */
const hostMachines = new Map([
  ['x64', 62],
  ['arm64', 183],
  ['riscv64', 243],
]);

/** The processors of simulators (System V ABI, e_machine): Arm, Xtensa, and this machine's. */
const machines: ReadonlyMap<string, number | undefined> = new Map([
  ['qemu', 40],
  ['qemu-xtensa', 94],
  ['process', hostMachines.get(process.arch)],
]);

/** An ELF file, or what the board's boot loader takes. */
function checkExecutable(image: ImageFile, target: FlashTarget): number {
  const { path, bytes } = image;
  const settings = stm32Settings(target);
  if (!isElf(bytes) && settings !== undefined) {
    coveredSectors({ image, target, settings });
    return bytes.length;
  }
  const { machine, storedBytes } = readExecutable(image, target);
  const wanted = machines.get(target.simulator ?? '') ?? machine;
  if (machine === wanted) return storedBytes;
  const what = `its processor (e_machine) is ${machine}, not ${wanted}`;
  throw new BonsaiError('flash', path, `is not an image for ${target.name}: ${what}`, hint);
}
