/** What a target has beside the compiler's C: firmware, and what asks for it. */
import { readFileSync } from 'node:fs';
import { BonsaiError } from '../../errors.js';
import { packageFile } from '../../package.js';
import { listTargets, loadTarget, type Target } from './index.js';
import { linkerScriptOf } from './linker-script.js';

/**
 * The firmware of a target: path below the project's firmware/ → text. The linker script is
 * included under its own name.
 */
export function firmwareSources(target: Target, cores = 1): Map<string, string> {
  const read = (path: string) => readFileSync(packageFile(path), 'utf8');
  const { sources: core = [], headers = [] } = (cores > 1 ? target.secondCore : undefined) ?? {};
  const files = [...target.sources, ...core, ...target.headers, ...headers];
  const texts = new Map(files.map((path) => [path, read(`firmware/${path}`)]));
  const script = linkerScriptOf(target);
  if (script !== null) texts.set(script.name, script.text);
  return texts;
}

/** Whether the target is a core alone: sources without firmware, for a build of the user's own. */
export function isLibrary({ images }: Pick<Target, 'images'>): boolean {
  return images.length === 0;
}

/** @throws BonsaiError 'usage' when the target is sources alone */
export function requireFirmware(target: Target, where: string): void {
  if (!isLibrary(target)) return;
  const boards = listTargets().filter((name) => {
    const other = loadTarget(name);
    return other.core === target.core && !isLibrary(other);
  });
  throw new BonsaiError(
    'usage',
    where,
    `${target.name} is sources for your own build: it has no start-up code and no linker script`,
    `add them to your program as README.md in the output of compile says; firmware for this core: --target ${boards.join(' or ')}`,
  );
}

/** @throws BonsaiError 'usage' when the target has fewer cores */
export function requireCores(target: Target, cores: number): void {
  if (cores === 1 || target.secondCore !== undefined) return;
  throw new BonsaiError('usage', `--cores ${cores}`, `${target.name} has one core`, 'leave it out');
}

/**
 * The flags to compile and link every file of a project, relative to the folder that contains
 * firmware/. The firmware brings headers of the C library, since not every compiler has them.
 */
export function compilerFlags({ flags, libc }: Target): string[] {
  return libc === null ? [...flags] : [...flags, `-Ifirmware/${libc}`];
}

/** The C macros that firmware/include/port.h and the port read. */
export function firmwareMacros(target: Target): Map<string, string> {
  const macros = new Map([
    ['TARGET_NAME', target.name],
    ['CLOCK_HZ', `${target.clockHz}u`],
  ]);
  // 0 for a board that QEMU does not simulate: it counts cycles.
  macros.set('ICOUNT_SHIFT', `${target.icountShift ?? 0}`);
  for (const [name, value] of Object.entries(target.settings ?? {})) macros.set(name, `${value}u`);
  if (target.baudRate !== undefined) macros.set('BAUD_RATE', `${target.baudRate}u`);
  if (target.usb !== undefined) {
    macros.set('USB_VENDOR_ID', `${target.usb.vendorId}u`);
    macros.set('USB_PRODUCT_ID', `${target.usb.productId}u`);
  }
  return macros;
}
