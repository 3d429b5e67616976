/** A board that changes any frame: the whole command ends with 0, with 5, or with 6 where outputs differ. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { readManifest } from '../../src/boards/build/directory.js';
import { simulators } from '../../src/boards/device/index.js';
import {
  type Command,
  commands,
  encodeFrame,
  errorType,
  type Frame,
} from '../../src/boards/profile/protocol.js';
import { packageFile } from '../../src/package.js';
import { readModule } from '../../src/pipeline/directory.js';
import { runHere } from '../support/command.js';
import { FakeBoard, type FakeOptions } from '../support/fake-board.js';
import { Random } from '../support/module.js';
import { needs } from '../support/skip.js';

const names = Object.keys(commands) as Command[];
const words = [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff];

/** What a mutation does to the answer; each keeps to whole frames or spoils them. */
const mutations: Readonly<
  Record<string, (answer: Frame, below: (n: number) => number) => Uint8Array>
> = {
  'a bit of the body, CRC right': (answer, below) => {
    const body = Uint8Array.from(answer.body);
    if (body.length > 0) {
      const at = below(body.length);
      body[at] = (body[at] as number) ^ (1 << below(8));
    }
    return encodeFrame({ ...answer, body });
  },
  'an extreme word in the body, CRC right': (answer, below) => {
    const body = Buffer.from(answer.body);
    if (body.length >= 4)
      body.writeUInt32LE(words[below(words.length)] ?? 0, below(body.length - 3));
    return encodeFrame({ ...answer, body });
  },
  'a body cut short': (answer, below) =>
    encodeFrame({ ...answer, body: answer.body.subarray(0, below(answer.body.length + 1)) }),
  'a body too long': (answer, below) =>
    encodeFrame({ ...answer, body: Buffer.concat([answer.body, Buffer.alloc(1 + below(40), 7)]) }),
  'any header': (answer, below) => {
    const version = below(3) === 0 ? below(256) : 1;
    return encodeFrame({ ...answer, version, type: below(256), tag: below(2 ** 31) });
  },
  'an error with any body': (answer, below) => {
    const body = Uint8Array.from({ length: below(30) }, () => below(256));
    return encodeFrame({ ...answer, type: errorType, body });
  },
  'a bit on the wire': (answer, below) => {
    const wire = encodeFrame(answer);
    const at = below(wire.length);
    wire[at] = (wire[at] as number) ^ (1 << below(8));
    return wire;
  },
  'a frame cut short': (answer, below) => {
    const wire = encodeFrame(answer);
    return wire.subarray(0, below(wire.length));
  },
  'a frame twice': (answer) => Buffer.concat([encodeFrame(answer), encodeFrame(answer)]),
  garbage: (_, below) => Uint8Array.from({ length: below(3000) }, () => below(256)),
};

describe('profile on a board that changes frames', () => {
  const parent = mkdtempSync(join(tmpdir(), 'bonsaic-mutations-'));
  const directory = join(parent, 'out');
  const host = simulators.get('process') as { open: unknown };
  const { open } = host;
  const { setTimeout: realTimeout } = globalThis;
  before(async function () {
    needs(this, 'gcc');
    const model = packageFile('examples/activity/activity.tflite');
    const { status, stderr: err } = await runHere([
      'compile',
      model,
      '--target',
      'host',
      '-o',
      directory,
    ]);
    expect(status, err).to.equal(0);
    // What a device does not answer within seconds it never answers here.
    globalThis.setTimeout = ((work: () => void, ms = 0) =>
      realTimeout(work, ms / 50)) as typeof globalThis.setTimeout;
  });
  after(() => {
    Object.assign(host, { open });
    globalThis.setTimeout = realTimeout;
    rmSync(parent, { recursive: true, force: true });
  });

  async function profile(misbehave: NonNullable<FakeOptions['misbehave']>) {
    const manifest = readManifest(directory);
    const board = new FakeBoard(readModule(directory, manifest), manifest, {
      misbehave,
      clockHz: 1e9,
    });
    host.open = async () => board;
    return { ...(await runHere(['profile', directory, '--port', 'sim', '--json'])), board };
  }

  it('takes an honest one', async () => {
    const { status, stderr: err } = await profile(() => undefined);
    expect(status, err).to.equal(0);
  });

  for (const [mutation, change] of Object.entries(mutations)) {
    it(mutation, async () => {
      for (let seed = 1; seed <= 12; seed++) {
        const random = new Random(seed);
        const below = (n: number) =>
          (random.int8(4) as Int8Array).reduce(
            (sum, byte) => (sum * 256 + (byte & 255)) % 2 ** 40,
            0,
          ) % n;
        // One answer of one command is changed, or every one of it.
        const chosen = names[(seed - 1) % (names.length - 1)] as Command;
        const every = below(2) === 0;
        const {
          status,
          stdout: out,
          stderr: err,
        } = await profile((command, attempt) =>
          command === chosen && (every || attempt === 1)
            ? (answer) => change(answer, below)
            : undefined,
        );
        const where = `seed ${seed}, ${mutation} in ${chosen}: ${err}`;
        const mayDiffer = /^(writeInput|readOutput|readChecksums|checksums)$/.test(chosen);
        expect(status, where).to.be.oneOf(mayDiffer ? [0, 5, 6] : [0, 5]);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: that is the point
        expect(`${out}${err}`, where).not.to.match(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/);
        const document = JSON.parse(out);
        if (status === 5) expect(document.error, where).to.include({ exit: 5 });
        else expect(document.latency.ms, where).to.be.a('number').and.to.be.within(0, 86_400_000);
      }
    });
  }
});
