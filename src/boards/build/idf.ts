/**
 * Runs ESP-IDF's own idf.py, which builds and flashes its projects (ESP-IDF Programming Guide v5.5,
 * 'IDF Frontend - idf.py').
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BonsaiError } from '../../errors.js';
import type { Target } from '../target/index.js';
import type { Section } from './elf.js';
import { type Output, runTool, type Toolchain } from './toolchain.js';

/** The program that builds and flashes. */
const program = 'idf.py';
/** idf.py's file of the user's choices. */
const choicesFile = 'sdkconfig';

/** How to install ESP-IDF for a chip (ESP-IDF Programming Guide v5.5, 'Get Started'). */
export function idfInstallHint(chip: string): string {
  const path = process.env.IDF_PATH;
  if (path !== undefined && existsSync(join(path, 'export.sh'))) {
    return `ESP-IDF is in ${path}: . ${path}/export.sh`;
  }
  return [
    'git clone -b v5.5 --recursive https://github.com/espressif/esp-idf.git ~/esp/esp-idf',
    `~/esp/esp-idf/install.sh ${chip}`,
    '. ~/esp/esp-idf/export.sh',
  ].join('\n');
}

/**
 * The installed ESP-IDF.
 *
 * @throws BonsaiError 'toolchain' when it is missing or does not run; 'usage' for a compiler of the
 *   user's
 */
export async function findIdf(
  { name, chip = '' }: Pick<Target, 'name' | 'chip'>,
  cc: string | undefined,
): Promise<Toolchain> {
  if (cc !== undefined) {
    const hint = 'leave --cc out: ESP-IDF brings the compiler';
    throw new BonsaiError('usage', '--cc', `ESP-IDF builds ${name}`, hint);
  }
  const output = await runTool(program, ['--version']);
  if (output === null) {
    const message = `is not installed: ESP-IDF builds ${name}`;
    throw new BonsaiError('toolchain', program, message, idfInstallHint(chip));
  }
  const version = /v\d+\.\d+\S*/.exec(output.stdout);
  if (output.status !== 0 || version === null) {
    const lines = textOf(output).trim().split('\n');
    const message = `does not print its version: ${lines.at(-1)}`;
    throw new BonsaiError('toolchain', program, message, idfInstallHint(chip));
  }
  return { command: [program], name: `ESP-IDF ${version[0]}`, version: version[0] };
}

/** Everything that a tool printed. */
export const textOf = ({ stdout, stderr }: Output) => `${stdout}\n${stderr}`;

/**
 * Runs `idf.py ACTION` in a project.
 *
 * @throws BonsaiError 'toolchain' when it is missing; 'usage' when the user's choices are for
 *   another chip
 */
export async function runIdf(
  directory: string,
  { chip = '' }: Pick<Target, 'chip'>,
  args: readonly string[],
): Promise<Output> {
  const choices = join(directory, choicesFile);
  const chosen = existsSync(choices)
    ? /^CONFIG_IDF_TARGET="(.*)"$/m.exec(readFileSync(choices, 'utf8'))?.[1]
    : undefined;
  if (chosen !== undefined && chosen !== chip) {
    const hint = `remove it, and choose again by idf.py menuconfig`;
    throw new BonsaiError('usage', choices, `is for ${chosen}, not for ${chip}`, hint);
  }
  // The environment variable, which idf.py prefers to the project's file, may name another chip.
  const output = await runTool(program, [`-DIDF_TARGET=${chip}`, ...args], directory);
  if (output !== null) return output;
  throw new BonsaiError('toolchain', program, 'is not installed', idfInstallHint(chip));
}

/**
 * Whether a section of ESP-IDF's image lies in RAM (components/esp_system/ld/<chip>/sections.ld.in,
 * v5.5). Its flags do not tell: constants in flash are writable there, code in IRAM is not. Dummies
 * and the ends of regions hold nothing.
 */
export function isIdfRam({ name }: Section): boolean {
  return (
    /^\.(dram0|iram0|noinit|ext_ram\.bss|ext_ram_noinit)\b/.test(name) &&
    !/dummy|_end$|heap_start$/.test(name)
  );
}
