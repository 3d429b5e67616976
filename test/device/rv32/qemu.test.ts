/** The simulated RV32IMC core against QEMU's, instruction by instruction of random programs. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { Rv32 } from '../../../src/boards/device/rv32/core.js';
import { Memory } from '../../../src/boards/device/rv32/memory.js';
import { runs } from '../../support/runs.js';
import { map, type Random, randomProgram } from '../../support/rv32.js';
import { needs } from '../../support/skip.js';

/** What a program sends, here. */
function output(program: Uint8Array): Uint8Array {
  const memory = new Memory();
  const ram = new Uint8Array(map.ramBytes);
  ram.set(program);
  memory.map(ram, [map.ram], { isWritable: true });
  const sent: number[] = [];
  let hasEnded = false;
  memory.attach(map.uart, 8, { read: () => 0x6000, write: (_, value) => sent.push(value) });
  memory.attach(map.exit, 4, {
    read: () => 0,
    write: () => {
      hasEnded = true;
    },
  });
  const core = new Rv32({ memory, pc: map.ram });
  for (let i = 0; i < 1000 && !hasEnded; i++) core.execute(10_000);
  expect(hasEnded, 'the program ends').to.equal(true);
  return Uint8Array.from(sent);
}

/** xorshift32. */
function randomFrom(seed: number): Random {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const registerBytes = 4;
const blockBytes = 128;

describe('rv32: the simulated core and QEMU', () => {
  let folder = '';
  before(function () {
    needs(this, 'qemu-system-riscv32');
    folder = mkdtempSync(join(tmpdir(), 'bonsaic-rv32-'));
  });
  after(() => {
    if (folder !== '') rmSync(folder, { recursive: true, force: true });
  });

  /** What a program sends, in QEMU's machine 'virt'. */
  function qemuOutput(program: Uint8Array): Uint8Array {
    const image = join(folder, 'program.bin');
    writeFileSync(image, program);
    const machine = ['-machine', 'virt', '-bios', image, '-display', 'none', '-monitor', 'none'];
    const { stdout, status } = spawnSync('qemu-system-riscv32', [...machine, '-serial', 'stdio']);
    expect(status).to.equal(0);
    return stdout;
  }

  it('all instructions, at the edges of their operands', () => {
    const blocks = 400;
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const program = randomProgram(randomFrom(seed), blocks);
        const [ours, theirs] = [output(program), qemuOutput(program)];
        expect(ours.length).to.equal(blocks * blockBytes);
        expect(theirs.length).to.equal(ours.length);
        const first = ours.findIndex((byte, i) => byte !== theirs[i]);
        if (first < 0) return;
        const register = Math.floor((first % blockBytes) / registerBytes);
        expect.fail(`block ${Math.floor(first / blockBytes)}: x${register} differs`);
      }),
      { numRuns: runs(12) },
    );
  });
});
