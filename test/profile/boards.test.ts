/** Several boards at once: what each does, what they share, and what one that fails leaves to the others. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { readManifest } from '../../src/boards/build/directory.js';
import { measureEach, measureSpread } from '../../src/boards/profile/boards.js';
import type { Measurement } from '../../src/boards/profile/measure.js';
import { seededVectors } from '../../src/boards/profile/seeded-vectors.js';
import { openSession } from '../../src/boards/profile/session.js';
import type { VectorPair } from '../../src/boards/profile/vectors.js';
import { verifyOnDevice } from '../../src/boards/profile/verify.js';
import { BonsaiError } from '../../src/errors.js';
import { packageFile } from '../../src/package.js';
import { readModule } from '../../src/pipeline/directory.js';
import { runHere } from '../support/command.js';
import { chainModule, FakeBoard, type FakeOptions, manifestOf } from '../support/fake-board.js';
import { onPty, type Pty } from '../support/pty.js';
import { needs } from '../support/skip.js';

const module = chainModule(16);
const manifest = manifestOf(module);
const [pair] = seededVectors(manifest.plan, module);
const vectors = Array.from({ length: 7 }, () => pair as VectorPair);
const patient = { timeoutMs: 600_000, runTimeoutMs: 600_000 };

/** Boards by port; each counts `base` + the number of its runs, to tell runs apart. */
function boardsOf(boards: Record<string, FakeOptions>) {
  const progress: string[] = [];
  return {
    progress,
    ports: Object.keys(boards),
    vectors,
    async measureOn(
      port: string,
      some: readonly VectorPair[],
      observe: (done: number) => void,
    ): Promise<Measurement> {
      const board = new FakeBoard(module, manifest, boards[port]);
      const session = await openSession(board, manifest, patient);
      const result = await verifyOnDevice(session, manifest, module, some, observe);
      return { ...result, device: port, simulation: null, xip: null };
    },
    observe: (done: ReadonlyMap<string, number>) =>
      progress.push([...done].map(([port, count]) => `${port}${count}`).join(' ')),
  };
}

const gone: FakeOptions = {
  misbehave: (command) => (command === 'infer' ? () => 'vanish' : undefined),
};
/** Goes away in its second vector. */
const fading: FakeOptions = {
  misbehave: (command, attempt) =>
    command === 'infer' && attempt === 2 ? () => 'vanish' : undefined,
};

describe('profile/boards', () => {
  it('runs all vectors on each, whatever happens to one', async () => {
    const request = boardsOf({
      a: { counts: [10] },
      b: gone,
      c: { sha256: 'cd'.repeat(32) },
      d: { counts: [30] },
    });
    const [a, b, c, d] = await measureEach(request);
    expect([a?.measured?.latency.count, d?.measured?.latency.count]).to.deep.equal([10, 30]);
    expect([a?.measured?.verify.vectors, d?.measured?.verify.vectors]).to.deep.equal([7, 7]);
    expect([b?.measured, c?.measured]).to.deep.equal([null, null]);
    expect(b?.error?.message).to.match(/went away during infer/);
    expect(c?.error?.message).to.match(/runs another model/);
    expect(request.progress.at(-1)).to.match(/a7 b0 c0 d7/);
  });

  it('shares whole sequences, and runs those of a board that fails elsewhere', async () => {
    const starts = new Set([0, 3, 5]);
    const sequences: readonly VectorPair[] = vectors.map((one, i) => ({
      ...one,
      continues: !starts.has(i),
    }));
    const shares: Record<string, number[]> = {};
    const request = boardsOf({ a: {}, b: {} });
    const { merged } = await measureSpread({
      ...request,
      vectors: sequences,
      measureOn: (port, some, observe) => {
        shares[port] = [...(shares[port] ?? []), ...some.map((one) => sequences.indexOf(one))];
        const isGone = port === 'b';
        if (isGone) throw new BonsaiError('device', port, 'goes away', 'plug it in');
        return request.measureOn(port, some, observe);
      },
    });
    expect(shares).to.deep.equal({ a: [0, 1, 2, 5, 6, 3, 4], b: [3, 4] });
    expect(merged?.verify.vectors).to.equal(7);
  });

  it('shares the vectors, and merges what was measured in their order', async () => {
    // Vector 0, whose steps are counted, takes three runs.
    const { boards, merged } = await measureSpread(
      boardsOf({
        a: { counts: [1, 0, 0, 4, 7] },
        b: { counts: [2, 0, 0, 5] },
        c: { counts: [3, 0, 0, 6] },
      }),
    );
    expect(merged?.counts).to.deep.equal([1, 2, 3, 4, 5, 6, 7]);
    expect(merged?.latency).to.include({ count: 4, min: 1, max: 7, runs: 7 });
    expect(merged?.verify).to.include({ vectors: 7, mismatches: 0 });
    expect(merged?.device).to.equal('a, b, c');
    expect(boards.map(({ measured }) => measured?.counts)).to.deep.equal([
      [1, 4, 7],
      [2, 5],
      [3, 6],
    ]);
  });

  it('gives the vectors of a board that fails to the others', async () => {
    const { boards, merged } = await measureSpread(
      boardsOf({ a: { counts: [1] }, b: fading, c: { counts: [3] } }),
    );
    expect(merged?.verify).to.include({ vectors: 7, mismatches: 0 });
    expect(merged?.counts).to.deep.equal([1, 1, 3, 1, 3, 3, 1]);
    expect(boards[1]?.measured).to.equal(null);
    expect(boards[1]?.error?.message).to.match(/went away/);
  });

  it('counts wrong vectors of all boards, and names the first wrong layer', async () => {
    const { merged } = await measureSpread(boardsOf({ a: {}, b: { tamper: { tensor: 0 } } }));
    expect(merged?.verify).to.include({ vectors: 7, mismatches: 3 });
    expect(merged?.verify.firstDivergingLayer).to.include({ index: 0 });
  });

  it('has nothing to merge when no board is left', async () => {
    const { boards, merged } = await measureSpread(boardsOf({ a: gone, b: gone }));
    expect(merged).to.equal(null);
    expect(boards.map(({ error }) => error?.exitStatus)).to.deep.equal([5, 5]);
  });

  it('leaves boards without vectors alone', async () => {
    const request = { ...boardsOf({ a: {}, b: {}, c: {} }), vectors: vectors.slice(0, 2) };
    const { boards, merged } = await measureSpread(request);
    expect(merged?.verify.vectors).to.equal(2);
    expect(boards[2]).to.deep.equal({ port: 'c', measured: null, error: null });
  });

  it('merges no counts of another kind', async () => {
    const request = boardsOf({ a: { clockHz: 1e6 }, b: { clockHz: 2e6 } });
    const error = await measureSpread(request).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(BonsaiError);
    expect((error as BonsaiError).message).to.match(/cycles at 2 MHz, but a cycles at 1 MHz/);
  });

  it('hides no bug behind the other boards', async () => {
    const request = boardsOf({ a: {}, b: {} });
    const measureOn: typeof request.measureOn = async (port, ...rest) => {
      if (port === 'b') throw new TypeError('a bug');
      return request.measureOn(port, ...rest);
    };
    const error = await measureEach({ ...request, measureOn }).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(TypeError);
  });
});

describe('bonsaic profile with several ports', () => {
  const parent = mkdtempSync(join(tmpdir(), 'bonsaic-boards-'));
  const directory = join(parent, 'out');
  const ptys: Pty[] = [];
  before(async function () {
    needs(this, 'socat');
    needs(this, 'arm-none-eabi-gcc');
    const model = packageFile('examples/activity/activity.tflite');
    const args = ['compile', model, '--target', 'rp2040', '-o', directory];
    const { status, stderr } = await runHere(args);
    expect(status, stderr).to.equal(0);
  });
  after(() => {
    for (const pty of ptys) pty.unplug();
    rmSync(parent, { recursive: true, force: true });
  });

  async function boards(...options: FakeOptions[]): Promise<string[]> {
    const compiled = readManifest(directory);
    const model = readModule(directory, compiled);
    const made = await Promise.all(
      options.map((option) => onPty(new FakeBoard(model, compiled, option))),
    );
    ptys.push(...made);
    return made.flatMap(({ path }) => ['--port', path]);
  }

  it('prints one table; one failure does not stop the others, and decides the status', async () => {
    const ports = await boards({}, { sha256: 'cd'.repeat(32) }, { tamper: { tensor: 0 } });
    const { status, stdout, stderr } = await runHere(['profile', directory, ...ports]);
    expect(status, stderr).to.equal(6);
    expect(stdout.replace(/\s+/g, ' '))
      .to.match(/exact/)
      .and.match(/runs another model/);
    expect(stdout.replace(/\s+/g, ' ')).to.match(/4 of 4 vectors differ/);
    expect(stdout).to.match(/: flash this model first/);
  });

  it('prints one document, shares vectors, keeps the merged report', async () => {
    const ports = await boards({ counts: [1000] }, { counts: [1000] });
    const args = ['profile', directory, ...ports, '--spread', '--json'];
    const { status, stdout, stderr } = await runHere(args);
    expect(status, stderr).to.equal(0);
    const document = JSON.parse(stdout);
    expect(document.boards.map((board: { port: string }) => board.port)).to.deep.equal(
      ports.filter((_, i) => i % 2 === 1),
    );
    const vectorsOf = (report: { verify: { vectors: number } }) => report.verify.vectors;
    expect(document.boards.map(({ report }: { report: never }) => vectorsOf(report))).to.deep.equal(
      [2, 2],
    );
    expect(vectorsOf(document.merged)).to.equal(4);
    const saved = JSON.parse(readFileSync(join(directory, 'report.json'), 'utf8'));
    expect(saved).to.deep.equal(document.merged);
  });

  it('refuses a port that is named twice', async () => {
    const ports = ['--port', '/dev/ttyNone0', '--port', '/dev/ttyNone0'];
    const { status, stderr } = await runHere(['profile', directory, ...ports]);
    expect(status).to.equal(1);
    expect(stderr).to.match(/named twice/);
  });
});
