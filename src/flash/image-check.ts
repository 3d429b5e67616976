/** Checks images for simulators, which load their image when they run. */
import { isElf, readElf } from '../build/elf.js';
import { checkDirectBoot } from '../device/esp32c3sim.js';
import { readUf2 } from '../device/uf2.js';
import { BonsaiError } from '../errors.js';
import type { FlashTarget, ImageFile } from './protocol.js';
import { requireRoom } from './shared/image.js';
import { coveredSectors, stm32Settings } from './stm32/image.js';

/** What precedes the target's name in every image of bonsaic (firmware/include/model.h). */
const mark = Buffer.from('bonsaic:');
const markedName = /^[a-z0-9-]+(?=\0)/;

/** @throws BonsaiError 'flash' for an image that bonsaic has built for another target */
export function checkTarget({ path, bytes }: ImageFile, { name }: Pick<FlashTarget, 'name'>): void {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = file.indexOf(mark); at >= 0; at = file.indexOf(mark, at + 1)) {
    const text = file.toString('latin1', at + mark.length, at + mark.length + 64);
    const found = markedName.exec(text)?.[0];
    if (found === undefined || found === name) continue;
    const message = `is an image for ${found}, not for ${name}: nothing was erased`;
    throw new BonsaiError('flash', path, message, `give one that was compiled for ${name}`);
  }
}

type Check = (image: ImageFile, target: FlashTarget) => number;

const hint = 'build it again: bonsaic build DIR';

/** By the name in target.json; the other simulators load executables. */
const checks: ReadonlyMap<string, Check> = new Map(
  Object.entries({
    rp2040js: ({ path, bytes }, { uf2FamilyId }) => readUf2(bytes, Number(uf2FamilyId), path).bytes,
    esp32c3sim: ({ path, bytes }) => {
      checkDirectBoot(bytes, path);
      return bytes.length;
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
  try {
    const { machine, sections } = readElf(bytes);
    const wanted = machines.get(target.simulator ?? '') ?? machine;
    if (machine !== wanted) {
      throw new RangeError(`its processor (e_machine) is ${machine}, not ${wanted}`);
    }
    const stored = sections.filter((section) => section.allocated && section.stored);
    return stored.reduce((sum, section) => sum + section.bytes, 0);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const message = `is not an image for ${target.name}: ${error.message}`;
    throw new BonsaiError('flash', path, message, hint);
  }
}
