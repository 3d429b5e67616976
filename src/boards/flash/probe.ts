/**
 * Flashing through a debug probe (CMSIS-DAP, ST-LINK, J-Link) by probe-rs or OpenOCD, whichever is
 * installed: `--port probe`, or `--port probe:SERIAL` for one of several.
 */
import { writeFileSync } from 'node:fs';
import { BonsaiError } from '../../errors.js';
import { isElf } from '../build/elf.js';
import { inTemporaryDirectory } from '../build/temporary.js';
import { type Output, runTool } from '../build/toolchain.js';
import { isProbe, selectorOf } from '../device/link.js';
import type { SettingsOf } from '../target/flash.js';
import { expand, type FailureKind, failureOf, type ProbeTool, probeTools } from './probe/tools.js';
import type { FlashJob, FlashProtocol } from './protocol.js';
import { readExecutable, requireRoom } from './shared/image.js';

type Job = FlashJob<SettingsOf<'debug-probe'>>;

/** Lines of a tool's output to show. */
const shownLines = 6;

export const debugProbe: FlashProtocol<'debug-probe'> = {
  takes: isProbe,
  flash(job) {
    const bytes = storedBytes(job);
    return inTemporaryDirectory(async (directory) => {
      // A path without characters to which OpenOCD's Tcl gives a meaning.
      const image = `${directory}.elf`;
      // The bytes that were checked.
      writeFileSync(image, job.image.bytes);
      const caller = await identify(job, image);
      job.progress(0, bytes);
      for (const command of caller.tool.commands) {
        const output = await caller.call(command);
        if (output.status !== 0) throw caller.failed(output, 'the image may be incomplete');
      }
      job.progress(bytes, bytes);
      return bytes;
    });
  },
};

/** @throws BonsaiError 'flash' for what is no executable, or is larger than the flash */
function storedBytes({ image, target }: Job): number {
  const { path, bytes } = image;
  if (!isElf(bytes)) {
    const message = 'is not an ELF file, which says where its bytes belong';
    throw new BonsaiError('flash', path, message, 'give the .elf that bonsaic build DIR has made');
  }
  const { storedBytes } = readExecutable(image, target);
  requireRoom(path, storedBytes, target.flashBytes, target.name);
  return storedBytes;
}

/** A tool with one kind of probe. */
class Caller {
  constructor(
    readonly tool: ProbeTool,
    private readonly probe: ProbeTool['probes'][number],
    private readonly job: Job,
    private readonly image: string,
  ) {}

  /** @throws BonsaiError 'toolchain' when it is not installed */
  async call(template: readonly string[]): Promise<Output> {
    const { port, settings } = this.job;
    const selector = selectorOf(port);
    const values = new Map([
      ['image', this.image],
      ['selector', selector ?? ''],
      ['probeRsChip', settings.probeRsChip],
      ['openocdTarget', settings.openocdTarget],
      ['idAddress', settings.id.address],
    ]);
    const select = selector === null ? [] : expand(this.tool.select, values);
    const lists = new Map([
      ['probe', this.probe.arguments],
      ['select', select],
    ]);
    this.job.say(
      `${this.tool.program}: ${template === this.tool.identify ? 'which chip is there?' : 'writing, verifying'}`,
    );
    const output = await runTool(this.tool.program, expand(template, values, lists));
    if (output === null) throw missing();
    return output;
  }

  /** @param outcome what has become of the board */
  failed(output: Output, outcome: string): BonsaiError {
    const said = `${output.stdout}\n${output.stderr}`;
    const kind = failureOf(this.tool, said);
    const lines = said.split('\n').filter((line) => line.trim() !== '');
    const shown = lines.slice(-shownLines).join('\n');
    const [what, hint] = kind === null ? unknown : told[kind];
    const message = `${what}: ${outcome}. ${this.tool.name} says:\n${shown}`;
    return new BonsaiError('flash', this.job.port, message, hint);
  }
}

const told: Readonly<Record<FailureKind, readonly [what: string, hint: string]>> = {
  'no-probe': [
    'no debug probe is connected',
    'plug it in with a data cable; on Linux it needs its udev rules (https://probe.rs/docs/getting-started/probe-setup)',
  ],
  several: [
    'several debug probes are connected',
    'name one by its serial number: --port probe:SERIAL',
  ],
  busy: [
    'the debug probe is used by another program, or you may not open it',
    'end debuggers and IDEs that use it; on Linux it needs its udev rules',
  ],
  verify: ['what was written differs', 'try again; a slower or shorter cable helps'],
  protected: [
    'the chip is protected against erasing and writing',
    'remove its protection, which may erase all of it: STM32CubeProgrammer',
  ],
  'no-chip': [
    'the probe reaches no such chip',
    'check SWDIO, SWCLK and ground, the power of the board, and --target',
  ],
};
const unknown = ['flashing failed', 'bonsaic doctor shows the versions of the tools'] as const;

/**
 * Finds an installed tool and a kind of probe that answers, and compares the chip's id.
 *
 * @throws BonsaiError 'flash' when no probe or another chip is there, 'toolchain' without a tool
 */
async function identify(job: Job, image: string): Promise<Caller> {
  const tool = await installed();
  let refusal: BonsaiError | null = null;
  for (const probe of tool.probes) {
    const caller = new Caller(tool, probe, job, image);
    const output = await caller.call(tool.identify);
    if (output.status === 0) {
      checkId(`${output.stdout}\n${output.stderr}`, tool, job);
      return caller;
    }
    refusal = caller.failed(output, 'nothing was erased');
    if (failureOf(tool, `${output.stdout}\n${output.stderr}`) !== 'no-probe') break;
  }
  throw refusal ?? missing();
}

function checkId(said: string, tool: ProbeTool, { port, target, settings: { id } }: Job): void {
  const text = tool.identified.exec(said)?.[1];
  const found = (Number.parseInt(text ?? '', 16) & Number(id.mask)) >>> 0;
  if (text !== undefined && found === Number(id.value)) return;
  throw new BonsaiError(
    'flash',
    port,
    text === undefined
      ? `${tool.name} did not tell the chip's id: nothing was erased`
      : `is a chip with the id 0x${found.toString(16)}; ${target.name} has ${id.value}: nothing was erased`,
    'compile for the board that is there: bonsaic targets lists them',
  );
}

async function installed(): Promise<ProbeTool> {
  for (const tool of probeTools()) {
    if ((await runTool(tool.program, ['--version'])) !== null) return tool;
  }
  throw missing();
}

function missing(): BonsaiError {
  const tools = probeTools();
  const names = tools.map(({ name }) => name).join(' nor ');
  const hint = tools.map(({ install }) => install).join(', or ');
  return new BonsaiError('toolchain', 'debug probe', `neither ${names} is installed`, hint);
}
