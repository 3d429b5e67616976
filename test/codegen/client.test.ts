/** The TypeScript client: types, arithmetic as the board's, and a run over the frame protocol. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import fc from 'fast-check';
import { Project, ts } from 'ts-morph';
import { type Command, encodeFrame, type Frame } from '../../src/boards/profile/protocol.js';
import { emit } from '../../src/boards/project/emit.js';
import { firmwareSources } from '../../src/boards/target/firmware.js';
import { loadTarget } from '../../src/boards/target/index.js';
import type { Manifest } from '../../src/compiler/codegen/manifest.js';
import { type Module, mainGraph } from '../../src/compiler/ir/graph.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { packageFile } from '../../src/package.js';
import { execute } from '../support/execute.js';
import { FakeBoard, type FakeOptions } from '../support/fake-board.js';
import { GraphBuilder, perTensorQuant, randomInputs } from '../support/module.js';
import { inTemporaryDirectory } from '../support/native.js';
import { simplePlan } from '../support/plan.js';

/** The first input and the output need several chunks of a frame each. */
function mixer(): Module {
  const b = new GraphBuilder();
  const x = b.input([1, 40, 40, 2], perTensorQuant(0.1, 3), 'serving_default_image:0');
  const y = b.input([1, 1, 1, 2], perTensorQuant(0.25, -7), 'b "quoted" \'twice\' */');
  const quant = perTensorQuant(0.2, 1);
  return b.module([b.node('add', [x, y], { activation: 'none' }, { quant })], 'mixer');
}

const module = mixer();

function emission() {
  const labels = ['it\'s "left"', 'right'];
  return emit(module, simplePlan(module), loadTarget('host'), { labels });
}

/** What the tests use of a generated client; its own types are checked by the compiler. */
interface GeneratedClient {
  readonly model: { readonly inputs: Record<string, { readonly name: string }> };
  quantize(values: ArrayLike<number>, input: string): Int8Array;
  dequantize(values: ArrayLike<number>, output: string): Float32Array;
  argmax(values: ArrayLike<number>): number;
  readonly Client: {
    open(port: unknown, options?: { timeoutMs: number }): Promise<RunningClient>;
  };
}

interface RunningClient {
  infer(inputs: Record<string, ArrayLike<number>>): Promise<Record<string, Float32Array>>;
  inferRaw(
    inputs: Record<string, Int8Array>,
  ): Promise<{ outputs: Record<string, Int8Array>; count: bigint }>;
  close(): void;
}

async function writeAndImport(directory: string): Promise<[GeneratedClient, Manifest]> {
  const { files, manifest } = emission();
  const firmware = firmwareSources(loadTarget('host'));
  for (const [path, text] of [...files, ...[...firmware].map(([p, t]) => [`firmware/${p}`, t])]) {
    mkdirSync(dirname(join(directory, path as string)), { recursive: true });
    writeFileSync(join(directory, path as string), text as string);
  }
  const url = pathToFileURL(join(directory, 'client/mixer.ts')).href;
  // In a folder without a package.json it loads as CommonJS: its exports are the default.
  const loaded = (await import(url)) as GeneratedClient & { default?: GeneratedClient };
  return [loaded.default ?? loaded, manifest];
}

/** A process as the client's Port, with what a serial line may do to the bytes. */
function portOf(child: ChildProcessWithoutNullStreams, mangle = (bytes: Uint8Array) => bytes) {
  const listeners = new Set<(bytes: Uint8Array) => void>();
  child.stdout.on('data', (bytes: Uint8Array) => {
    for (const listener of listeners) listener(bytes);
  });
  return {
    write: (bytes: Uint8Array) => child.stdin.write(mangle(bytes)),
    on: (_: 'data', listener: (bytes: Uint8Array) => void) => listeners.add(listener),
    off: (_: 'data', listener: (bytes: Uint8Array) => void) => listeners.delete(listener),
  };
}

describe('TypeScript client', () => {
  const text = emission().files.get('client/mixer.ts') ?? '';

  it('typechecks under strict options, by input and output names', () => {
    const project = new Project({
      compilerOptions: {
        strict: true,
        noUncheckedIndexedAccess: true,
        exactOptionalPropertyTypes: true,
        noUnusedLocals: true,
        noUnusedParameters: true,
        target: ts.ScriptTarget.ES2022,
        module: ts.ModuleKind.NodeNext,
        moduleResolution: ts.ModuleResolutionKind.NodeNext,
        types: ['node'],
        typeRoots: [packageFile('node_modules/@types')],
        skipLibCheck: true,
        noEmit: true,
      },
    });
    project.createSourceFile(packageFile('virtual/mixer.ts'), text);
    const use = `
      import { SerialPort } from 'serialport';
      import { argmax, Client, model, quantize, type Inputs } from './mixer.js';
      const board = await Client.open(new SerialPort({ path: '/dev/null', baudRate: 115200 }));
      const inputs: Inputs = { serving_default_image_0: [1], b_quoted_twice: new Float32Array(2) };
      const outputs = await board.infer(inputs);
      const best: number = argmax(outputs.add_0_out_0);
      const label: 'it\\'s "left"' | 'right' = model.outputs.add_0_out_0.labels[0];
      const width: 40 = model.inputs.serving_default_image_0.shape[2];
      // @ts-expect-error there is no such input
      quantize([1], 'image');
      // @ts-expect-error an input is missing
      board.infer({ b_quoted_twice: [1] });
      export { best, label, width };
    `;
    project.createSourceFile(packageFile('virtual/use.ts'), use);
    const diagnostics = project.getPreEmitDiagnostics();
    expect(project.formatDiagnosticsWithColorAndContext(diagnostics)).to.equal('');
  });

  it('quantizes, dequantizes and takes the argmax as the C helpers do', () =>
    inTemporaryDirectory(async (directory) => {
      const [client] = await writeAndImport(directory);
      const halves = Array.from({ length: 600 }, (_, i) => (i - 300) * 0.5);
      const steps = fc.oneof(
        fc.float({ noDefaultInfinity: false }),
        fc.integer({ min: -700, max: 700 }).map((n) => Math.fround(n * 0.05)),
        // Just below a half: adding 0.5 in float32 would round it up.
        fc.constantFrom(0.49999997, -0.49999997, 0.125, -0.125, Number.NaN, -0),
      );
      const drawn = fc.sample(steps, { numRuns: 2000, seed: 1 });
      const values = Float32Array.from([...drawn, ...halves, ...halves.map((x) => x * 0.1)]);
      const program = `
#include <stdio.h>
#include "mixer.h"
int main(void)
{
    float value;
    while (fread(&value, sizeof value, 1, stdin) == 1) {
        putchar(mixer_quantize(value, 0));
        putchar(mixer_quantize(value, 1));
    }
    for (int q = -128; q < 128; q++) {
        value = mixer_dequantize((int8_t)q, 0);
        fwrite(&value, sizeof value, 1, stdout);
    }
    putchar(mixer_argmax((int8_t[]){ -3, 7, 7, -128 }, 4));
    return 0;
}
`;
      writeFileSync(join(directory, 'main.c'), program);
      const flags = ['-std=c99', '-fsanitize=address,undefined', '-fno-sanitize-recover'];
      await execute('gcc', [...flags, 'main.c', '-o', 'main'], { cwd: directory });
      const output = await execute(join(directory, 'main'), [], {
        input: new Uint8Array(values.buffer),
      });
      const both = new Int8Array(output.subarray(0, 2 * values.length));
      const names = Object.keys(client.model.inputs);
      names.forEach((name, i) => {
        const inC = both.filter((_, at) => at % 2 === i);
        const inTs = client.quantize(values, name);
        const at = inC.findIndex((value, k) => value !== inTs[k]);
        expect(at, `input ${i}: ${values[at]} is ${inC[at]} in C, ${inTs[at]} here`).to.equal(-1);
      });
      const integers = Array.from({ length: 256 }, (_, i) => i - 128);
      const reals = output.subarray(2 * values.length, 2 * values.length + 1024);
      const dequantized = client.dequantize(integers, 'add_0_out_0');
      expect(Buffer.from(dequantized.buffer)).to.deep.equal(Buffer.from(reals));
      expect(client.argmax([-3, 7, 7, -128]))
        .to.equal(1)
        .and.equal(output.at(-1));
    }));

  describe('over the frame protocol', () => {
    let child: ChildProcessWithoutNullStreams | undefined;
    afterEach(() => child?.kill());

    const serve = async (directory: string) => {
      await execute('make', ['-j2'], { cwd: directory });
      child = spawn(join(directory, 'build/mixer.elf'));
      return child;
    };

    it('gives what evaluate gives, run after run, through lost and damaged bytes', () =>
      inTemporaryDirectory(async (directory) => {
        const [client] = await writeAndImport(directory);
        let frames = 0;
        // The third frame arrives damaged, the fifth not at all: both are asked for again.
        const mangle = (bytes: Uint8Array) => {
          frames++;
          if (frames === 5) return new Uint8Array(0);
          return frames === 3 ? bytes.map((byte, i) => (i === 9 ? byte ^ 0x55 : byte)) : bytes;
        };
        const board = await client.Client.open(portOf(await serve(directory), mangle), {
          timeoutMs: 2000,
        });
        const runs = [11, 12].map(async (seed) => {
          const [x, y] = randomInputs(module, seed) as Int8Array[];
          const inputs = { serving_default_image_0: x, b_quoted_twice: y } as Record<
            string,
            Int8Array
          >;
          const { outputs, count } = await board.inferRaw(inputs);
          const [expected] = evaluateGraph(mainGraph(module), [x, y] as Int8Array[]).outputs;
          expect(Array.from(outputs.add_0_out_0 ?? [])).to.deep.equal(
            Array.from(expected ?? [], Number),
          );
          expect(count > 0n).to.equal(true);
        });
        await Promise.all(runs);
        const ones = {
          serving_default_image_0: new Float32Array(3200).fill(1),
          b_quoted_twice: [1, 2],
        };
        const { add_0_out_0: sums } = await board.infer(ones);
        expect(Array.from(sums?.subarray(0, 2) ?? [], (v) => v.toFixed(1))).to.deep.equal([
          '2.0',
          '3.0',
        ]);
        board.close();
      }));

    describe('with a board that misbehaves', () => {
      const fake = (misbehave: FakeOptions['misbehave'], more: FakeOptions = {}) => {
        const { manifest } = emission();
        const board = new FakeBoard(module, manifest, { ...more, ...(misbehave && { misbehave }) });
        return {
          board,
          port: {
            write: (bytes: Uint8Array) => board.write(bytes),
            on: (_: 'data', listener: (bytes: Uint8Array) => void) => board.onData(listener),
            off: () => {},
          },
        };
      };
      const [x, y] = randomInputs(module, 3) as Int8Array[];
      const inputs = { serving_default_image_0: x, b_quoted_twice: y } as Record<string, Int8Array>;
      const [sums] = evaluateGraph(mainGraph(module), [x, y] as Int8Array[]).outputs;
      const expected = Array.from(sums ?? [], Number);
      /** Another body in a frame that is whole. */
      const body =
        (command: Command, change: (body: Uint8Array) => Uint8Array, type?: number) =>
        (asked: Command) =>
          asked === command
            ? (a: Frame) => encodeFrame({ ...a, type: type ?? a.type, body: change(a.body) })
            : undefined;

      it('keeps no more than a frame of one that floods, and goes on when it stops', () =>
        inTemporaryDirectory(async (directory) => {
          const [client] = await writeAndImport(directory);
          const flood = new Uint8Array(1 << 20).fill(0x55);
          const { port } = fake((_, attempt) =>
            attempt === 1
              ? (a) => Buffer.concat([flood, Uint8Array.of(0), encodeFrame(a)])
              : undefined,
          );
          const board = await client.Client.open(port, { timeoutMs: 20_000 });
          const { outputs } = await board.inferRaw(inputs);
          expect(Array.from(outputs.add_0_out_0 ?? [])).to.deep.equal(expected);
          // What it keeps is its own business: how much is not.
          const inside = board as unknown as {
            receive(bytes: Uint8Array): void;
            readonly received: readonly number[];
          };
          inside.receive(flood);
          expect(inside.received.length).to.be.within(1, 1100);
        }));

      it('sends no larger bodies than the protocol has', () =>
        inTemporaryDirectory(async (directory) => {
          const [client] = await writeAndImport(directory);
          const { port } = fake(undefined, { maxBody: 65_535 });
          const { outputs } = await (await client.Client.open(port)).inferRaw(inputs);
          expect(Array.from(outputs.add_0_out_0 ?? [])).to.deep.equal(expected);
        }));

      const rows: [edge: string, misbehave: FakeOptions['misbehave'], message: RegExp][] = [
        ['half a hello', body('hello', (b) => b.subarray(0, 38)), /answers hello with 38 bytes/],
        ['half a count', body('infer', (b) => b.subarray(0, 4)), /counts in 4 bytes/],
        ['less output than asked for', body('readOutput', (b) => b.subarray(1)), /1023 bytes/],
        [
          'more output than asked for',
          body('readOutput', (b) => (b.length < 1024 ? Buffer.concat([b, b]) : b)),
          /256 bytes of output, not 128/,
        ],
        ['an error without a code', body('infer', () => new Uint8Array(0), 0xff), /refuses/],
        [
          'an error that a terminal would obey',
          body('infer', () => Buffer.from('\x04\x1b[31mred'), 0xff),
          /refuses: \?\[31mred \(error 4\)/,
        ],
      ];
      for (const [edge, misbehave, message] of rows) {
        it(`refuses ${edge}`, () =>
          inTemporaryDirectory(async (directory) => {
            const [client] = await writeAndImport(directory);
            const work = async () =>
              (await client.Client.open(fake(misbehave).port)).inferRaw(inputs);
            const error = await work().catch((reason: unknown) => reason);
            expect(error).to.be.instanceOf(Error);
            expect((error as Error).message).to.match(message);
          }));
      }
    });

    it('refuses a board that runs another build, and one that says nothing', () =>
      inTemporaryDirectory(async (directory) => {
        const [client] = await writeAndImport(directory);
        const rejection = async (port: unknown, timeoutMs: number) => {
          try {
            await client.Client.open(port, { timeoutMs });
          } catch (error) {
            return (error as Error).message;
          }
          return 'accepted';
        };
        const glue = join(directory, 'mixer_model.c');
        const text = emission().files.get('mixer_model.c') ?? '';
        writeFileSync(glue, text.replace(/\.tag = 0x\w+/, '.tag = 0x12345678'));
        const other = await rejection(portOf(await serve(directory)), 600_000);
        expect(other).to.match(/does not run this build/);
        child?.kill();
        child = spawn('sleep', ['3600']);
        expect(await rejection(portOf(child), 200)).to.match(
          /no answer from the board within 200 ms/,
        );
      }));
  });
});
