/** Any model at all ends `bonsaic compile` with status 0, 2 or, where it is too large, 3. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Command } from 'commander';
import { addCompile } from '../../src/cli/compile.js';
import { reportError } from '../../src/cli/output.js';
import {
  at,
  changed,
  codeOf,
  dense,
  encodeModel,
  type RawSubgraph,
  smallModel,
  softmax,
  tensor,
} from '../formats/fixture.js';
import { mutatedFile } from '../formats/mutations.js';
import { growths } from '../support/graphs.js';
import { Random } from '../support/module.js';
import { optionsOf } from '../support/options.js';

describe('command line: any model', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bonsaic-any-'));
  after(() => rmSync(directory, { recursive: true }));

  /** The command in this process: its status, and all that it says. */
  async function compiled(bytes: Uint8Array, target: string, ...flags: string[]) {
    const model = join(directory, 'model.tflite');
    const output = join(directory, 'output');
    writeFileSync(model, bytes);
    const program = new Command().exitOverride();
    addCompile(program.command('compile'));
    const said: string[] = [];
    const write = (text: string | Uint8Array) => said.push(String(text)) > 0;
    const { stdout, stderr } = process;
    const own = [stdout.write, stderr.write] as const;
    let status = 0;
    stdout.write = write;
    stderr.write = write;
    try {
      const args = ['compile', model, '--target', target, '-o', output, ...flags];
      await program.parseAsync(args, { from: 'user' });
    } catch (error) {
      status = reportError(error, { json: false });
    } finally {
      [stdout.write, stderr.write] = own;
    }
    expect(existsSync(output), 'written where the status is 0').to.equal(status === 0);
    rmSync(output, { recursive: true, force: true });
    return { status, text: said.join('') };
  }

  const targets = ['host', 'rp2040', 'stm32f405', 'mps3-an547'];

  it('layers and tensors named as what every object has', async () => {
    for (const [i, name] of ['constructor', '__proto__', 'toString', 'hasOwnProperty'].entries()) {
      const bytes = changed((_, main) => {
        for (const each of main.tensors) each.name = name;
      });
      const { status, text } = await compiled(bytes, targets[i] ?? 'host');
      expect(status, text).to.equal(0);
    }
  });

  type Change = (main: RawSubgraph) => void;
  const float = (value: number) => new Uint8Array(Float32Array.of(value).buffer);
  const rows: readonly (readonly [edge: string, says: RegExp, bytes: () => Uint8Array])[] = [
    ...[Infinity, -Infinity, Number.NaN, -1, 0].map((beta) => {
      const change: Change = (main) =>
        Object.assign(at(main.operators, softmax).builtinOptions?.values ?? {}, { beta });
      return [`beta ${beta}`, /beta/, () => changed((_, main) => change(main))] as const;
    }),
    ...[Infinity, Number.NaN].map((alpha) => {
      const bytes = () =>
        changed((model, main) => {
          const builtinOptions = { fields: optionsOf('LEAKY_RELU'), values: { alpha } };
          Object.assign(at(model.operatorCodes, softmax), codeOf('LEAKY_RELU'));
          Object.assign(at(main.operators, softmax), { builtinOptionsType: 75, builtinOptions });
        });
      return [`alpha ${alpha}`, /its alpha is/, bytes] as const;
    }),
    ...[0, 0.5, Number.NaN].map((begin) => {
      const bytes = () => {
        const model = smallModel();
        const main = at(model.subgraphs, 0);
        const added = ['float32', 'int32', 'int32'] as const;
        added.forEach((type, i) => {
          main.tensors.push(tensor(`slice_${i}`, type, [2], model.buffers.length));
          model.buffers.push({
            data: Uint8Array.of(...(i === 0 ? float(begin) : [1, 0, 0, 0]), 1, 0, 0, 0),
          });
        });
        Object.assign(at(model.operatorCodes, softmax), codeOf('STRIDED_SLICE'));
        const builtinOptions = { fields: optionsOf('STRIDED_SLICE'), values: {} };
        Object.assign(at(main.operators, softmax), {
          inputs: [8, 10, 11, 12],
          builtinOptionsType: 32,
          builtinOptions,
        });
        return encodeModel(model);
      };
      return [`a slice from float ${begin}`, /begin: float32/, bytes] as const;
    }),
    [
      'a bias of floats',
      /is float32, it must be int32/,
      () =>
        changed((_, main) =>
          Object.assign(at(main.tensors, at(main.operators, dense).inputs[2] ?? 0), { type: 0 }),
        ),
    ],
  ];
  for (const [edge, says, bytes] of rows) {
    it(`2: ${edge}`, async () => {
      const { status, text } = await compiled(bytes(), 'host');
      expect([status, text]).to.satisfy(() => status === 2 && says.test(text), text);
    });
  }

  it('the small model with any words of the file changed', async () => {
    const good = encodeModel(smallModel());
    const values = [0, 1, -1, 4, 127, 255, 0x7f800000, 0x7fc00000, 2 ** 31 - 1, -(2 ** 31)];
    for (let seed = 0; seed < 250; seed++) {
      const random = new Random(seed);
      const bytes = good.slice();
      const view = new DataView(bytes.buffer);
      for (let count = random.integer(1, 3); count > 0; count--) {
        view.setInt32(4 * random.integer(0, bytes.length / 4 - 1), random.pick(values), true);
      }
      const { status, text } = await compiled(bytes, targets[seed % 4] ?? 'host');
      expect(status, `seed ${seed}: ${text}`).to.be.oneOf([0, 2]);
    }
  });

  it('files of all operators, with any field changed', async () => {
    const names = Object.keys(growths);
    const counts = new Map<number, number>();
    for (let seed = 0; seed < 700; seed++) {
      const random = new Random(seed);
      const ops = [names[seed % names.length] as string, random.pick(names)];
      const bytes = mutatedFile({ ops, seed }, random.integer(1, 3), random);
      if (bytes === null) continue;
      const flags = ['--optimize', random.pick(['speed', 'balanced', 'size'])];
      if (seed % 5 === 0) flags.push('--faithful');
      if (seed % 2 === 0) flags.push('--rounding', 'tflite-portable');
      const { status, text } = await compiled(bytes, targets[seed % 4] ?? 'host', ...flags);
      expect(status, `seed ${seed}, ${ops}: ${text}`).to.be.oneOf([0, 2, 3]);
      counts.set(status, (counts.get(status) ?? 0) + 1);
    }
    // Neither has become rare: the files are near enough to good ones to reach all stages.
    expect(counts.get(0)).to.be.above(100);
    expect(counts.get(2)).to.be.above(100);
  });
});
