/** The firmware with test/firmware/fake_model.c instead of a model. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readElf } from '../../src/boards/build/elf.js';
import { makeUf2 } from '../../src/boards/build/uf2.js';
import { commands, encodeFrame, type Frame } from '../../src/boards/profile/protocol.js';
import { compilerFlags, firmwareMacros } from '../../src/boards/target/firmware.js';
import { linkerScriptOf, type Target } from '../../src/boards/target/index.js';
import { warnings } from './native.js';

/** The constants of fake_model.c. */
export const fake = {
  tag: 0x0badcafe,
  steps: 130,
  spans: 260,
  bytes: [1500, 16],
  arenaBytes: 3292,
  sha256: `dead${'00'.repeat(29)}7f`,
} as const;

/** Compiles firmware and fake model like a project's Makefile, with warnings as errors. */
export function buildFirmware(
  target: Target,
  directory: string,
  extraFlags: readonly string[] = [],
): string {
  const elf = join(directory, 'firmware.elf');
  const flags = [
    ...compilerFlags(target),
    '-std=c99',
    ...warnings,
    ...['-ffunction-sections', '-fdata-sections', '-Wl,--gc-sections'],
    ...target.runtimeFlags,
    ...target.includes.map((folder) => `-Ifirmware/${folder}`),
    ...[...firmwareMacros(target)].map(([name, value]) => `-D${name}=${value}`),
    ...extraFlags,
  ];
  const linker = linkerScriptOf(target);
  const script = linker === null ? [] : ['-T', `${elf}.ld`];
  if (linker !== null) writeFileSync(`${elf}.ld`, linker.text);
  const sources = [
    ...target.sources.map((path) => `firmware/${path}`),
    'test/firmware/fake_model.c',
  ];
  execFileSync(target.compiler, [...flags, ...script, ...sources, ...target.linkFlags, '-o', elf]);
  return elf;
}

export interface Image {
  readonly bin: Uint8Array;
  readonly uf2: Uint8Array;
  /** Symbol → address, without the Thumb bit. */
  readonly symbols: ReadonlyMap<string, number>;
  readonly symbolBytes: ReadonlyMap<string, number>;
}

export function rp2040Image(target: Target, directory: string): Image {
  const elf = buildFirmware(target, directory);
  const bin = join(directory, 'firmware.bin');
  execFileSync('arm-none-eabi-objcopy', ['-O', 'binary', elf, bin]);
  const listing = execFileSync('arm-none-eabi-nm', [elf], { encoding: 'utf8' });
  const symbols = listing.matchAll(/^([0-9a-f]{8}) \w (\S+)$/gm);
  const image = new Uint8Array(readFileSync(bin));
  return {
    bin: image,
    uf2: makeUf2(image, Number(target.flashAddress), Number(target.uf2FamilyId)),
    symbols: new Map(
      [...symbols].map(([, at, name]) => [name ?? '', Number.parseInt(at ?? '', 16)]),
    ),
    symbolBytes: readElf(readFileSync(elf)).symbolBytes,
  };
}

export const u16 = (value: number): number[] => [value & 255, (value >> 8) & 255];
export const u32 = (value: number): number[] => [...u16(value), ...u16(value >>> 16)];
export const u64 = (body: Uint8Array, at = 0): number =>
  Number(new DataView(body.buffer, body.byteOffset).getBigUint64(at, true));

/** An encoded request, by default for the fake model. */
export function request(
  type: keyof typeof commands | number,
  body: ArrayLike<number> = [],
  change: Partial<Omit<Frame, 'body'>> = {},
): Uint8Array {
  return encodeFrame({
    type: typeof type === 'number' ? type : commands[type],
    sequence: 7,
    tag: fake.tag,
    body: Uint8Array.from(body),
    ...change,
  });
}
