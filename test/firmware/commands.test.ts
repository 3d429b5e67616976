/** The command loop, compiled for this machine with sanitizers, over pipes. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { expect } from 'chai';
import fc from 'fast-check';
import { type Frame, FrameReader } from '../../src/boards/profile/protocol.js';
import { loadTarget } from '../../src/boards/target/index.js';
import { buildFirmware, fake, request, u16, u32, u64 } from '../support/firmware.js';
import { runs as share } from '../support/runs.js';

/** A firmware as a process. */
class Board {
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly reader = new FrameReader();
  private readonly frames: Frame[] = [];
  private wake = () => {};
  complaint = '';
  readonly ended: Promise<number | null>;

  constructor(program: string) {
    this.child = spawn(program);
    this.child.stdout.on('data', (bytes: Buffer) => {
      this.frames.push(...this.reader.push(bytes));
      this.wake();
    });
    this.child.stderr.on('data', (text: Buffer) => {
      this.complaint += text.toString();
    });
    this.ended = new Promise((resolve) => this.child.once('close', resolve));
    this.ended.then(() => this.wake());
  }

  /** Sends bytes, then a hello of its own: what was answered before that one's answer. */
  async send(...pieces: Uint8Array[]): Promise<Frame[]> {
    for (const piece of pieces) this.child.stdin.write(piece);
    this.child.stdin.write(request('hello', [], { sequence: 0xbeef }));
    const answers: Frame[] = [];
    for (;;) {
      const frame = this.frames.shift();
      if (frame?.sequence === 0xbeef) return answers;
      if (frame !== undefined) answers.push(frame);
      else if (this.child.exitCode !== null) throw new Error(`it died: ${this.complaint}`);
      else {
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
      }
    }
  }

  /** The answer to what ends the process. */
  async last(bytes: Uint8Array): Promise<Frame> {
    this.child.stdin.write(bytes);
    await this.ended;
    const answer = this.frames.shift();
    if (answer === undefined) throw new Error(`no answer: ${this.complaint}`);
    return answer;
  }

  async ask(bytes: Uint8Array): Promise<Frame> {
    const [answer, ...more] = await this.send(bytes);
    if (answer === undefined || more.length > 0) throw new Error('not one answer');
    return answer;
  }

  end(): Promise<number | null> {
    this.child.stdin.end();
    return this.ended;
  }
}

describe('firmware: the command loop', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bonsaic-firmware-'));
  let program: string;
  let board: Board;

  before(() => {
    const sanitizers = ['-g', '-fsanitize=address,undefined', '-fno-sanitize-recover'];
    program = buildFirmware(loadTarget('host'), directory, sanitizers);
  });
  beforeEach(() => {
    board = new Board(program);
  });
  afterEach(async () => {
    expect(await board.end(), board.complaint).to.equal(0);
  });
  after(() => rmSync(directory, { recursive: true }));

  const input = (index: number, offset: number, bytes: ArrayLike<number>) =>
    request('writeInput', [...u16(index), ...u32(offset), ...Array.from(bytes)]);
  const output = (index: number, offset: number, length: number) =>
    request('readOutput', [...u16(index), ...u32(offset), ...u16(length)]);
  const ramp = Uint8Array.from({ length: 1500 }, (_, i) => (i * 7) & 255);

  it('hello names model, clock, unit, largest body and target', async () => {
    const { type, sequence, tag, body } = await board.ask(request('hello', [], { tag: 0 }));
    expect({ type, sequence, tag }).to.deep.equal({ type: 0x81, sequence: 7, tag: fake.tag });
    const [sha256, texts] = [Buffer.from(fake.sha256, 'hex'), Buffer.from('host\x001.2.3\0fake\0')];
    expect([...body]).to.deep.equal([...sha256, ...u32(1e9), 2, ...u16(1024), ...texts]);
  });

  it('answers a request that comes again, without another run', async () => {
    // Enough rounds that no two runs take the same number of nanoseconds.
    await board.ask(input(1, 4, u32(100_000)));
    const infer = request('infer', [], { sequence: 9 });
    const [first, again] = await board.send(infer, infer);
    expect(again).to.deep.equal(first);
    const profile = await board.ask(request('profile', [], { sequence: 9 }));
    expect(profile.type).to.equal(0x86);
    expect(profile.body).not.to.deep.equal(first?.body);
    const [, , later] = await board.send(infer, request('info', [], { sequence: 8 }), infer);
    expect(later?.body).not.to.deep.equal(first?.body);
  });

  it('info gives the sizes of everything', async () => {
    const { body } = await board.ask(request('info'));
    expect([...body]).to.deep.equal([
      ...u32(fake.arenaBytes),
      ...[fake.steps, fake.spans, 2, 2].flatMap(u16),
      ...[1500, 16, 1500, 16].flatMap(u32),
    ]);
  });

  it('runs on inputs written in chunks, outputs are read in chunks', async () => {
    await board.send(input(0, 0, ramp.subarray(0, 1018)), input(0, 1018, ramp.subarray(1018)));
    await board.send(input(1, 15, [9]), input(1, 0, [5]));
    const { body } = await board.ask(request('infer'));
    expect(body).to.have.length(8);
    const parts = await board.send(output(0, 0, 1024), output(0, 1024, 476), output(1, 0, 16));
    const [first, second, last] = parts.map((part) => [...part.body]);
    expect([...(first ?? []), ...(second ?? [])]).to.deep.equal([...ramp].reverse());
    expect(last).to.deep.equal([5, ...new Array(14).fill(0), 9]);
  });

  it('profiles each step', async () => {
    const before = await board.ask(request('readCounts', [...u16(0), ...u16(1)]));
    expect(u64(before.body)).to.equal(0);
    const whole = u64((await board.ask(request('profile'))).body);
    const [head, tail] = await board.send(
      request('readCounts', [...u16(0), ...u16(128)]),
      request('readCounts', [...u16(128), ...u16(2)]),
    );
    expect([head?.body.length, tail?.body.length]).to.deep.equal([1024, 16]);
    const counts = Array.from({ length: 128 }, (_, i) =>
      u64(head?.body ?? new Uint8Array(), 8 * i),
    );
    expect(counts.reduce((a, b) => a + b)).to.be.at.most(whole);
  });

  it('takes the checksum of each span', async () => {
    await board.send(input(0, 0, ramp.subarray(0, 130)), input(1, 0, [0xa5]));
    expect((await board.ask(request('checksums'))).body).to.have.length(0);
    const parts = await board.send(
      request('readChecksums', [...u16(0), ...u16(256)]),
      request('readChecksums', [...u16(256), ...u16(4)]),
    );
    const all = Buffer.concat(parts.map((part) => part.body));
    const wanted = Array.from({ length: 130 }, (_, k) => [(k * 7 + 1) & 255, 0xa5 ^ k]).flat();
    expect(Array.from({ length: 260 }, (_, i) => all.readUInt32LE(4 * i))).to.deep.equal(
      wanted.map((byte) => crc32(Uint8Array.of(byte))),
    );
  });

  it('memory: nothing to measure in a process', async () => {
    expect([...(await board.ask(request('memory'))).body]).to.deep.equal(new Array(12).fill(0));
  });

  it('resets the states, and answers without a body', async () => {
    const read = () => board.ask(output(0, 0, 1));
    await board.ask(request('infer'));
    expect([...(await read()).body]).to.not.deep.equal([77]);
    expect([...(await board.ask(request('reset'))).body]).to.deep.equal([]);
    expect([...(await read()).body]).to.deep.equal([77]);
  });

  it('ends on reboot, after the answer', async () => {
    expect((await board.last(request('reboot'))).type).to.equal(0x8b);
    expect(await board.ended).to.equal(0);
  });

  const refused: [edge: string, bytes: Uint8Array, error: number][] = [
    ['another version', request('info', [], { version: 2 }), 1],
    ['another version, even of hello', request('hello', [], { version: 0 }), 1],
    ['version goes before model and command', request(0x77, [], { version: 9, tag: 1 }), 1],
    ['another model', request('infer', [], { tag: fake.tag + 1 }), 2],
    ['no model, but not hello', request('info', [], { tag: 0 }), 2],
    ['model goes before command', request(0x77, [], { tag: 0 }), 2],
    ['command 0', request(0), 3],
    ['the command after the last', request(13), 3],
    ['an answer as command', request(0x81), 3],
    ['an error as command', request(0xff), 3],
    ['input index past the end', input(2, 0, [1]), 4],
    ['largest input index', input(0xffff, 0, [1]), 4],
    ['one byte past an input', input(1, 16, [1]), 4],
    ['an input chunk that ends past it', input(1, 10, new Uint8Array(7)), 4],
    ['an offset that wraps around', input(1, 0xffff_fff8, new Uint8Array(16)), 4],
    ['output index past the end', output(2, 0, 1), 4],
    ['one byte past an output', output(1, 16, 1), 4],
    ['an output offset that wraps around', output(1, 0xffff_ffff, 2), 4],
    ['more of an output than a body holds', output(0, 0, 1025), 4],
    ['counts past the last step', request('readCounts', [...u16(130), ...u16(1)]), 4],
    ['more counts than a body holds', request('readCounts', [...u16(0), ...u16(129)]), 4],
    ['checksums past the last span', request('readChecksums', [...u16(250), ...u16(11)]), 4],
    ['more checksums than a body holds', request('readChecksums', [...u16(0), ...u16(257)]), 4],
    ['hello with a body', request('hello', [0]), 5],
    ['infer with a body', request('infer', [0]), 5],
    ['an input without its offset', request('writeInput', [0, 0, 0, 0, 0]), 5],
    ['an output request too long', request('readOutput', new Uint8Array(9)), 5],
    ['a counts request too short', request('readCounts', [0, 0, 0]), 5],
    ['the longest body where none belongs', request('memory', new Uint8Array(1024)), 5],
  ];
  it('refuses what cannot be done, with a code and a text', async () => {
    for (const [edge, bytes, error] of refused) {
      const { type, sequence, tag, body } = await board.ask(bytes);
      expect({ type, sequence, tag, error: body[0] }, edge).to.deep.equal({
        ...{ type: 0xff, sequence: 7, tag: fake.tag },
        error,
      });
      expect(Buffer.from(body.subarray(1)).toString(), edge).to.match(/^[a-z ]{5,30}$/);
    }
  });

  it('accepts the edges of what exists', async () => {
    const allowed = [
      input(1, 16, []),
      input(0, 482, new Uint8Array(1018)),
      output(0, 1500, 0),
      output(0, 476, 1024),
      request('readCounts', [...u16(130), ...u16(0)]),
      request('hello', [], { tag: 1 }),
    ];
    const answers = await board.send(...allowed);
    expect(answers.map(({ type }) => type)).to.deep.equal([0x83, 0x83, 0x85, 0x85, 0x87, 0x81]);
  });

  const zero = Uint8Array.of(0);
  const good = request('info', [], { sequence: 1 });
  const damaged = good.map((byte, i) => (i === 9 ? byte ^ 0x40 : byte));
  const garbage = Uint8Array.from({ length: 5000 }, (_, i) => 1 + ((i * 31) % 255));
  const dropped: [edge: string, pieces: Uint8Array[]][] = [
    ['nothing between zeros', [zero, zero, zero]],
    ['text', [Buffer.from('AT\r\n\0')]],
    ['garbage without an end, longer than any frame', [garbage, zero]],
    ['a damaged byte', [damaged]],
    ['half a frame, then the end', [good.subarray(0, 8), zero]],
    ['the second half of a frame', [good.subarray(8)]],
    ['a frame without its CRC', [Uint8Array.of(9, 1, 2, 3, 4, 5, 6, 7, 8, 0)]],
    ['a frame that ends within a block', [Uint8Array.of(200, 1, 2, 3, 0)]],
    ['one byte', [Uint8Array.of(1, 0)]],
    ['blocks of only codes', [new Uint8Array(3000).fill(1), zero]],
    ['full blocks without a zero', [new Uint8Array(3000).fill(255), zero]],
  ];
  it('drops what is no frame, and answers the next one', async () => {
    for (const [edge, pieces] of dropped) {
      const answers = await board.send(...pieces, good);
      expect(
        answers.map(({ type, sequence }) => ({ type, sequence })),
        edge,
      ).to.deep.equal([{ type: 0x82, sequence: 1 }]);
    }
  });

  it('takes frames in any pieces, and several at once', async () => {
    const bytes = Buffer.concat([good, good, request('memory')]);
    const singles = [...bytes].map((byte) => Uint8Array.of(byte));
    expect((await board.send(bytes)).map(({ type }) => type)).to.deep.equal([0x82, 0x82, 0x8a]);
    expect((await board.send(...singles)).map(({ type }) => type)).to.deep.equal([
      0x82, 0x82, 0x8a,
    ]);
  });

  it('frames any bytes as the host does (property)', async () => {
    const runs = fc.oneof(
      fc.uint8Array({ maxLength: 1018 }),
      // Runs around COBS's block of 254, with and without zeros at their ends.
      fc
        .array(fc.tuple(fc.integer({ min: 252, max: 256 }), fc.boolean()), { maxLength: 3 })
        .map((blocks) =>
          blocks.flatMap(([length, ends]) => [...new Array(length).fill(3), ...(ends ? [0] : [])]),
        ),
    );
    await fc.assert(
      fc.asyncProperty(runs, async (bytes) => {
        await board.send(input(0, 0, bytes), request('infer'));
        const { body } = await board.ask(output(0, 1500 - bytes.length, bytes.length));
        expect([...body].reverse()).to.deep.equal([...bytes]);
      }),
      { numRuns: share(60) },
    );
  });

  it('survives any bytes and still answers (property)', async () => {
    const pieces = fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 40 }),
        fc.constant(zero),
        fc
          .tuple(fc.integer({ min: 0, max: 10 }), fc.uint8Array({ maxLength: 12 }))
          .map(([type, body]) => request(type, body)),
        fc.integer({ min: 0, max: good.length }).map((end) => good.subarray(0, end)),
      ),
      { maxLength: 12 },
    );
    await fc.assert(
      fc.asyncProperty(pieces, async (bytes) => {
        const answers = await board.send(...bytes, zero, good);
        expect(answers.at(-1)).to.include({ type: 0x82, sequence: 1 });
      }),
      { numRuns: share(200) },
    );
  });
});
