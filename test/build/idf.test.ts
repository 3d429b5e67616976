/**
 * Projects of ESP-IDF, which is not installed here: test/idf has its build system and functions for
 * this machine, and an idf.py that runs them.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import type Mocha from 'mocha';
import { saveProject } from '../../src/boards/build/directory.js';
import { isIdfRam } from '../../src/boards/build/idf.js';
import { buildProject } from '../../src/boards/build/index.js';
import { openDevice } from '../../src/boards/device/index.js';
import { measure } from '../../src/boards/profile/measure.js';
import { seededVectors } from '../../src/boards/profile/seeded-vectors.js';
import { listTargets, loadTarget } from '../../src/boards/target/index.js';
import { BonsaiError } from '../../src/errors.js';
import { flashImage } from '../../src/pipeline/flash.js';
import type { Compilation } from '../../src/pipeline/types.js';
import { compile } from '../../src/pipeline.js';
import { runHere } from '../support/command.js';
import { defaults } from '../support/plan.js';
import { needs, skip } from '../support/skip.js';

const path = 'examples/activity/activity.tflite';
const bytes = readFileSync(path);
const fakeIdf = resolve('test/idf');
const boards = listTargets().filter((name) => loadTarget(name).builder === 'idf');

/** What menuconfig would write for a link, and for the arena in PSRAM. */
const uart = [
  'CONFIG_BONSAI_LINK_UART=y',
  'CONFIG_BONSAI_UART_NUMBER=0',
  'CONFIG_BONSAI_UART_TX=1',
  'CONFIG_BONSAI_UART_RX=3',
];
const usb = ['CONFIG_BONSAI_LINK_USB_SERIAL_JTAG=y', 'CONFIG_BONSAI_REBOOT_TO_BOOT_ROM=y'];
const psram = ['CONFIG_BONSAI_ARENA_IN_PSRAM=y', 'CONFIG_SPIRAM_ALLOW_BSS_SEG_EXTERNAL_MEMORY=y'];

async function refusal(promise: Promise<unknown>): Promise<BonsaiError> {
  const error = await promise.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).to.be.instanceOf(BonsaiError);
  return error as BonsaiError;
}

describe('projects of ESP-IDF', function () {
  this.timeout(60_000);
  const environment = { ...process.env };
  let directory: string;
  let log: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'bonsaic-idf-'));
    log = join(directory, 'idf.log');
    process.env.PATH = `${fakeIdf}:${environment.PATH}`;
    process.env.FAKE_IDF_LOG = log;
    delete process.env.IDF_PATH;
  });
  afterEach(() => {
    for (const name of Object.keys(process.env)) {
      if (name.startsWith('FAKE_IDF')) delete process.env[name];
    }
    process.env.PATH = environment.PATH;
    if (environment.IDF_PATH !== undefined) process.env.IDF_PATH = environment.IDF_PATH;
    rmSync(directory, { recursive: true, force: true });
  });

  const calls = () => readFileSync(log, 'utf8').trim().split('\n');
  const project = () => join(directory, 'project');

  const compilations = new Map<string, Compilation>();

  /** Writes a project with the user's choices. */
  function write(name: string, choices: readonly string[] = uart): Compilation {
    const target = loadTarget(name);
    const compilation =
      compilations.get(name) ?? compile({ bytes, path, target, options: defaults });
    compilations.set(name, compilation);
    saveProject(project(), compilation.emission, target, bytes);
    writeFileSync(join(project(), 'sdkconfig'), `${choices.join('\n')}\n`);
    return compilation;
  }

  function build(name: string, { emission }: Compilation, cc?: string) {
    const options = { target: loadTarget(name), manifest: emission.manifest, cc };
    return buildProject(project(), options);
  }

  const cases = boards.flatMap((name) => [
    { name, link: 'UART', choices: uart },
    { name, link: 'USB and the arena in PSRAM', choices: [...usb, ...psram] },
  ]);
  for (const { name, link, choices } of cases) {
    it(`${name}: the application answers over ${link}, exactly`, async function () {
      needs(this, 'cmake');
      const compilation = write(name, choices);
      const { manifest } = compilation.emission;
      const { module, plan } = compilation;
      const built = await build(name, compilation);
      expect(built.toolchain).to.equal('ESP-IDF v5.5');
      expect(built.images.map((image) => image.replace(/.*\./, ''))).to.deep.equal(['elf', 'bin']);
      const target = { ...loadTarget(name), simulator: 'process' };
      const vectors = seededVectors(plan, module);
      const here = {
        manifest,
        module,
        target,
        port: 'sim',
        image: built.elf,
        xip: 'ideal',
      } as const;
      const measured = await measure({ ...here, vectors });
      expect(measured.verify).to.include({ vectors: vectors.length, mismatches: 0 });
      expect(measured.latency).to.include({ unit: 'cycles', clockHz: 240e6 });
      // The counter wraps a millisecond after the start, and goes on.
      expect(measured.latency.max).to.be.below(240e6);
      // Of fake sections: 4 KB of data, 64 KB of .bss, and as much in PSRAM.
      const sections = 0x11000 + (choices.includes(psram[0] ?? '') ? 0x10000 : 0);
      expect(measured.staticRamBytes).to.equal(sections - plan.arenaBytes);
      expect(measured.stackBytes).to.equal(16384 - 12000);
      const chip = `-DIDF_TARGET=${loadTarget(name).chip}`;
      expect(calls()).to.deep.equal(['--version', `${chip} build`]);
    });
  }

  it("the user's own code is built with the application, and its main() in place of ours", async function () {
    needs(this, 'cmake');
    const compilation = write('esp32s3');
    const app = join(project(), 'app');
    mkdirSync(app);
    const main = readFileSync(join(project(), 'firmware/src/main.c'), 'utf8');
    const call = 'own_start(ACTIVITY_ARENA_BYTES);\n    bonsai_port_start();';
    const includes = '#include "activity.h"\n#include "own.h"\n';
    writeFileSync(join(app, 'own.h'), '#include <stdint.h>\nvoid own_start(int32_t bytes);\n');
    writeFileSync(
      join(app, 'own.c'),
      '#include "own.h"\nint32_t own_bytes;\nvoid own_start(int32_t bytes) { own_bytes = bytes; }\n',
    );
    const second = join(app, 'main.c');
    writeFileSync(second, `${includes}${main.replace('bonsai_port_start();', call)}`);
    const built = await build('esp32s3', compilation);
    const symbols = spawnSync('nm', [built.elf], { encoding: 'utf8' }).stdout;
    expect(symbols).to.match(/ T own_start$/m);
    expect(symbols.match(/ T main$/gm)).to.have.length(1);
    rmSync(app, { recursive: true });
    const without = await build('esp32s3', compilation);
    expect(spawnSync('nm', [without.elf], { encoding: 'utf8' }).stdout).not.to.include('own_');
  });

  it('keeps products and sums of floats apart: ESP-IDF compiles as gnu17, which may join them', () => {
    for (const name of boards) {
      write(name);
      const lists = readFileSync(
        join(project(), 'components', 'bonsai_activity', 'CMakeLists.txt'),
        'utf8',
      );
      expect(lists, name).to.include('-ffp-contract=off');
    }
  });

  /** Compiles the project without linking it: Debian's compiler has no C library. */
  function expectCompiles() {
    const flags = `-mabi=call0 -ffreestanding -fbuiltin -I${resolve(`firmware/${loadTarget('lx60').libc}`)}`;
    const settings = [
      ...['FAKE_OBJECTS=1', 'CMAKE_SYSTEM_NAME=Generic', `CMAKE_C_FLAGS=${flags}`],
      ...['CMAKE_C_COMPILER=xtensa-lx106-elf-gcc', 'CMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY'],
    ].map((setting) => `-D${setting}`);
    const options = {
      cwd: project(),
      env: { ...process.env, IDF_PATH: fakeIdf },
      encoding: 'utf8',
    } as const;
    const configured = spawnSync('cmake', ['-S', '.', '-B', 'build', ...settings], options);
    expect(configured.status, configured.stderr).to.equal(0);
    const made = spawnSync('cmake', ['--build', 'build'], options);
    expect(made.status, made.stdout + made.stderr).to.equal(0);
  }

  for (const name of boards) {
    it(`${name}: everything compiles for Xtensa without a warning`, function () {
      needs(this, 'cmake');
      needs(this, 'xtensa-lx106-elf-gcc');
      write(name);
      expectCompiles();
    });

    it(`${name}: the partition of the program ends where the flash does`, () => {
      const { emission } = write(name);
      const text = (file: string) => emission.files.get(file) ?? '';
      const [, offset, size] =
        /factory, app, factory, (\w+), (\w+)/.exec(text('partitions.csv')) ?? [];
      const [, megabytes] = /FLASHSIZE_(\d+)MB=y/.exec(text('sdkconfig.defaults')) ?? [];
      expect(Number(offset) + Number(size)).to.equal(Number(megabytes) * 2 ** 20);
      expect(text('sdkconfig.defaults')).to.include('CPU_FREQ_MHZ_240=y');
    });

    it(`${name}: no simulator, but one that runs the same kernels`, async () => {
      const error = await refusal(openDevice('sim', loadTarget(name), ''));
      expect(error).to.include({ code: 'device', exitStatus: 5 });
      expect(error.hint).to.include('--target lx60');
      const [own, its] = [loadTarget(name), loadTarget('lx60')];
      expect([own.costs, own.code]).to.deep.equal([its.costs, its.code]);
      expect([...own.features]).to.deep.equal([...its.features]);
    });
  }

  // Headers in firmware/include, firmware/src and firmware/port have these names.
  for (const model of ['model', 'port', 'frame', 'arena']) {
    it(`a model named ${model}: the application finds its header, not the firmware’s`, function () {
      needs(this, 'cmake');
      needs(this, 'xtensa-lx106-elf-gcc');
      const target = loadTarget('esp32');
      const named = { bytes, path: `${model}.tflite`, target, options: defaults };
      saveProject(project(), compile(named).emission, target, bytes);
      writeFileSync(join(project(), 'sdkconfig'), `${uart.join('\n')}\n`);
      expectCompiles();
    });
  }

  /** Runs Python with a module that may be missing. */
  function python(context: Mocha.Context, module: string, script: string, input: string) {
    const run = (text: string) => spawnSync('python3', ['-c', text], { input, encoding: 'utf8' });
    if (run(`import ${module}`).status !== 0) {
      skip(context, `${module} is missing: pip install ${module}`);
    }
    const { status, stdout, stderr } = run(script);
    expect(status, stderr).to.equal(0);
    return stdout;
  }

  it('Kconfig: the default link is USB where the chip has it, and PSRAM is asked for', function () {
    write('esp32s3');
    const rows: [edge: string, given: string[], set: RegExp, unset: RegExp][] = [
      ['no USB', [], /LINK_UART=y\n[\s\S]*UART_TX=-1/, /USB_SERIAL_JTAG=y|PSRAM|REBOOT/],
      ['an ESP32', ['IDF_TARGET_ESP32'], /UART_TX=1\n.*UART_RX=3\n/, /USB|REBOOT/],
      ['USB', ['SOC_USB_SERIAL_JTAG_SUPPORTED'], /LINK_USB_SERIAL_JTAG=y/, /UART_NUMBER/],
      ['an ESP32-S3', ['IDF_TARGET_ESP32S3'], /_TX=43\n.*_RX=44\n[\s\S]*BOOT_ROM=y/, /PSRAM/],
      ['PSRAM', ['SPIRAM'], /ARENA_IN_PSRAM is not set/, /ALLOW_BSS_SEG_EXTERNAL_MEMORY=y/],
    ];
    const symbols = [
      ...['SOC_USB_SERIAL_JTAG_SUPPORTED', 'IDF_TARGET_ESP32', 'IDF_TARGET_ESP32S3', 'SPIRAM'],
      'SPIRAM_ALLOW_BSS_SEG_EXTERNAL_MEMORY',
    ];
    for (const [edge, given, set, unset] of rows) {
      const top = [
        ...symbols.map(
          (name) => `config ${name}\n  def_bool ${given.includes(name) ? 'y' : 'n'}\n`,
        ),
        `source "${project()}/main/Kconfig.projbuild"`,
        `source "${project()}/components/bonsai_activity/Kconfig"\n`,
      ].join('\n');
      writeFileSync(join(directory, 'Kconfig'), top);
      const out = join(directory, 'config');
      const script = `
import kconfiglib
tree = kconfiglib.Kconfig('${directory}/Kconfig', warn_to_stderr=True)
tree.write_config('${out}')
assert not tree.warnings, tree.warnings
`;
      python(this, 'kconfiglib', script, '');
      const config = readFileSync(out, 'utf8');
      expect(config, edge).to.match(set).and.not.match(unset);
      expect(config, edge).to.include('BONSAI_ACTIVITY_KERNELS_IN_IRAM is not set');
    }
  });

  it('idf_component.yml is YAML', function () {
    const { emission } = write('esp32s3');
    const text = emission.files.get('components/bonsai_activity/idf_component.yml') ?? '';
    const script = 'import json, sys, yaml\nprint(json.dumps(yaml.safe_load(sys.stdin)))';
    expect(JSON.parse(python(this, 'yaml', script, text))).to.deep.equal({
      description: 'activity: an int8 neural network, compiled by bonsaic',
      version: '1.0.0',
      targets: ['esp32s3'],
      dependencies: { idf: '>=5.1' },
    });
  });

  it('says how to install ESP-IDF, or where its environment is', async () => {
    const compilation = write('esp32s3');
    process.env.PATH = directory;
    const missing = await refusal(build('esp32s3', compilation));
    expect(missing).to.include({ code: 'toolchain', exitStatus: 4, where: 'idf.py' });
    expect(missing.hint.split('\n')).to.deep.equal([
      'git clone -b v5.5 --recursive https://github.com/espressif/esp-idf.git ~/esp/esp-idf',
      '~/esp/esp-idf/install.sh esp32s3',
      '. ~/esp/esp-idf/export.sh',
    ]);
    process.env.IDF_PATH = directory;
    writeFileSync(join(directory, 'export.sh'), '');
    const { hint } = await refusal(build('esp32s3', compilation));
    expect(hint).to.equal(`ESP-IDF is in ${directory}: . ${directory}/export.sh`);
  });

  it('compare estimates without ESP-IDF, which takes no compiler of the user’s', async () => {
    process.env.PATH = directory;
    const args = ['compare', path, '--targets', 'esp32', '--cc', 'gcc'];
    const { status, stdout } = await runHere(args);
    expect(stdout)
      .to.match(/^esp32 .* ~\d/m)
      .and.match(/^esp32: idf\.py: is not installed/m);
    expect(stdout).to.match(/the figures leave out\s+ESP-IDF itself/);
    expect(status).to.equal(0);
  });

  interface Failure {
    readonly edge: string;
    readonly environment?: Record<string, string>;
    readonly choices?: readonly string[];
    readonly cc?: string;
    readonly code: string;
    readonly exit: number;
    readonly message: RegExp;
    readonly hint: RegExp;
  }
  const failures: readonly Failure[] = [
    {
      edge: 'a compiler of the user’s',
      ...{ cc: 'gcc', code: 'usage', exit: 1, message: /ESP-IDF builds esp32/, hint: /--cc out/ },
    },
    {
      edge: 'choices for another chip',
      choices: ['CONFIG_IDF_TARGET="esp32s3"'],
      ...{ code: 'usage', exit: 1, message: /is for esp32s3, not for esp32/, hint: /menuconfig/ },
    },
    {
      edge: 'an idf.py without its Python packages',
      environment: { FAKE_IDF_VERSION: 'No module named click', FAKE_IDF_STATUS: '1' },
      ...{
        code: 'toolchain',
        exit: 4,
        message: /No module named click/,
        hint: /install\.sh esp32\n/,
      },
    },
    {
      edge: 'an arena that does not fit',
      environment: { FAKE_IDF_SAYS: "ld: region `dram0_0_seg' overflowed by 1234 bytes" },
      ...{ code: 'over-budget', exit: 3, message: /fit esp32: 1234 bytes of dram0_0_seg too much/ },
      hint: /^use a smaller model/,
    },
    {
      edge: 'kernels that do not fit IRAM',
      environment: { FAKE_IDF_SAYS: "ld: region `iram0_0_seg' overflowed by 99 bytes" },
      ...{ code: 'over-budget', exit: 3, message: /99 bytes of iram0_0_seg too much/ },
      hint: /^leave the kernels in flash/,
    },
    {
      edge: 'an image that does not fit its partition',
      environment: {
        FAKE_IDF_SAYS:
          "Error: app partition is too small for binary a.bin size 0x410000:\n  - Part 'factory' 0/0 @ 0x10000 size 0x3f0000 (overflow 0x20000)",
      },
      ...{
        code: 'over-budget',
        exit: 3,
        message: /131072 bytes of flash too much/,
        hint: /smaller/,
      },
    },
    {
      edge: 'another chip in the environment',
      environment: {
        FAKE_IDF_SAYS:
          "Target 'esp32' specified on command line is not consistent with target 'esp32s3' in the environment.",
      },
      ...{ code: 'toolchain', exit: 4, message: /not consistent/, hint: /unset IDF_TARGET/ },
    },
    {
      edge: 'an error of the compiler',
      environment: { FAKE_IDF_SAYS: 'main.c:1: error: no' },
      ...{ code: 'toolchain', exit: 4, message: /idf\.py failed:\nmain\.c:1: error/, hint: /bug/ },
    },
  ];
  for (const failure of failures) {
    it(`build: ${failure.edge}`, async () => {
      const compilation = write('esp32', failure.choices);
      Object.assign(process.env, failure.environment);
      const error = await refusal(build('esp32', compilation, failure.cc));
      expect(error).to.include({ code: failure.code, exitStatus: failure.exit });
      expect(error.message).to.match(failure.message);
      expect(error.hint).to.match(failure.hint);
    });
  }

  it('counts cycles beyond 32 bits, whatever the timer rounds', () => {
    const config = join(directory, 'sdkconfig.h');
    const numbers = uart.map((line) => line.replace(/^(\w+)=(.*)$/, '#define $1 ($2)'));
    writeFileSync(config, numbers.join('\n').replace('(y)', '1'));
    const program = join(directory, 'count');
    const flags = ['-O1', `-I${directory}`, '-Itest/idf/include', '-Ifirmware/include'];
    const macros = [
      '-DCLOCK_HZ=240000000u',
      '-DBAUD_RATE=115200u',
      '-DCONFIG_ESP_MAIN_TASK_STACK_SIZE=1',
    ];
    // The test calls none of the rest.
    const link = ['-ffunction-sections', '-Wl,--gc-sections', '-Wall', '-Wextra', '-Werror'];
    const args = [...flags, ...macros, ...link, 'test/idf/count.c', '-o', program];
    const built = spawnSync('gcc', args, { encoding: 'utf8' });
    expect(built.status, built.stderr).to.equal(0);
    const start = { us: 312_345n, cycle: 0xffff_ff00n };
    // Cycles since the start, and by how many the timer is late: at less than 239 it is ahead.
    const second = 240_000_000n;
    const rows: [edge: string, cycles: bigint, late: bigint][] = [
      ['the start', 0n, 239n],
      ['before CCOUNT wraps', 0xffn, 0n],
      ['as it wraps', 0x100n, 239n],
      ['a microsecond later', 0x100n + 240n, 0n],
      ['half its range', 1n << 31n, 200n],
      ['its range less one', (1n << 32n) - 1n, 100n],
      ['its range', 1n << 32n, 239n],
      ['a minute', 60n * second + 7n, 7n],
      ['an hour', 3600n * second + 1n, 300n],
      ['a week', 604_800n * second + 123n, 0n],
    ];
    const lines = rows.map(([, cycles, late]) => {
      const us = start.us + (cycles + 239n - late) / 240n;
      return `${us} ${BigInt.asUintN(32, start.cycle + cycles)}`;
    });
    const { stdout } = spawnSync(program, { input: lines.join('\n'), encoding: 'utf8' });
    const counts = stdout.trim().split('\n').map(BigInt);
    for (const [at, [edge, cycles]] of rows.entries()) {
      expect((counts[at] ?? 0n) - (counts[0] ?? 0n), edge).to.equal(cycles);
    }
  });

  it('flashes by idf.py, at the port', async () => {
    write('esp32');
    const image = join(project(), 'build/activity.bin');
    mkdirSync(join(project(), 'build'));
    writeFileSync(image, 'image');
    const job = {
      foreign: true,
      port: '/dev/ttyUSB7',
      progress: (_: string, work: (say: () => void) => unknown) => work(() => {}),
    };
    const target = loadTarget('esp32');
    const result = await flashImage(image, target, job as never);
    expect(result).to.deep.equal({ bytes: 5, written: true, unchanged: false });
    expect(calls()).to.deep.equal(['--version', '-DIDF_TARGET=esp32 -p /dev/ttyUSB7 flash']);

    process.env.FAKE_IDF_SAYS = 'esptool\nA fatal error occurred: Could not open /dev/ttyUSB7';
    const failed = await refusal(flashImage(image, target, job as never));
    expect(failed).to.include({ code: 'flash', exitStatus: 5, where: '/dev/ttyUSB7' });
    expect(failed.message).to.match(/failed:\nA fatal error occurred: Could not open/);

    const stray = join(directory, 'other.bin');
    writeFileSync(stray, 'image');
    const alone = await refusal(flashImage(stray, target, job as never));
    expect(alone).to.include({ code: 'flash', where: stray });
    expect(alone.hint).to.match(/bonsaic flash DIR/);
  });

  it('knows the sections that take RAM', () => {
    const rows: readonly [name: string, isRam: boolean][] = [
      ...[
        '.dram0.data',
        '.dram0.bss',
        '.iram0.vectors',
        '.iram0.text',
        '.iram0.bss',
        '.noinit',
      ].map((name) => [name, true] as const),
      ['.ext_ram.bss', true],
      ...['.flash.rodata', '.flash.text', '.flash.appdesc', '.rtc.text', '.rtc_noinit'].map(
        (name) => [name, false] as const,
      ),
      // Addresses that another bus sees, or where the heap begins.
      ...['.dram0.dummy', '.ext_ram.dummy', '.iram0.text_end', '.dram0.heap_start'].map(
        (name) => [name, false] as const,
      ),
    ] as [string, boolean][];
    const section = { bytes: 1, allocated: true, writable: true, stored: true };
    for (const [name, isRam] of rows) expect(isIdfRam({ ...section, name }), name).to.equal(isRam);
  });
});
