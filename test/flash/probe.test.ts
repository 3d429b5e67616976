/** Debug probes, with programs on PATH that keep their arguments and say what the real ones say. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { loadTarget } from '../../src/boards/target/index.js';
import { BonsaiError } from '../../src/errors.js';
import { runHere } from '../support/command.js';
import { flash } from '../support/flash.js';
import { needs } from '../support/skip.js';

const target = loadTarget('stm32f405');

/** What a call says, and its status. */
type Answer = readonly [status: number, says: string];

describe('flash: debug probes', () => {
  const path = process.env.PATH;
  let directory = '';
  const image = () => join(directory, 'x y.elf');
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'bonsaic-probe-'));
    const elf = new Uint8Array(64);
    elf.set([0x7f, 0x45, 0x4c, 0x46, 1, 1]);
    writeFileSync(image(), elf);
    process.env.PATH = directory;
  });
  afterEach(() => {
    process.env.PATH = path;
    rmSync(directory, { recursive: true, force: true });
  });

  /** Puts a program on PATH that answers a call by the first word in it that is known. */
  function install(name: string, answers: readonly (readonly [word: string, ...Answer])[]): void {
    const cases = answers.map(
      ([word, status, says]) => `*'${word}'*) echo '${says}' >&2; exit ${status};;`,
    );
    const log = join(directory, `${name}.log`);
    const script = ['#!/bin/sh', `echo "$*" >> '${log}'`, 'case "$*" in', ...cases, 'esac'];
    writeFileSync(join(directory, name), `${script.join('\n')}\n`);
    chmodSync(join(directory, name), 0o755);
  }

  const calls = (name: string) =>
    readFileSync(join(directory, `${name}.log`), 'utf8')
      .trim()
      .split('\n')
      .map((line) => line.replace(/\S+project\.elf/, 'IMAGE'));

  async function failure(port = 'probe', file = image()): Promise<BonsaiError> {
    const error = await flash(file, port, target).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(BonsaiError);
    return error as BonsaiError;
  }

  const version = ['--version', 0, '1.0'] as const;

  it('probe-rs: identifies, writes, verifies, starts', async () => {
    install('probe-rs', [version, ['b32', 0, '10076413'], ['download', 0, ''], ['reset', 0, '']]);
    install('openocd', []);
    expect(await flash(image(), 'probe:0483:374b:066F', target)).to.include({ written: true });
    const one = '--non-interactive --probe 0483:374b:066F --chip STM32F405RG';
    expect(calls('probe-rs')).to.deep.equal([
      '--version',
      `read ${one} b32 0xe0042000 1`,
      `download ${one} --disable-progressbars --verify IMAGE`,
      `reset ${one}`,
    ]);
  });

  for (const [name, word, sister] of [
    ['rp2040', '20002927', 'rp2350'],
    ['rp2350', '20004927', 'rp2040'],
    ['nrf52840', '00052840', 'stm32f405'],
  ] as const) {
    it(`tells ${name} from its sister`, async () => {
      install('probe-rs', [version, ['b32', 0, word], ['download', 0, ''], ['reset', 0, '']]);
      await flash(image(), 'probe', loadTarget(name));
      const other = loadTarget(sister);
      const error = await flash(image(), 'probe', other).catch((reason: unknown) => reason);
      expect((error as BonsaiError).message).to.match(/nothing was erased/);
    });
  }

  it('OpenOCD: goes on to the next kind of probe, and chooses one by its serial number', async () => {
    install('openocd', [
      version,
      ['stlink', 1, 'Error: open failed\n** OpenOCD init failed **'],
      ['cmsis-dap', 1, 'Error: unable to find a matching CMSIS-DAP device'],
      ['mdw', 0, '0xe0042000: 10076413'],
      ['program', 0, '** Verified OK **'],
    ]);
    await flash(image(), 'probe:12', target);
    const jlink = '-f interface/jlink.cfg -c transport select swd -c adapter serial 12';
    expect(calls('openocd').slice(3)).to.deep.equal([
      `${jlink} -f target/stm32f4x.cfg -c init; mdw 0xe0042000; shutdown`,
      `${jlink} -f target/stm32f4x.cfg -c program IMAGE verify reset exit`,
    ]);
  });

  it('leaves an nRF52833 alone that was taken for an nRF52840', async () => {
    install('probe-rs', [version, ['b32', 0, '00052833'], ['download', 0, '']]);
    const error = await flash(image(), 'probe', loadTarget('nrf52840')).catch((e: unknown) => e);
    expect((error as BonsaiError).message).to.match(/id 0x52833.*has 0x52840: nothing was erased/);
    expect(calls('probe-rs').at(-1)).to.match(/^read .* --chip nRF52840_xxAA b32 0x10000100 1$/);
  });

  const rows: [
    edge: string,
    tool: string,
    answers: [string, number, string][],
    says: RegExp,
    hint: RegExp,
  ][] = [
    [
      'no probe (probe-rs)',
      'probe-rs',
      [['b32', 1, 'Error: No connected probes were found.']],
      /no debug probe is connected: nothing was erased/,
      /data cable/,
    ],
    [
      'no probe (OpenOCD)',
      'openocd',
      [
        ['stlink', 1, 'Error: open failed'],
        ['cmsis-dap', 1, 'Error: unable to find a matching CMSIS-DAP device'],
        ['jlink', 1, 'Error: No J-Link device found\n** OpenOCD init failed **'],
      ],
      /no debug probe is connected/,
      /udev/,
    ],
    [
      'several probes',
      'probe-rs',
      [['b32', 1, 'Error: 2 probes were found: [0]: STLink V2-1, [1]: J-Link']],
      /several debug probes/,
      /probe:SERIAL/,
    ],
    [
      'another chip',
      'probe-rs',
      [['b32', 0, '10006431']],
      /id 0x431; stm32f405 has 0x413: nothing was erased/,
      /bonsaic targets/,
    ],
    [
      'no power',
      'openocd',
      [['mdw', 1, 'Error: init mode failed (unable to connect to the target)']],
      /reaches no such chip: nothing was erased/,
      /SWDIO/,
    ],
    [
      'a protected chip',
      'openocd',
      [
        ['mdw', 0, '0xe0042000: 10076413'],
        ['program', 1, 'Error: stm32x device protected\n** Programming Failed **'],
      ],
      /protected.*may be incomplete/s,
      /STM32CubeProgrammer/,
    ],
    [
      'what differs (OpenOCD)',
      'openocd',
      [
        ['mdw', 0, '0xe0042000: 10076413'],
        ['program', 1, '** Verify Failed **'],
      ],
      /differs.*OpenOCD says:\n\*\* Verify Failed/s,
      /try again/,
    ],
    [
      'what differs (probe-rs)',
      'probe-rs',
      [
        ['b32', 0, '10076413'],
        ['download', 1, 'Caused by: Flash content verification failed.'],
      ],
      /differs/,
      /try again/,
    ],
    ['an unknown failure', 'probe-rs', [['b32', 3, 'oops']], /flashing failed.*oops/s, /doctor/],
  ];
  for (const [edge, tool, answers, says, hint] of rows) {
    it(`tells of ${edge}`, async () => {
      install(tool, [version, ...answers]);
      const error = await failure();
      expect(error.exitStatus).to.equal(5);
      expect(error.message).to.match(says);
      expect(error.hint).to.match(hint);
    });
  }

  it('says how to install what is missing', async () => {
    const error = await failure();
    expect(error.exitStatus).to.equal(4);
    expect(error.message).to.match(/neither probe-rs nor OpenOCD is installed/);
    expect(error.hint).to.match(/cargo install probe-rs-tools.*apt-get install openocd/);
  });

  it('takes executables alone, for boards with a debug port that it knows', async () => {
    const raw = join(directory, 'raw.bin');
    writeFileSync(raw, new Uint8Array(100));
    expect((await failure('probe', raw)).message).to.match(/not an ELF/);
    const error = await flash(image(), 'probe', loadTarget('esp32c3')).catch((e: unknown) => e);
    expect((error as BonsaiError).message).to.match(
      /boards of target esp32c3 are not flashed over this port/,
    );
  });

  for (const port of ['probe', 'usb:7']) {
    it(`${port} is no line for profile and run`, async () => {
      process.env.PATH = path;
      const model = 'examples/activity/activity.tflite';
      const run = await runHere(['run', model, '--target', 'stm32f405', '--port', port]);
      expect(run.status).to.equal(1);
      expect(run.stderr)
        .to.match(/can only flash/)
        .not.match(/Compile/);
    });
  }

  it('the real OpenOCD tells of no probe', async function () {
    process.env.PATH = path;
    needs(this, 'openocd');
    const error = await failure();
    expect(error.message).to.match(/no debug probe is connected|reaches no such chip/);
  });
});
