/** Checks with a small program that a compiler works for a target, for `bonsaic doctor`. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageFile } from '../../package.js';
import { compilerFlags } from '../target/firmware.js';
import type { Target } from '../target/index.js';
import { makeTemporaryFolder } from './temporary.js';
import { findToolchain, runTool } from './toolchain.js';

const root = packageFile('.');

/**
 * Includes the headers of models and firmware, and divides 64-bit integers by the runtime library.
 */
const program = (target: Target) => `
${target.features.has('mve') ? '#include <arm_mve.h>' : ''}
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

volatile int64_t value = 7, divisor = 3;

int main(void)
{
    int8_t bytes[8];
    memset(bytes, 1, sizeof bytes);
    return value / divisor == 2 && bytes[7] == 1 ? 0 : 1;
}
`;

/**
 * Compiles and links a small program with the flags, headers and libraries of a project's Makefile.
 *
 * @param extraFlags further flags, such as sanitizers
 * @returns the toolchain, 'arm-none-eabi-gcc 12.2.1'
 * @throws BonsaiError 'toolchain' when the compiler is missing; Error with the compiler's output
 */
export async function probeCompiler(
  target: Target,
  extraFlags: readonly string[] = [],
): Promise<string> {
  const { name } = await findToolchain(target, undefined);
  const { path: directory, remove } = makeTemporaryFolder('probe');
  const elf = join(directory, 'probe.elf');
  const source = join(directory, 'probe.c');
  const isBare = target.libc !== null;
  // The string functions alone: start-up code and memory map say nothing about the compiler.
  const library = target.sources.filter((path) => isBare && path.startsWith(`${target.libc}/`));
  const sources = [source, ...library.map((path) => `firmware/${path}`)];
  const run = async (command: string, args: readonly string[]) => {
    const output = await runTool(command, args, root);
    if (output?.status !== 0) throw new Error(output?.stderr.trim() || `${command} is missing`);
  };
  try {
    writeFileSync(source, program(target));
    await run(target.compiler, [
      ...['-std=c99', ...compilerFlags(target), ...target.runtimeFlags, ...extraFlags],
      ...['-ffunction-sections', '-Wl,--gc-sections', ...(isBare ? ['-Wl,-e,main'] : [])],
      ...[...sources, ...target.linkFlags, ...(target.secondCore?.linkFlags ?? []), '-o', elf],
    ]);
    if (target.images.includes('bin')) {
      const objcopy = target.compiler.replace(/gcc$/, 'objcopy');
      await run(objcopy, ['-O', 'binary', elf, join(directory, 'probe.bin')]);
    }
    return name;
  } finally {
    remove();
  }
}
