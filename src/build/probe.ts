/** Does a compiler do what a target asks of it? A small program tells, as `bonsaic doctor` asks. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compilerFlags, type Target } from '../target/index.js';
import { findToolchain, runTool } from './toolchain.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** The headers that models and firmware include, and a division that is the compiler's library's. */
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
 * Compiles and links a small program as a project's Makefile does: with the target's flags, headers
 * and libraries.
 *
 * @param extraFlags further ones, such as sanitizers
 * @returns the toolchain, 'arm-none-eabi-gcc 12.2.1'
 * @throws BonsaiError 'toolchain' when the compiler is missing; Error with what it said
 */
export async function probeCompiler(
  target: Target,
  extraFlags: readonly string[] = [],
): Promise<string> {
  const { name } = await findToolchain(target, undefined);
  const directory = mkdtempSync(join(tmpdir(), 'bonsaic-probe-'));
  const elf = join(directory, 'probe.elf');
  const source = join(directory, 'probe.c');
  const isBare = target.libc !== null;
  // Of the firmware only the string functions: start-up and the board's memory are no compiler's.
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
    rmSync(directory, { recursive: true, force: true });
  }
}
