/** Counts the instructions of a run on a board in QEMU, by a plugin that is built on first use. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openQemu, qemuArm } from '../../src/boards/device/qemu.js';
import { openSession } from '../../src/boards/profile/session.js';
import type { Target } from '../../src/boards/target/index.js';
import type { Manifest } from '../../src/compiler/codegen/manifest.js';
import type { TensorData } from '../../src/compiler/ir/graph.js';

/** An instruction of the program with its counts in a run. */
export interface Instruction {
  readonly address: number;
  readonly bytes: number;
  /** Without a suffix for its width: 'ldrb'. */
  readonly mnemonic: string;
  /** In the disassembler's syntax: 'r3, [r2, #4]'. */
  readonly operands: string;
  /** The function that contains it. */
  readonly symbol: string;
  readonly runs: number;
  /** How often execution did not continue with the next instruction. */
  readonly jumps: number;
}

export interface Execution {
  /** Instructions of one inference without hooks, in order of addresses. */
  readonly run: readonly Instruction[];
  /** The same for each step, from a second inference. */
  readonly steps: readonly (readonly Instruction[])[];
  /** The inference as the firmware counts it. */
  readonly count: number;
}

const source = fileURLToPath(new URL('blocks.c', import.meta.url));
const folder = fileURLToPath(new URL('../../build/', import.meta.url));

function plugin(): string {
  const library = join(folder, 'blocks.so');
  if (!existsSync(library) || statSync(library).mtimeMs < statSync(source).mtimeMs) {
    mkdirSync(folder, { recursive: true });
    execFileSync('gcc', ['-std=c11', '-O2', '-shared', '-fPIC', '-o', library, source]);
  }
  return library;
}

/** Functions of the firmware that run between two readings of the counter. */
const counting = new Set(['timed', 'end_step', 'bonsai_port_count', 'bonsai_counter_wrap']);

/** Runs the model twice on the target's simulator, once as a whole and once step by step. */
export async function execute(
  elf: string,
  target: Target,
  manifest: Manifest,
  inputs: readonly TensorData[],
): Promise<Execution> {
  const { machine = '', icountShift = 0 } = target;
  const program = disassemble(elf, target);
  const addresses = (symbol: string) =>
    program.filter((instruction) => instruction.symbol === symbol).map(({ address }) => address);
  // The counter is read before and after a run, and twice between two of its steps.
  const [mark = 0] = addresses('bonsai_port_count');
  const out = `${elf}.blocks`;
  const device = await openQemu(elf, {
    ...{ system: qemuArm, name: 'sim', machine, icountShift },
    plugin: `${plugin()},mark=0x${mark.toString(16)},out=${out}`,
  });
  let count: number;
  try {
    const session = await openSession(device, manifest);
    ({ count } = await session.infer(inputs));
    await session.profile(inputs);
  } finally {
    await device.close();
  }
  const model = new Set(addresses(`${manifest.plan.model.name}_run_hooked`));
  const ofModel: Instruction[][] = [];
  // The counter is also read while the firmware waits for bytes: tens of thousands of times for a
  // large input.
  for (const instructions of segments(readFileSync(out, 'utf8'), program)) {
    if (!instructions.some(({ address }) => model.has(address))) continue;
    ofModel.push(instructions.filter(({ symbol }) => !counting.has(symbol)));
  }
  const [run = [], ...steps] = ofModel;
  return { run, steps: steps.slice(0, manifest.plan.steps.length), count };
}

type Line = Omit<Instruction, 'runs' | 'jumps'>;

/** Disassembles with the compiler's objdump and all extensions that a core may have. */
function disassemble(elf: string, { compiler }: Target): Line[] {
  const objdump = compiler.replace(/gcc$/, 'objdump');
  const text = execFileSync(objdump, ['-d', '-m', 'armv8.1-m.main', elf], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  const lines: Line[] = [];
  let symbol = '';
  for (const line of text.split('\n')) {
    const label = /^[0-9a-f]+ <(.+)>:$/.exec(line);
    if (label !== null) symbol = label[1] ?? '';
    const code = /^ *([0-9a-f]+):\t((?:[0-9a-f]{4} )+)\s*(\S+)\t?([^@;]*)/.exec(line);
    if (code === null) continue;
    const [, address = '', encoding = '', mnemonic = '', operands = ''] = code;
    lines.push({
      address: Number.parseInt(address, 16),
      bytes: encoding.replaceAll(' ', '').length / 2,
      mnemonic: mnemonic.replace(/\.[nw]$/, ''),
      operands: operands.trim(),
      symbol,
    });
  }
  return lines;
}

/** Parses the plugin's report: for each mark the instructions since the previous mark. */
function* segments(report: string, program: readonly Line[]): Generator<Instruction[]> {
  const indexOf = new Map(program.map(({ address }, index) => [address, index]));
  for (const segment of report.split('mark\n').slice(1)) {
    const found = new Map<number, { runs: number; jumps: number }>();
    for (const line of segment.trim().split('\n')) {
      const [first, last, , runs = 0, jumps = 0] = line
        .split(' ')
        .map((field, i) => (i < 3 ? Number.parseInt(field, 16) : Number(field)));
      for (let i = indexOf.get(first ?? -1) ?? 0; program[i] !== undefined; i++) {
        const entry = found.get(i) ?? { runs: 0, jumps: 0 };
        const isLast = program[i]?.address === last;
        found.set(i, { runs: entry.runs + runs, jumps: entry.jumps + (isLast ? jumps : 0) });
        if (isLast) break;
      }
    }
    yield [...found]
      .sort(([a], [b]) => a - b)
      .flatMap(([i, counts]) => {
        const line = program[i];
        return line === undefined ? [] : [{ ...line, ...counts }];
      });
  }
}
