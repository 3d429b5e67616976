/** What compression refuses, and what it warns of: data, models, folders and results. */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { writeTflite } from '../../src/compiler/formats/tflite/write.js';
import type { Tensor } from '../../src/compiler/ir/graph.js';
import type { CompressReport } from '../../src/compress/compress-model.js';
import { makeRandom } from '../../src/compress/random.js';
import { cliPath } from '../support/cli.js';
import { runHere } from '../support/command.js';
import { FloatNetwork } from '../support/float-network.js';

const features = 4;

/** A table of random samples; `label` of the sample's index. */
function tableOf(count: number, label: (i: number) => string | number | null): string {
  const random = makeRandom(1);
  const rows = Array.from({ length: count }, (_, i) => {
    const own = label(i);
    const x = Array.from({ length: features }, () => random() - 0.5);
    return [...x, ...(own === null ? [] : [own])].join(',');
  });
  const names = Array.from({ length: features }, (_, i) => `f${i}`);
  const head = label(0) === null ? names : [...names, 'label'];
  return [head.join(','), ...rows].join('\n');
}

const folder = mkdtempSync(join(tmpdir(), 'refusals-'));
after(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
function fileOf(extension: string, contents: string | Uint8Array): string {
  files += 1;
  const path = join(folder, `${files}.${extension}`);
  writeFileSync(path, contents);
  return path;
}

const modelOf = (network: FloatNetwork) => fileOf('tflite', writeTflite(network.module()));
/** Three classes; three or four scores without a softmax. */
const classifier = () => new FloatNetwork([features], 2).dense(8).dense(3, 'none').softmax();
const scorer = (outputs: number) => new FloatNetwork([features], 2).dense(outputs, 'none');

const int8Model = fileURLToPath(
  new URL('../../examples/activity/activity.tflite', import.meta.url),
);

const output = () => join(mkdtempSync(join(folder, 'out-')), 'result');

describe('classes of the data and outputs of the model', () => {
  const rows: readonly {
    readonly edge: string;
    readonly network?: () => FloatNetwork;
    readonly label: (i: number) => string | number | null;
    readonly args?: readonly string[];
    readonly status?: number;
    readonly stderr: RegExp;
    readonly hasAccuracy?: boolean;
  }[] = [
    {
      edge: 'scores of more classes than labels: not used',
      network: () => scorer(4),
      label: (i) => i % 3,
      stderr: /labels of 3 classes are not used: the model gives 4 numbers; .*--classes/,
      hasAccuracy: false,
    },
    {
      edge: 'scores of fewer classes than labels: not used',
      network: () => scorer(3),
      label: (i) => i % 4,
      stderr: /labels of 4 classes are not used: the model gives 3 numbers\n/,
      hasAccuracy: false,
    },
    {
      edge: 'labels that are not used cannot count',
      network: () => scorer(4),
      label: (i) => i % 3,
      args: ['--min-accuracy', '50'],
      ...{ status: 1, stderr: /--min-accuracy: needs labels.*\n.*a class for each output/ },
    },
    {
      edge: 'the classes of scores by --classes',
      network: () => scorer(4),
      label: (i) => 'abc'[i % 3] ?? '',
      args: ['--classes', 'a,b,c,d'],
      stderr: /no samples to train: d/,
    },
    {
      edge: 'fewer classes by name, in no given order',
      label: (i) => 'bc'[i % 2] ?? '',
      ...{ status: 2, stderr: /2 classes by name; the model has 3 outputs.*\n.*--classes/ },
    },
    {
      edge: 'fewer classes by name, in a given order',
      label: (i) => 'bc'[i % 2] ?? '',
      args: ['--classes', 'a,b,c'],
      stderr: /no samples to train: a\n/,
    },
    {
      edge: 'fewer classes by number',
      label: (i) => i % 2,
      stderr: /the data has 2 classes, the model 3 outputs/,
    },
    {
      edge: 'fewer classes in the given order than outputs',
      label: (i) => 'bc'[i % 2] ?? '',
      args: ['--classes', 'c,b'],
      stderr: /the data has 2 classes, the model 3 outputs/,
    },
    {
      edge: 'more classes than probabilities',
      label: (i) => i % 4,
      ...{ status: 2, stderr: /labels of 4 classes; the model knows 3/ },
    },
    {
      edge: 'numbers with a gap',
      label: (i) => [0, 2][i % 2] ?? 0,
      ...{ status: 2, stderr: /class 1 has no samples, class 2 has some\n.*without gaps/ },
    },
    {
      edge: 'a number that no output has, behind a gap',
      label: (i) => (i === 5 ? 7 : i % 3),
      ...{ status: 2, stderr: /sample 5 has the label 7; the model has 3 outputs\n/ },
    },
    {
      edge: 'a number beyond the two of one output',
      network: () => scorer(1),
      label: (i) => (i === 5 ? 3 : i % 2),
      args: ['--task', 'classes'],
      ...{ status: 2, stderr: /sample 5 has the label 3; the model has 1 output\n/ },
    },
    {
      edge: 'a class named twice',
      label: (i) => i % 3,
      args: ['--classes', 'a,b,a'],
      ...{ status: 1, stderr: /"a" twice/ },
    },
    {
      edge: 'a class without a name',
      label: (i) => i % 3,
      args: ['--classes', 'a,,b'],
      ...{ status: 1, stderr: /an empty name/ },
    },
    {
      edge: 'one class of three that are named',
      label: () => 'b',
      args: ['--classes', 'a,b,c'],
      ...{ status: 2, stderr: /one class only, "b"/ },
    },
  ];
  for (const { edge, network = classifier, label, args = [], status = 0, ...wanted } of rows) {
    it(edge, async () => {
      const data = fileOf('csv', tableOf(60, label));
      const into = output();
      const command = ['compress', modelOf(network()), '--data', data, '-o', into];
      const recipe = fileOf('json', JSON.stringify({ steps: [{ step: 'quantize' }] }));
      const rest = ['--recipe', recipe, '--backend', 'wasm', '--explain', '--json'];
      const ended = await runHere([...command, ...rest, ...args]);
      expect(ended.status, ended.stderr).to.equal(status);
      expect(ended.stderr).to.match(wanted.stderr);
      if (status !== 0) return;
      const { warnings, accuracy } = JSON.parse(ended.stdout) as CompressReport;
      expect(warnings.join('\n')).to.match(new RegExp(wanted.stderr.source.replace('\\n', '')));
      expect(accuracy !== null).to.equal(wanted.hasAccuracy ?? true);
      const text = readFileSync(join(into, 'report.txt'), 'utf8');
      expect(text).to.contain(`warning: ${warnings[0]?.slice(0, 40)}`);
      expect(text).not.to.match(/NaN/);
    });
  }
});

describe('a folder for the result that cannot be written', () => {
  // Root may write anywhere but below a file and in /proc.
  const rows: readonly (readonly [edge: string, output: () => string, says: RegExp])[] = [
    ['a file', () => fileOf('txt', ''), /is not a directory/],
    ['below a file', () => join(fileOf('txt', ''), 'x'), /cannot be made: .* is not a directory/],
    [
      'far below a file',
      () => join(fileOf('txt', ''), 'x', 'y'),
      /cannot be made: .* is not a directory/,
    ],
    ['in /proc', () => '/proc/none/x', /cannot be written: ENOENT/],
    [
      'a folder of others',
      () => {
        const own = mkdtempSync(join(folder, 'own-'));
        mkdirSync(join(own, 'src'));
        return own;
      },
      /has the folder src, which no compression wrote/,
    ],
    [
      'a folder in place of the model',
      () => {
        const own = mkdtempSync(join(folder, 'own-'));
        mkdirSync(join(own, 'model.tflite'));
        return own;
      },
      /has the folder model\.tflite/,
    ],
    [
      'a file in place of the checkpoint',
      () => {
        const own = mkdtempSync(join(folder, 'own-'));
        writeFileSync(join(own, 'checkpoint'), '');
        return own;
      },
      /has the file checkpoint/,
    ],
    [
      'a link to nowhere',
      () => {
        const link = join(mkdtempSync(join(folder, 'own-')), 'link');
        symlinkSync('/proc/none', link);
        return link;
      },
      /is a link to \/proc\/none, which does not exist/,
    ],
  ];
  for (const command of ['compress', 'quantize', 'prune']) {
    for (const [edge, place, says] of rows) {
      it(`${command}: ${edge}`, async () => {
        const [model, into] = [modelOf(classifier()), place()];
        const before = readdirSync(folder);
        // What is found before the samples are read leaves no doubt that it is found before the work.
        const ended = await runHere([command, model, '--data', '/none', '-o', into]);
        expect(ended.status, ended.stderr).to.equal(1);
        expect(ended.stderr).to.match(says);
        expect(ended.stderr).to.match(/^ {2}→ \w/m);
        expect(readdirSync(folder)).to.deep.equal(before);
      });
    }
  }

  it('is not made where the model is refused', async () => {
    const deep = join(output(), 'deeper', 'still');
    const ended = await runHere(['quantize', fileOf('txt', ''), '--data', '/none', '-o', deep]);
    expect(ended.status).to.equal(2);
    expect(existsSync(join(deep, '..', '..'))).to.equal(false);
  });
});

const resultFiles = ['SHA256SUMS', 'model.tflite', 'recipe.json', 'report.json', 'report.txt'];

describe('a disk without room for the result', () => {
  it('is told, with nothing half-written, and the same command ends it later', async () => {
    const [model, into] = [modelOf(classifier()), output()];
    const data = fileOf(
      'csv',
      tableOf(60, (i) => i % 3),
    );
    const args = ['prune', model, '--data', data, '-o', into, '--backend', 'wasm'];
    const command = [...args, '--share', '50', '--epochs', '1'];
    // Files of more than a few blocks are refused to the process, as on a full disk.
    const limited = ['-c', 'ulimit -f 1; exec "$0" "$@"', process.execPath, cliPath];
    const full = spawnSync('sh', [...limited, ...command], { encoding: 'utf8' });
    expect(full.status, full.stderr).to.equal(1);
    expect(full.stderr).to.match(/under-way: cannot be written: EFBIG.*\n.*free some space/);
    expect(readdirSync(join(into, 'checkpoint'))).to.deep.equal([]);
    expect((await runHere(command)).status).to.equal(0);
    expect(readdirSync(into).sort()).to.deep.equal(resultFiles);
  });
});

describe('models that compression cannot use', () => {
  /** The model with another first weight. */
  function withWeight(value: number): Uint8Array {
    const network = classifier();
    (network.tensors[1]?.data as Float32Array)[0] = value;
    return writeTflite(network.module());
  }
  const rows: readonly (readonly [edge: string, bytes: () => string | Uint8Array, says: RegExp])[] =
    [
      ['no model', () => 'no model at all', /is not a TFLite model.*\n.*export it as/],
      [
        'a weight that is no number',
        () => withWeight(Number.NaN),
        /\.tflite: tensor ".+": has the element NaN\n/,
      ],
      [
        'an infinite weight',
        () => withWeight(Number.POSITIVE_INFINITY),
        /has the element Infinity/,
      ],
      [
        'int8',
        () => readFileSync(int8Model),
        /\.tflite: tensor 0 ".+": is int8; .*\n.*give the float model/,
      ],
    ];
  for (const command of ['compress', 'quantize', 'prune', 'sensitivity']) {
    for (const [edge, bytes, says] of rows) {
      it(`${command}: ${edge}`, async () => {
        const data = fileOf(
          'csv',
          tableOf(60, () => null),
        );
        const into = output();
        const args = [command, fileOf('tflite', bytes()), '--data', data, '--backend', 'wasm'];
        const ended = await runHere([...args, ...(command === 'sensitivity' ? [] : ['-o', into])]);
        expect(ended.status, ended.stderr).to.equal(2);
        expect(ended.stderr).to.match(says);
        expect(existsSync(into)).to.equal(false);
      });
    }
  }
});

describe('the file of a fault', () => {
  const data = () =>
    fileOf(
      'csv',
      tableOf(60, () => null),
    );

  it('is named where shards are short', async () => {
    const copy = join(mkdtempSync(join(folder, 'shards-')), 'model');
    cpSync(new URL('../formats/tfjs-graph/steps', import.meta.url), copy, { recursive: true });
    const shard = readdirSync(copy).find((name) => name.endsWith('.bin')) ?? '';
    truncateSync(join(copy, shard), 8);
    const model = join(copy, 'model.json');
    const ended = await runHere(['quantize', model, '--data', data(), '-o', output()]);
    expect(ended.status, ended.stderr).to.equal(2);
    expect(ended.stderr)
      .to.contain(`error: ${model}: weight "`)
      .and.to.contain('shards, which have');
  });

  it('is named where it is a teacher', async () => {
    const steps = [{ step: 'train', teachers: [int8Model] }];
    const recipe = fileOf('json', JSON.stringify({ steps }));
    const given = ['compress', modelOf(classifier()), '--data', data(), '--recipe', recipe];
    const ended = await runHere([...given, '-o', output()]);
    expect(ended.status, ended.stderr).to.equal(2);
    expect(ended.stderr).to.contain(`error: ${int8Model}: tensor 0 "`);
  });
});

describe('samples for which the model overflows', () => {
  /** Of 60 samples, 36 are to train, 9 to choose and 15 to test. */
  const tableWithHuge = (huge: number, value = 3e38) =>
    tableOf(60, (i) => i % 3)
      .split('\n')
      .map((row, line) => (line === huge + 1 ? `${`${value},`.repeat(4)}${huge % 3}` : row))
      .join('\n');
  /** Its first dense layer is infinite for such a sample; `end` gives a number again or none. */
  function overflowing(end: (network: FloatNetwork) => FloatNetwork): string {
    const network = new FloatNetwork([features], 2).dense(8);
    const { data } = network.tensors[1] as Tensor;
    (data as Float32Array).fill(100, 0, features);
    return modelOf(end(network));
  }
  const steps = (...names: readonly string[]) => [
    '--recipe',
    fileOf('json', JSON.stringify({ steps: names.map((step) => ({ step })) })),
  ];
  const softmax = (network: FloatNetwork) => network.dense(3, 'none').softmax();
  const rows: readonly {
    readonly edge: string;
    readonly huge: number;
    readonly part: string;
    readonly end?: (network: FloatNetwork) => FloatNetwork;
    readonly command?: () => readonly string[];
  }[] = [
    { edge: 'for ranges alone', huge: 0, part: 'train' },
    { edge: 'to choose alone', huge: 3, part: 'validation' },
    { edge: 'to test alone', huge: 5, part: 'test' },
    {
      edge: 'for ranges, with finite outputs',
      ...{
        huge: 0,
        part: 'train',
        end: (network) => network.add('logistic', [], { algorithm: 'fixed' }),
      },
    },
    {
      edge: 'to train, beside those for ranges',
      ...{
        huge: 0,
        part: 'train',
        command: () => ['compress', ...steps('train'), '--samples', '1'],
      },
    },
  ];
  for (const { edge, huge, part, end = softmax, command = () => ['quantize'] } of rows) {
    it(edge, async () => {
      const [name = '', ...rest] = command();
      const given = [overflowing(end), '--data', fileOf('csv', tableWithHuge(huge)), ...rest];
      const ended = await runHere([name, ...given, '-o', output(), '--backend', 'wasm']);
      expect(ended.status, ended.stderr).to.equal(2);
      expect(ended.stderr).to.contain(
        `(${part}): the model gives Infinity for sample ${huge}, in "`,
      );
    });
  }

  it("a teacher's answers", async () => {
    const teacher = overflowing(softmax);
    const train = { step: 'train', epochs: 1, teachers: [teacher] };
    const recipe = fileOf('json', JSON.stringify({ steps: [train] }));
    const given = ['--data', fileOf('csv', tableWithHuge(0, 5e36)), '--recipe', recipe];
    const tame = ['compress', modelOf(classifier()), ...given];
    const ended = await runHere([...tame, '-o', output(), '--backend', 'wasm']);
    expect(ended.status, ended.stderr).to.equal(2);
    expect(ended.stderr).to.contain(`(train): ${teacher} gives Infinity for sample 0, in "`);
  });
});
