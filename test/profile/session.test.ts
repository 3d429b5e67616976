import { expect } from 'chai';
import {
  type Command,
  encodeFrame,
  errorType,
  type Frame,
} from '../../src/boards/profile/protocol.js';
import { openSession, runTimeoutOf } from '../../src/boards/profile/session.js';
import { mainGraph } from '../../src/compiler/ir/graph.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { BonsaiError } from '../../src/errors.js';
import { chainModule, FakeBoard, type FakeOptions, manifestOf } from '../support/fake-board.js';
import { inVirtualTime } from '../support/time.js';

const module = chainModule(2500);
const manifest = manifestOf(module);
const input = Int8Array.from({ length: 2500 }, (_, i) => (i * 37) % 256);
/** In virtual time where a board may fall silent. */
const quick = { timeoutMs: 60, runTimeoutMs: 80 };
/** Never over, however slow this machine is. */
const patient = { timeoutMs: 600_000, runTimeoutMs: 600_000 };

const text = (words: string) => new Uint8Array(Buffer.from(words));
const nothing = new Uint8Array(0);

async function use(options: FakeOptions, work = infer) {
  const board = new FakeBoard(module, manifest, options);
  return { board, result: await inVirtualTime(() => work(board), 2000) };
}

async function infer(board: FakeBoard) {
  const session = await openSession(board, manifest, quick);
  return session.infer([input]);
}

/** Answers one command with another type and body, in a frame that is whole. */
function answering(command: Command, type: number, body: string): FakeOptions {
  const misbehave = (asked: Command) =>
    asked === command
      ? (answer: Frame) =>
          encodeFrame({ ...answer, type, body: new Uint8Array(Buffer.from(body, 'latin1')) })
      : undefined;
  return { misbehave };
}

async function failure(options: FakeOptions): Promise<BonsaiError> {
  try {
    await use(options);
  } catch (error) {
    if (error instanceof BonsaiError) return error;
    throw error;
  }
  throw new Error('it worked');
}

describe('profile/session', () => {
  it('writes in chunks, runs, reads in chunks', async () => {
    const { board, result } = await use({ maxBody: 256, counts: [2 ** 40], clockHz: 1e9 });
    const { outputs } = evaluateGraph(mainGraph(module), [input]);
    expect(result.outputs).to.deep.equal(outputs);
    expect(result.count).to.equal(2 ** 40);
    expect(board.log.filter((command) => command === 'writeInput')).to.have.length(10);
    expect(board.log.filter((command) => command === 'readOutput')).to.have.length(10);
  });

  it('profiles, takes checksums, reads the memory, reboots and closes', async () => {
    const board = new FakeBoard(module, manifest);
    const session = await openSession(board, manifest, patient);
    expect(await session.profile([input])).to.deep.equal({ count: 1000, steps: [100, 101, 102] });
    expect(await session.checksums([input])).to.have.length(3);
    expect((await session.memory()).stackBytes).to.equal(512);
    await session.reboot();
    await session.close();
    expect(board.closed).to.equal(true);
  });

  it('refuses an input of another size before anything is written', async () => {
    const board = new FakeBoard(module, manifest);
    const session = await openSession(board, manifest, patient);
    const error = await session.infer([new Int8Array(3)]).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(BonsaiError).with.property('code', 'bad-vectors');
    expect(board.log).not.to.include('writeInput');
  });

  it('keeps to the protocol’s largest body, whatever the device promises', async () => {
    const { board, result } = await use({ maxBody: 65_535 });
    expect(result.outputs).to.deep.equal(evaluateGraph(mainGraph(module), [input]).outputs);
    expect(board.log.filter((command) => command === 'writeInput')).to.have.length(3);
  });

  describe('refuses', () => {
    const rows: [
      edge: string,
      command: Command,
      body: number[],
      ram: number | null,
      message: RegExp,
    ][] = [
      [
        'more stack than there is',
        'memory',
        [4097, 4096, 0],
        null,
        /4097 bytes used of a stack of 4096/,
      ],
      [
        'more RAM than the board has',
        'memory',
        [2 ** 31, 2 ** 32 - 1, 2 ** 31],
        264 * 1024,
        /answers memory with \d+ bytes of RAM used: host has 270336/,
      ],
      [
        'steps that take longer than their run',
        'readCounts',
        [1_002_001, 0, 0, 0, 0, 0],
        null,
        /counts 1000 cycles for a run and 1002001 for its steps/,
      ],
      [
        'steps that take nothing: the board has restarted',
        'readCounts',
        [0, 0, 0, 0, 0, 0],
        null,
        /counts no cycles for the last 3 steps of a run of 1000/,
      ],
    ];
    for (const [edge, command, words, ramBytes, message] of rows) {
      it(edge, async () => {
        const body = new Uint8Array(Uint32Array.from(words).buffer);
        const board = new FakeBoard(module, manifest, {
          misbehave: (asked) =>
            asked === command ? (a) => encodeFrame({ ...a, body }) : undefined,
        });
        const session = await openSession(board, manifest, { ...quick, ramBytes });
        const asked = command === 'memory' ? session.memory() : session.profile([input]);
        const error = await asked.catch((reason: unknown) => reason);
        expect(error).to.be.instanceOf(BonsaiError).with.property('exitStatus', 5);
        expect((error as BonsaiError).message).to.match(message);
      });
    }

    it('nothing of a run of a day, a stack in full use, and steps at the limit', async () => {
      const words = (values: number[]) => new Uint8Array(Uint32Array.from(values).buffer);
      const bodies: Partial<Record<Command, Uint8Array>> = {
        memory: words([4096, 4096, 100]),
        readCounts: words([172_800_000 + 1_000_000, 0, 0, 0, 0, 0]),
      };
      const board = new FakeBoard(module, manifest, {
        ...{ clockHz: 1000, counts: [86_400_000] },
        misbehave: (asked) => {
          const body = bodies[asked];
          return body && ((answer) => encodeFrame({ ...answer, body }));
        },
      });
      const ramBytes = manifest.plan.arenaBytes + 4196;
      const session = await openSession(board, manifest, { ...quick, ramBytes });
      expect((await session.infer([input])).count).to.equal(86_400_000);
      expect((await session.profile([input])).steps).to.deep.equal([173_800_000, 0, 0]);
      expect((await session.memory()).stackBytes).to.equal(4096);
    });
  });

  describe('asks once more', () => {
    const rows: [edge: string, first: (bytes: Uint8Array) => Uint8Array][] = [
      ['when no answer came', () => nothing],
      ['when half an answer came', (bytes) => bytes.subarray(0, bytes.length / 2)],
      [
        'when the answer was spoilt',
        (bytes) => bytes.map((byte, i) => (i === 9 ? byte ^ 1 : byte)),
      ],
      ['when garbage with zeros came', () => Uint8Array.of(1, 2, 3, 0, 9, 9, 0)],
    ];
    for (const [edge, first] of rows) {
      it(edge, async () => {
        const { board } = await use({
          misbehave: (command, attempt) =>
            command === 'readOutput' && attempt === 1
              ? (answer) => first(encodeFrame(answer))
              : undefined,
        });
        expect(board.log.filter((command) => command === 'readOutput')).to.have.length(4);
      });
    }
  });

  it('does not take an earlier request’s late answer for the one awaited', async () => {
    const { result } = await use({
      misbehave: (command, attempt) => {
        if (command !== 'readOutput' || attempt > 2) return undefined;
        return (answer) => {
          const body = answer.body.map(() => 0);
          const late = { ...answer, sequence: (answer.sequence - 1) & 0xffff, body };
          return Buffer.concat([encodeFrame(late), encodeFrame(answer)]);
        };
      },
    });
    expect(result.outputs).to.deep.equal(evaluateGraph(mainGraph(module), [input]).outputs);
  });

  it('numbers its requests from anywhere, so that a killed program’s answers are not its own', async () => {
    const firsts = new Set<number>();
    for (let session = 0; session < 8; session++) {
      let first: number | null = null;
      await use({
        misbehave: () => (answer) => {
          first ??= answer.sequence;
          return encodeFrame(answer);
        },
      });
      firsts.add(first ?? -1);
    }
    expect(firsts.size).to.be.above(1);
  });

  it('asks again for a lost answer, and the board does not run again', async () => {
    const lost = (command: Command, attempt: number) =>
      attempt === 1 && ['infer', 'writeInput', 'readOutput'].includes(command)
        ? () => nothing
        : undefined;
    const { board, result } = await use({ misbehave: lost, counts: [7, 8] }, async (fake) => {
      const session = await openSession(fake, manifest, { timeoutMs: 60, runTimeoutMs: 300 });
      return session.infer([input]);
    });
    expect(result.outputs).to.deep.equal(evaluateGraph(mainGraph(module), [input]).outputs);
    expect(result.count).to.equal(7);
    expect(board.runs).to.equal(1);
    expect(board.log.filter((command) => command === 'infer')).to.have.length(2);
  });

  describe('fails within the time-out and says why', () => {
    const rows: [edge: string, options: FakeOptions, message: RegExp, hint: RegExp][] = [
      [
        'nothing answers',
        { misbehave: () => () => nothing },
        /did not answer hello within 0.12 s, asked 2 times/,
        /bonsaic flash/,
      ],
      [
        'half a frame',
        { misbehave: () => (answer) => encodeFrame(answer).subarray(0, 20) },
        /sent 40 bytes but no complete frame/,
        /cable/,
      ],
      [
        'another program: a console that prints lines',
        { misbehave: () => () => text('>>> \0Traceback (most recent call last)\r\n\0') },
        /sent text instead of an answer to hello within 0.12 s, asked 2 times: ">>> Traceback \(/,
        /another program runs on the board/,
      ],
      [
        'what it is sent',
        { misbehave: () => (answer) => encodeFrame({ ...answer, type: answer.type & 0x7f }) },
        /sends back what it is sent, no answer to hello/,
        /RX and TX are connected/,
      ],
      [
        'garbage: another baud rate',
        { misbehave: () => () => Uint8Array.of(0xe6, 0x18, 0, 0x9e, 0x66, 0xf8, 0, 0x86) },
        /sent 16 bytes of garbage/,
        /baud rate is wrong/,
      ],
      [
        'garbage without end',
        { misbehave: () => () => new Uint8Array(4000).fill(0x55) },
        /sent 8000 bytes of garbage/,
        /baud rate/,
      ],
      [
        'another model',
        { sha256: 'cd'.repeat(32) },
        /runs another model \(sha256 cdcdcdcdcdcd…\), not chain \(abababababab…\)/,
        /bonsaic flash/,
      ],
      ['another build of the model', { tag: 'ffeeddcc' }, /another build of it/, /bonsaic flash/],
      [
        'another target',
        { target: 'rp2040' },
        /firmware for rp2040, not for host/,
        /bonsaic flash/,
      ],
      [
        'another protocol',
        { misbehave: () => (answer) => encodeFrame({ ...answer, version: 2 }) },
        /speaks version 2/,
        /build and flash again/,
      ],
      [
        'an error answer',
        {
          misbehave: (command) =>
            command === 'writeInput'
              ? (answer) => encodeFrame({ ...answer, type: errorType, body: text('\x04range') })
              : undefined,
        },
        /refuses writeInput: error 4, range/,
        /differ/,
      ],
      [
        'a model that changed under the session',
        {
          misbehave: (command) =>
            command === 'infer'
              ? (answer) => encodeFrame({ ...answer, type: errorType, body: text('\x02') })
              : undefined,
        },
        /runs another model now/,
        /flash this model again/,
      ],
      [
        'an answer of another model, which should have refused',
        {
          misbehave: (command) =>
            command === 'readOutput' ? (answer) => encodeFrame({ ...answer, tag: 1 }) : undefined,
        },
        /refuses readOutput: it runs another model now/,
        /flash this model again/,
      ],
      [
        'an answer of the wrong length',
        {
          misbehave: (command) =>
            command === 'infer'
              ? (answer) => encodeFrame({ ...answer, body: text('abc') })
              : undefined,
        },
        /answers infer with a body of 3 bytes/,
        /differ/,
      ],
      [
        'an error without a code',
        answering('writeInput', errorType, ''),
        /refuses writeInput without an error code/,
        /differ/,
      ],
      [
        'an error that a terminal would obey',
        answering('writeInput', errorType, `\x04\x1b[31mred\x9b2J\n${'x'.repeat(999)}`),
        /refuses writeInput: error 4, \\x1b\[31mred\ufffd2J x{60,90}…$/,
        /differ/,
      ],
      [
        'a target that a terminal would obey',
        { target: '\x1b]0;title\x07' },
        /firmware for \\x1b\]0;title\\x07, not for host/,
        /bonsaic flash/,
      ],
      ['a clock that stands still', { clockHz: 0 }, /answers hello with a clock of 0 Hz/, /differ/],
      ['a clock of a sundial', { clockHz: 999 }, /a clock of 999 Hz/, /differ/],
      [
        'a run of more than a day',
        { clockHz: 1000, counts: [86_400_001] },
        /answers infer with a count of 86400001: at 1000 Hz that is more than a day/,
        /differ/,
      ],
      [
        'it vanishes during a run',
        { misbehave: (command) => (command === 'infer' ? () => 'vanish' : undefined) },
        /went away during infer: unplugged/,
        /cable/,
      ],
      [
        'a run never ends',
        { misbehave: (command) => (command === 'infer' ? () => nothing : undefined) },
        /did not finish infer within 0.08 s/,
        /--timeout/,
      ],
    ];
    for (const [edge, options, message, hint] of rows) {
      it(edge, async () => {
        const error = await failure(options);
        expect(error.exitStatus).to.equal(5);
        expect(error.where).to.equal('fake');
        expect(error.message).to.match(message);
        expect(error.hint).to.match(hint);
      });
    }
  });

  const mebi = 2 ** 20;
  const timeouts: [edge: string, count: number, simulated: boolean, seconds: number][] = [
    ['nothing to estimate', 0, false, 10],
    ['a run of a second: ten times that', mebi, false, 10],
    ['a longer run', 1.5 * mebi, false, 15],
    ['more than a day', 1e12, false, 86_400],
    ['a simulator of a short run', 0, true, 300],
    ['a simulator of 0.3 s on the board', 0.3 * mebi, true, 300],
    ['a simulator of a longer run', mebi, true, 1000],
  ];
  for (const [edge, count, simulated, seconds] of timeouts) {
    it(`waits for a run: ${edge}`, () => {
      const [step] = manifest.plan.steps;
      const alternatives = [{ ...step?.alternatives[0], count }];
      const plan = { steps: [{ ...step, alternatives }] } as never;
      expect(runTimeoutOf(plan, mebi, simulated)).to.equal(1000 * seconds);
    });
  }

  it('a board that is silent in a run: tells what it waits for, ends after the estimate’s time-out', async () => {
    const told: string[] = [];
    const misbehave = (command: Command) => (command === 'infer' ? () => nothing : undefined);
    const board = new FakeBoard(module, manifest, { misbehave });
    const tell = (text: string) => void told.push(text);
    const work = async () => {
      const session = await openSession(board, manifest, { tell });
      return session.infer([input]).catch((error: unknown) => error);
    };
    const error = await inVirtualTime(work, 11_000);
    expect(error).to.include({ message: 'did not finish infer within 10 s, asked 3 times' });
    expect(told).to.deep.equal(['waiting for the answer to infer, 10 s at most']);
  });

  it('says nothing of answers that come within a second, and --timeout wins', async () => {
    const told: string[] = [];
    const misbehave = (command: Command, attempt: number) =>
      command === 'infer' && attempt === 1 ? () => nothing : undefined;
    const tell = (text: string) => void told.push(text);
    const work = async (timeoutMs: number, options: FakeOptions) => {
      const board = new FakeBoard(module, manifest, options);
      const times = { timeoutMs, runTimeoutMs: 1_500_000, tell };
      const session = await openSession(board, manifest, times);
      return session.infer([input]);
    };
    await inVirtualTime(() => work(990, { misbehave }), 2000);
    expect(told).to.deep.equal([]);
    await inVirtualTime(() => work(1010, { misbehave }), 2000);
    expect(told).to.deep.equal(['waiting for the answer to infer, 1500 s at most']);
  });

  it('refuses a device whose layout is not the manifest’s', async () => {
    const other = { ...manifest, plan: { ...manifest.plan, arenaBytes: 1 } };
    const board = new FakeBoard(module, manifest);
    const error = await openSession(board, other, patient).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(BonsaiError);
    expect((error as BonsaiError).message).to.match(/other arena/);
  });
});
