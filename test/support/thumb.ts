/** Runs a single assembly routine on the core of rp2040js, without firmware or C. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RP2040 } from 'rp2040js';
import type { Routine } from '../../src/compiler/kernels/variant.js';
import { execute } from './execute.js';

const sram = 0x2000_0000;
const stack = 0x2004_0000;
/** The routine's return address, which holds a breakpoint instruction. */
const returnAddress = 0x2004_1000;

export interface ThumbRoutine {
  /** Size of the assembled code. */
  readonly bytes: number;
  /**
   * Copies `inputs` to RAM one after the other, and calls the routine with the arguments that
   * `args` computes from their addresses.
   *
   * @returns the memory of the inputs after the call, and the cycles from call to return
   */
  call(
    inputs: readonly Uint8Array[],
    args: (addresses: readonly number[]) => readonly number[],
  ): { readonly memory: readonly Uint8Array[]; readonly cycles: number };
}

/** @throws Error with the assembler's messages */
export async function assemble(routine: Routine): Promise<ThumbRoutine> {
  const directory = mkdtempSync(join(tmpdir(), 'bonsaic-thumb-'));
  try {
    const path = (name: string) => join(directory, name);
    const head = '    .syntax unified\n    .thumb\n    .balign 4\n    .thumb_func\n';
    writeFileSync(path('routine.S'), `${head}${routine.text('routine')}`);
    const flags = [
      '-mcpu=cortex-m0plus',
      '-mthumb',
      '-c',
      path('routine.S'),
      '-o',
      path('routine.o'),
    ];
    await execute('arm-none-eabi-gcc', flags);
    const binary = ['-O', 'binary', '-j', '.text', path('routine.o'), path('routine.bin')];
    await execute('arm-none-eabi-objcopy', binary);
    return load(readFileSync(path('routine.bin')));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function load(code: Uint8Array): ThumbRoutine {
  const mcu = new RP2040();
  const silent = () => {};
  const stop = (_: string, message: string) => {
    throw new Error(`the simulated core stopped: ${message}`);
  };
  mcu.logger = { debug: silent, info: silent, warn: stop, error: stop };
  const { core } = mcu;
  mcu.writeUint16(returnAddress, 0xbe00);
  // In flash, since the code may exceed RAM.
  mcu.flash.set(code);
  return {
    bytes: code.length,
    call(inputs, args) {
      let free = sram;
      const addresses = inputs.map((bytes) => {
        const address = free;
        mcu.sram.set(bytes, address - sram);
        free += Math.ceil(bytes.length / 4) * 4;
        return address;
      });
      const kept = Array.from({ length: 8 }, (_, i) => 0x1234_5600 + i);
      kept.forEach((value, i) => {
        core.registers[4 + i] = value;
      });
      args(addresses).forEach((value, i) => {
        core.registers[i] = value;
      });
      core.SP = stack;
      core.LR = returnAddress | 1;
      core.PC = 0x1000_0000;
      const start = core.cycles;
      while (core.PC !== returnAddress) core.executeInstruction();
      const saved = kept.every((value, i) => core.registers[4 + i] === value);
      if (!saved || core.SP !== stack) throw new Error('the routine does not restore registers');
      const memory = inputs.map((bytes, i) => {
        const at = (addresses[i] as number) - sram;
        return mcu.sram.slice(at, at + bytes.length);
      });
      return { memory, cycles: core.cycles - start };
    },
  };
}
