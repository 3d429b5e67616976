/** bonsaic flash as a user meets it, without a board. */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { encodeBlock } from 'uf2';
import { simulatedBoards } from '../../src/boards/device/simulated.js';
import { runHere } from '../support/command.js';

const model = 'examples/activity/activity.tflite';

describe('bonsaic flash', () => {
  let directory = '';
  const compiled = (target: string) => join(directory, target);
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'bonsaic-flash-'));
    for (const target of ['rp2040', 'stm32f405', 'stm32f411', 'esp32c3']) {
      const args = ['compile', model, '--target', target, '-o', compiled(target)];
      expect((await runHere(args)).status).to.equal(0);
    }
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  const noise = Uint8Array.from({ length: 4096 }, (_, i) => (i * 167 + (i >> 3)) & 0xff);
  const block = {
    ...{ flags: 0x2000, flashAddress: 0x1000_0000, payload: new Uint8Array(256) },
    ...{ boardFamily: 0xe48bff56, blockNumber: 0, totalBlocks: 1 },
  };
  const directBoot = new Uint8Array(4096).fill(0xff);
  new DataView(directBoot.buffer).setUint32(0, 0xaedb041d, true);
  new DataView(directBoot.buffer).setUint32(4, 0xaedb041d, true);
  const rows: [edge: string, target: string, image: Uint8Array, status: number, text: RegExp][] = [
    ['no simulator, ESP-IDF', 'esp32', noise, 5, /esp32 has no simulator/],
    ['no simulator, a boot loader', 'stm32f411', noise, 5, /stm32f411 has no simulator/],
    ['noise as UF2', 'rp2040', noise, 5, /is not a UF2 image/],
    ['noise for direct boot', 'esp32c3', noise, 5, /does not begin with the words of direct boot/],
    ['noise for QEMU', 'mps2-an385', noise, 5, /is not an image for mps2-an385: .*ELF/],
    ['noise as a vector table', 'stm32f405', noise, 5, /is not an image for stm32f405/],
    ['noise as a program', 'host', noise, 5, /is not an image for host: .*ELF/],
    [
      'another board’s image',
      'stm32f405',
      Uint8Array.from(Buffer.from('....bonsaic:stm32f411\x000.1.0\0')),
      ...([5, /image for stm32f411, not for stm32f405/] as const),
    ],
    [
      'an ELF file of another processor',
      'mps2-an385',
      Uint8Array.from(
        { length: 64 },
        (_, i) => [0x7f, 0x45, 0x4c, 0x46, 1, 1][i] ?? (i === 18 ? 243 : 0),
      ),
      ...([5, /processor \(e_machine\) is \d+, not 40/] as const),
    ],
    [
      'an ELF file that is cut off',
      'mps2-an385',
      Uint8Array.from({ length: 60 }, (_, i) => [0x7f, 0x45, 0x4c, 0x46, 1, 1][i] ?? 0xff),
      5,
      /is not an image for mps2-an385/,
    ],
    [
      'more than the flash',
      'esp32c3',
      Uint8Array.from([...directBoot.subarray(0, 8), ...new Uint8Array(2 ** 22)]),
      5,
      /more than the 4194304 of esp32c3/,
    ],
    ['UF2', 'rp2040', encodeBlock(block), 0, /256 bytes fit.* the simulated rp2040 loads/],
  ];
  for (const [edge, target, image, status, text] of rows) {
    it(`to a simulator: ${edge}`, async () => {
      const path = join(directory, 'image');
      writeFileSync(path, image);
      const args = ['--target', target, '--port', 'sim', '--foreign'];
      const run = await runHere(['flash', path, ...args]);
      expect(run.stdout + run.stderr).to.match(text);
      expect(run.stdout).not.to.match(/verified|started|written/);
      expect(run.status).to.equal(status);
    });
  }

  for (const port of ['', 'socket://host:99999']) {
    it(`builds nothing for --port '${port}'`, async () => {
      const run = await runHere(['flash', compiled('stm32f405'), '--port', port]);
      expect(run.stderr).to.match(/error: --port/);
      expect(run.stderr).not.to.match(/Build/);
      expect(run.status).to.equal(1);
    });
  }

  it('help names every kind of port', async () => {
    const { stdout } = await runHere(['help', 'flash']);
    const kinds = [
      'sim:usb',
      'auto',
      'usb:SERIAL',
      'probe',
      'socket://HOST:PORT',
      'rfc2217://HOST:PORT',
    ];
    for (const kind of [...kinds, 'folder']) expect(stdout).to.include(kind);
  });

  it('builds no directory for a simulator that does not exist', async () => {
    const run = await runHere(['flash', compiled('stm32f411'), '--port', 'sim']);
    expect(run.stderr).to.match(/stm32f411 has no simulator/);
    expect(run.stderr).not.to.match(/Build/);
    expect(run.status).to.equal(5);
  });

  it('flashes what a directory makes through the simulated boot loader', async () => {
    const path = compiled('stm32f405');
    const run = await runHere(['flash', path, '--target', 'stm32f405', '--port', 'sim']);
    expect(run.stdout).to.match(/\.bin: \d{4,} bytes pass the simulated stm32f405’s boot loader/);
    // In a log at most one line for each tenth.
    expect(run.stderr.match(/ KB/g)).to.have.length.within(2, 11);
    expect(run.status).to.equal(0);
  });

  it('sends an image through the simulated loader of an ESP32-C3', async () => {
    const path = join(directory, 'image.bin');
    writeFileSync(path, directBoot);
    const args = ['--target', 'esp32c3', '--port', 'sim'];
    const refused = await runHere(['flash', path, ...args]);
    expect(refused.stderr).to.match(
      /has no record of bonsaic: it is not an image that bonsaic built, or is damaged: nothing was erased/,
    );
    expect(refused.stderr).to.match(/give one that bonsaic build DIR has made; --foreign flashes/);
    expect(refused.status).to.equal(5);
    const run = await runHere(['flash', path, ...args, '--foreign']);
    expect(run.stdout).to.match(/4096 bytes pass the simulated esp32c3’s boot loader/);
    expect(run.status).to.equal(0);
  });

  for (const [target, extension] of [
    ['rp2040', 'uf2'],
    ['stm32f405', 'bin'],
    ['esp32c3', 'bin'],
  ] as const) {
    it(`sends the image of ${target} through its boot loader on the simulated USB`, async () => {
      const run = await runHere(['flash', compiled(target), '--port', 'sim:usb']);
      expect(run.stdout).to.match(
        new RegExp(`\\.${extension}: \\d{4,} bytes pass the simulated ${target}`),
      );
      expect(run.status).to.equal(0);
    });
  }

  for (const target of ['mps2-an385', 'host']) {
    it(`says that no boot loader of ${target} is on a simulated USB`, async () => {
      const path = join(directory, 'noise');
      writeFileSync(path, noise);
      const run = await runHere(['flash', path, '--target', target, '--port', 'sim:usb']);
      expect(run.stderr).to.match(/no boot loader of \S+ on USB is simulated\n.*--port sim checks/);
      expect(run.status).to.equal(5);
    });
  }

  it('checks an executable', async () => {
    const path = join(compiled('stm32f405'), 'build/activity.elf');
    const run = await runHere(['flash', path, '--target', 'stm32f405', '--port', 'sim']);
    expect(run.stdout).to.match(/\d{4,} bytes fit.* the simulated stm32f405 loads/);
    expect(run.status).to.equal(0);
  });

  const damages: [edge: string, damage: (bytes: Uint8Array) => Uint8Array, text: RegExp][] = [
    [
      'cut to half',
      (bytes) => bytes.subarray(0, bytes.length >> 1),
      /cut off|not complete|not whole/,
    ],
    [
      'without its last byte',
      (bytes) => bytes.subarray(0, -1),
      /cut off|not whole|its end does not have the CRC-32/,
    ],
    [
      'with a changed byte in its code',
      // Blocks of .uf2 have 512 bytes: behind 32 of its header are 256 of the image.
      (bytes) => {
        const place = (bytes.length >> 2) - ((bytes.length >> 2) % 512) + 52;
        return bytes.map((byte, i) => (i === place ? byte ^ 4 : byte));
      },
      /is damaged: .*CRC-32/,
    ],
  ];
  for (const [target, extension] of [
    ['stm32f405', 'bin'],
    ['stm32f405', 'elf'],
    ['esp32c3', 'bin'],
    ['rp2040', 'uf2'],
    ['mps2-an385', 'elf'],
    ['host', 'elf'],
  ] as const) {
    it(`erases nothing for a .${extension} of ${target} that is cut off or damaged`, async () => {
      const built = join(compiled(target), `build/activity.${extension}`);
      if (!existsSync(built)) {
        await runHere(['compile', model, '--target', target, '-o', compiled(target)]);
        expect((await runHere(['build', compiled(target)])).status).to.equal(0);
      }
      const args = ['--target', target, '--port', 'sim'];
      expect((await runHere(['flash', built, ...args])).status, 'whole').to.equal(0);
      for (const [edge, damage, text] of damages) {
        const path = join(directory, 'damaged');
        writeFileSync(path, damage(new Uint8Array(readFileSync(built))));
        const run = await runHere(['flash', path, ...args]);
        expect(run.stderr, edge).to.match(text);
        expect(run.stderr, edge).not.to.match(/DataView|bounds/);
        expect(run.status, edge).to.equal(5);
      }
    });
  }

  it('takes an image of make alone, or one changed beside its checksums, as --foreign only', async () => {
    const path = compiled('made');
    await runHere(['compile', model, '--target', 'stm32f405', '-o', path]);
    execFileSync('make', ['-s', '-j2'], { cwd: path, stdio: 'ignore' });
    const bin = join(path, 'build/activity.bin');
    const args = ['flash', bin, '--target', 'stm32f405', '--port', 'sim'];
    const made = await runHere(args);
    expect(made.stderr).to.match(
      /linked by make alone, so nothing tells whether it is whole: noth/,
    );
    expect(made.stderr).to.match(/bonsaic build DIR; --foreign flashes it as it is/);
    expect(made.status).to.equal(5);
    expect((await runHere([...args, '--foreign'])).status).to.equal(0);
    expect((await runHere(['flash', path, '--port', 'sim'])).status, 'the folder').to.equal(0);
    execFileSync('sha256sum', ['-c', '--quiet', 'SHA256SUMS'], { cwd: join(path, 'build') });

    // Another whole image of this board in its place, which its record cannot tell.
    copyFileSync(bin, join(directory, 'other.bin'));
    const sums = join(path, 'build/SHA256SUMS');
    writeFileSync(sums, readFileSync(sums, 'utf8').replace(/^.{4}/gm, 'beef'));
    const changed = await runHere(args);
    expect(changed.stderr).to.match(
      /was changed after bonsaic build, which has noted its checksum/,
    );
    expect(changed.status).to.equal(5);
    const away = ['flash', join(directory, 'other.bin'), ...args.slice(2)];
    expect((await runHere(away)).status, 'known by its record').to.equal(0);
  }).timeout(60_000);

  it('builds again what was damaged after its build', async () => {
    const bin = join(compiled('stm32f405'), 'build/activity.bin');
    expect((await runHere(['build', compiled('stm32f405')])).status).to.equal(0);
    const whole = readFileSync(bin);
    for (const [edge, damage] of damages) {
      writeFileSync(bin, damage(whole));
      expect((await runHere(['build', compiled('stm32f405')])).status, edge).to.equal(0);
      expect(readFileSync(bin).equals(whole), edge).to.equal(true);
    }
  });

  for (const port of ['sim', '/dev/ttyACM0', 'auto']) {
    it(`refuses a directory of another target than --target, at ${port}`, async () => {
      const args = ['flash', compiled('rp2040'), '--target', 'stm32f405', '--port', port];
      const run = await runHere(args);
      expect(run.stderr).to.match(/--target stm32f405.*\n?.*rp2040/);
      expect(run.stderr).not.to.match(/Build/);
      expect(run.status).to.equal(1);
    });
  }
});

describe('bonsaic simulate', () => {
  const rows: [edge: string, target: string, says: RegExp, not: RegExp][] = [
    ['a simulator alone', 'mps2-an385', /bonsaic run MODEL --target mps2-an385 --port sim/, /^$/],
    ['sources alone', 'cortex-m4', /boards with one: /, /--port sim/],
    ['ESP-IDF', 'esp32', /boards with one: /, /--port sim/],
    ['a drive that nothing simulates', 'rp2350', /boards with one: /, /--port sim/],
  ];
  for (const [edge, target, says, not] of rows) {
    it(`of a board without a simulated boot loader: ${edge}`, async () => {
      const run = await runHere(['simulate', target, '--link', '/nowhere/link']);
      expect(run.stderr)
        .to.match(/has no boot loader that is simulated/)
        .and.match(says);
      expect(run.stderr).not.to.match(not);
      expect(run.status).to.equal(1);
    });
  }

  it('help and docs/usage.md name the boards that there are', async () => {
    const { stdout } = await runHere(['help', 'simulate']);
    const row = readFileSync('docs/usage.md', 'utf8').match(/\| `bonsaic simulate .*/)?.[0] ?? '';
    for (const { name } of simulatedBoards()) {
      expect(stdout).to.include(name);
      expect(row).to.include(name.startsWith('stm32') ? 'STM32' : name);
    }
  });
});
