/** Samples that say numbers, and models of several inputs and outputs. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { zipSync } from 'fflate';
import { writeTflite } from '../../src/compiler/formats/tflite/write.js';
import type { Module, TensorId } from '../../src/compiler/ir/graph.js';
import type { CompressReport } from '../../src/compress/compress-model.js';
import { loadDataset } from '../../src/compress/data/load.js';
import type { Ports } from '../../src/compress/data/ports.js';
import type { Sensitivity } from '../../src/compress/prune/sensitivity.js';
import { makeRandom } from '../../src/compress/random.js';
import { compressText } from '../../src/compress/report.js';
import { loadBackend } from '../../src/compress/tensorflow.js';
import { train, trainDefaults } from '../../src/compress/train/loop.js';
import { squaredError, unitsOf } from '../../src/compress/train/loss.js';
import { runHere } from '../support/command.js';
import { FloatNetwork } from '../support/float-network.js';
import { inFolder, npy } from './data/files.js';

const port = (name: string, ...shape: number[]) => ({ name, shape });
const ports = (end: Ports['end'], outputs: number[][], inputs = [[2]]): Ports => ({
  inputs: inputs.map((shape, i) => port(`in_${'ab'[i]}:0`, ...shape)),
  outputs: outputs.map((shape, i) => port(`out_${i}`, ...shape)),
  end,
});
const one = (end: Ports['end']) => ports(end, [[1]]);

const f4 = (values: readonly number[], shape?: number[]) => npy(Float32Array.from(values), shape);
const i4 = (values: readonly number[]) => npy(Int32Array.from(values));
const x = f4([1, 2, 3, 4, 5, 6, 7, 8], [4, 2]);

describe('what y is: classes or values', () => {
  const rows: readonly {
    readonly edge: string;
    readonly y: Buffer;
    readonly ports: Ports;
    readonly task?: 'classes' | 'values';
    readonly gives: 'classes' | readonly number[] | RegExp;
  }[] = [
    {
      edge: 'real, one output',
      y: f4([1, 0.5, 2, 3]),
      ports: one('numbers'),
      gives: [1, 0.5, 2, 3],
    },
    {
      edge: 'real, a column',
      y: f4([1, 0, 2, 3], [4, 1]),
      ports: one('numbers'),
      gives: [1, 0, 2, 3],
    },
    {
      edge: 'integers, one output',
      y: i4([1, 0, 2, 30]),
      ports: one('numbers'),
      gives: [1, 0, 2, 30],
    },
    {
      edge: 'integers 0 and 1, one output',
      y: i4([1, 0, 1, 0]),
      ports: one('numbers'),
      gives: 'classes',
    },
    {
      edge: 'real 0 and 1, one output: either',
      ...{ y: f4([1, 0, 1, 0]), ports: one('numbers'), gives: /--task classes or --task values/ },
    },
    {
      edge: 'the same, asked for classes',
      ...{ y: f4([1, 0, 1, 0]), ports: one('numbers'), task: 'classes', gives: 'classes' },
    },
    {
      edge: 'the same, asked for values',
      ...{ y: f4([1, 0, 1, 0]), ports: one('numbers'), task: 'values', gives: [1, 0, 1, 0] },
    },
    {
      edge: 'integers, one probability',
      y: i4([1, 0, 1, 0]),
      ports: one('logistic'),
      gives: 'classes',
    },
    {
      edge: 'integers 0 and 1 as values, asked for',
      ...{ y: i4([1, 0, 1, 0]), ports: one('logistic'), task: 'values', gives: [1, 0, 1, 0] },
    },
    {
      edge: 'shares, one probability',
      y: f4([0.1, 0, 1, 0.2]),
      ports: one('logistic'),
      gives: [0.1, 0, 1, 0.2],
    },
    {
      edge: 'integers, several outputs of one tensor',
      y: i4([1, 0, 2, 1]),
      ports: ports('numbers', [[3]]),
      gives: 'classes',
    },
    {
      edge: 'rows as long as the output',
      y: f4([1, 2, 3, 4, 5, 6, 7, 8], [4, 2]),
      ports: ports('numbers', [[2]]),
      gives: [1, 2, 3, 4, 5, 6, 7, 8],
    },
    {
      edge: 'rows beside probabilities of classes: either',
      ...{ y: f4([1, 0, 0, 1, 1, 0, 0, 1], [4, 2]), ports: ports('softmax', [[2]]) },
      gives: /probabilities of classes.*argmax.*--task/s,
    },
    {
      edge: 'rows of another length',
      ...{ y: f4([1, 0, 0, 1, 1, 0, 0, 1], [4, 2]), ports: ports('numbers', [[3]]) },
      gives: /labels are one integer for each sample/,
    },
    {
      edge: 'fewer rows than samples',
      ...{ y: f4([1, 2, 3]), ports: one('numbers'), gives: /has 3 rows for 4 samples/ },
    },
    {
      edge: 'a number that is none',
      ...{ y: f4([1, Number.NaN, 2, 3]), ports: one('numbers'), gives: /sample 1 shall give NaN/ },
    },
  ];
  for (const { edge, y, ports: own, task, gives } of rows) {
    it(edge, async () => {
      const options = { shape: [2], ports: own, ...(task === undefined ? {} : { task }) };
      const found = inFolder({ 'x.npy': x, 'y.npy': y }, (folder) => loadDataset(folder, options));
      if (gives instanceof RegExp) {
        const error = await found.then(
          () => null,
          (thrown) => thrown,
        );
        expect(`${error?.message}\n${error?.hint}`).to.match(gives);
        return;
      }
      const { labels, targets } = await found;
      if (gives === 'classes') expect(labels).to.have.length(4);
      else expect([...(targets ?? [])]).to.deep.equal([...Float32Array.from(gives)]);
      expect(labels === null).to.equal(gives !== 'classes');
    });
  }

  it('in parts, each with its own', async () => {
    const y = f4([1.5, 2, 3, 4]);
    const z = f4([5, 6, 7, 8]);
    const files = { 'x_train.npy': x, 'y_train.npy': y, 'x_test.npy': x, 'y_test.npy': z };
    const options = { shape: [2], ports: one('numbers') };
    const { targets, parts } = await inFolder(files, (path) => loadDataset(path, options));
    expect(parts?.[0], 'in the order of their names').to.equal(2);
    expect([...(targets ?? [])]).to.deep.equal([5, 6, 7, 8, 1.5, 2, 3, 4]);
    const { 'y_test.npy': _, ...bare } = files;
    const error = await inFolder(bare, (path) => loadDataset(path, options)).then(
      () => '',
      ({ message }) => message,
    );
    expect(error).to.match(/has no labels, but other parts have/);
  });

  const table = (...lines: string[]) => ({ 'a.csv': lines.join('\n') });
  const two = ports('numbers', [[2]]);
  const tables: readonly (readonly [
    edge: string,
    files: Record<string, string>,
    options: { readonly ports: Ports; readonly label?: string },
    gives: { readonly x: readonly number[]; readonly targets: readonly number[] } | RegExp,
  ])[] = [
    [
      'the last columns',
      table('1,2,3,4', '5,6,7,8'),
      { ports: two },
      { x: [1, 2, 5, 6], targets: [3, 4, 7, 8] },
    ],
    [
      'columns by name',
      table('u,a,v,b', '1,2,3,4', '5,6,7,8'),
      { ports: two, label: 'u,v' },
      { x: [2, 4, 6, 8], targets: [1, 3, 5, 7] },
    ],
    [
      'fewer names than outputs',
      table('u,a,v,b', '1,2,3,4', '5,6,7,8'),
      { ports: two, label: 'u' },
      /--label names 1 columns; the model gives 2 numbers/,
    ],
    [
      'a real column, one output',
      table('1,2,0.5', '5,6,7'),
      { ports: one('numbers') },
      { x: [1, 2, 5, 6], targets: [0.5, 7] },
    ],
    [
      'text where numbers are due',
      table('5,6,7,8', '1,2,a,4'),
      { ports: two },
      /columns behind the samples hold text/,
    ],
  ];
  for (const [edge, files, options, gives] of tables) {
    it(`.csv: ${edge}`, async () => {
      const found = inFolder(files, (folder) =>
        loadDataset(join(folder, 'a.csv'), { shape: [2], ...options }),
      );
      if (gives instanceof RegExp) {
        const message = await found.then(
          () => '',
          (error) => `${error.message}`,
        );
        return expect(message).to.match(gives);
      }
      const { x: read, targets } = await found;
      expect({ x: [...read], targets: [...(targets ?? [])] }).to.deep.equal(gives);
    });
  }
});

describe('samples of several inputs and outputs', () => {
  const both = ports('numbers', [[1], [2]], [[2], [1]]);
  const a = f4([1, 2, 3, 4], [2, 2]);
  const b = f4([10, 20], [2, 1]);
  const answers = { y0: f4([5, 6], [2, 1]), y1: f4([7, 8, 9, 10], [2, 2]) };
  const zipped = (files: Record<string, Buffer>) => ({
    'a.npz': zipSync(Object.fromEntries(Object.entries(files).map(([n, f]) => [`${n}.npy`, f]))),
  });
  const yields = (text: string) => ({ 'a.mjs': `export default () => [${text}];` });
  const rows: readonly (readonly [
    edge: string,
    files: Record<string, string | Uint8Array>,
    says?: RegExp,
  ])[] = [
    ['by index', zipped({ x0: a, x1: b, ...answers })],
    ['by name', zipped({ 'in_a:0': a, in_b: b, out_0: answers.y0, out_1: answers.y1 })],
    ['a table', { 'a.csv': '1,2,10,5,7,8\n3,4,20,6,9,10' }],
    ['a list for each', yields('{ x: [[1,2,3,4],[10,20]], y: [[5,6],[7,8,9,10]] }')],
    [
      'by name in a module',
      yields(
        '{ x: { in_b: [10,20], in_a: [[1,2],[3,4]] }, y: { out_1: [[7,8],[9,10]], out_0: [5,6] } }',
      ),
    ],
    [
      'one input is missing',
      zipped({ x0: a, ...answers }),
      /has no array for "in_b:0".*x0 \(in_a:0\)/s,
    ],
    ['one output is missing', zipped({ x0: a, x1: b, y1: answers.y1 }), /has no array for "out_0"/],
    [
      'other counts',
      zipped({ x0: a, x1: f4([1, 2, 3], [3, 1]) }),
      /2 samples of one input and 3 of another/,
    ],
    ['another list', yields('{ x: [[1,2],[3],[4]] }'), /for each of the model's 2 inputs/],
    ['other counts in a module', yields('{ x: [[1,2,3,4,5],[3]] }'), /for "in_a:0", 2 samples/],
    ['an array alone', { 'a.npy': a }, /holds one input for each sample; the model has 2/],
  ];
  for (const [edge, files, says] of rows) {
    it(edge, async () => {
      const [name = ''] = Object.keys(files);
      const found = inFolder(files, (folder) =>
        loadDataset(join(folder, name), { shape: [3], ports: both }),
      );
      if (says !== undefined) {
        const text = await found.then(
          () => '',
          (error) => `${error.message}\n${error.hint}`,
        );
        return expect(text).to.match(says);
      }
      const data = await found;
      expect(data.inputs).to.deep.equal([[2], [1]]);
      expect([...data.x]).to.deep.equal([1, 2, 10, 3, 4, 20]);
      expect([...(data.targets ?? [])]).to.deep.equal([5, 7, 8, 6, 9, 10]);
    });
  }
});

const folder = mkdtempSync(join(tmpdir(), 'values-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const readReport = (into: string) =>
  JSON.parse(readFileSync(join(into, 'report.json'), 'utf8')) as CompressReport;

describe('compress: numbers that the samples say', () => {
  const model = join(folder, 'one.tflite');
  const table = join(folder, 'one.csv');
  /** y = 20 + 3 a − 2 b, with a little noise: far from 0, as a temperature is. */
  before(async () => {
    const random = makeRandom(3);
    const count = 120;
    const x = Float32Array.from({ length: 2 * count }, () => random() * 2 - 1);
    const targets = Float32Array.from({ length: count }, (_, i) => {
      const [u, v] = [x[2 * i] as number, x[2 * i + 1] as number];
      return 20 + 3 * u - 2 * v + 0.1 * random();
    });
    const data = { where: 'line', count, shape: [2], x, labels: null, classes: null, targets };
    const network = new FloatNetwork([2], 4).dense(8).dense(1, 'none');
    (network.tensors.at(-2)?.data as Float32Array | undefined)?.fill(20);
    const start = { graph: network.graph(), masks: new Map(), quantization: null };
    const options = { ...trainDefaults, epochs: 30, batch: 16, learningRate: 0.03 };
    const { tf } = await loadBackend('wasm');
    const { graph } = await train(tf, start, { data, options });
    writeFileSync(model, writeTflite({ ...network.module(), graphs: [graph] }));
    const rows = Array.from({ length: count }, (_, i) => [x[2 * i], x[2 * i + 1], targets[i]]);
    writeFileSync(table, rows.map((row) => row.join(',')).join('\n'));
  });
  let outputs = 0;
  const run = async (...args: string[]) => {
    outputs += 1;
    const into = join(folder, `one-${outputs}`);
    const given = [model, '--data', table, '-o', into, '--backend', 'wasm', '--seed', '1'];
    const ended = await runHere(['compress', ...given, '--epochs', '2', ...args]);
    return { ...ended, into };
  };

  it('tells MSE, MAE and R² of both models, by which the float one was trained', async () => {
    const { status, stdout, stderr, into } = await run();
    expect(status, stderr).to.equal(0);
    const { values: error, accuracy } = readReport(into);
    expect(accuracy).to.equal(null);
    expect(error?.float?.explained).to.be.above(0.95);
    expect(error?.int8.explained).to.be.above(0.9);
    expect(error?.int8.mae).to.be.within((error?.float?.mae ?? 1) / 2, 0.5);
    for (const name of ['MSE', 'MAE', 'R²']) {
      expect(stdout).to.match(
        new RegExp(
          `^${name} +[\\d.e-]+ in float, [\\d.e-]+ quantized, from the targets of 30\\s+test`,
          'm',
        ),
      );
    }
  });

  it('--max-error bounds the mean absolute error in real units', async () => {
    expect((await run('--max-error', '0.5')).status).to.equal(0);
    const { status, stderr, into } = await run('--max-error', '0.001');
    expect(status).to.equal(3);
    expect(stderr).to.match(
      /the mean absolute error is 0\.\d+ on the test samples, --max-error is 0\.001/,
    );
    expect(readReport(into).nearest[0]?.isWritten).to.equal(true);
  });

  it('a budget that no useful model meets ends with 3, the nearest useful one, and a table', async () => {
    const { status, stdout, stderr, into } = await run('--max-flash', '100', '--json');
    expect(status, stderr).to.equal(3);
    const report = JSON.parse(stdout) as CompressReport;
    expect(report.values?.int8.explained, 'above the floor').to.be.above(0.7);
    const written = report.nearest.find(({ isWritten }) => isWritten);
    expect(written?.isUseful).to.equal(true);
    expect(written).to.equal(report.nearest[0]);
    const text = readFileSync(join(into, 'report.txt'), 'utf8');
    expect(text).to.match(
      /^Nearest to the goals, on the \d+ validation samples:\n\nsteps +R² +MAE +SNR dB +ms +flash +RAM/m,
    );
    expect(text).to.match(/^quantize\b.*written$|^.*quantize.* written$/m);
  });

  it('lists the float original at its own cost, and the int8 one apart', async () => {
    const { into } = await run();
    const { cost, data } = readReport(into);
    expect(cost?.float?.ms).to.be.above(cost?.before.ms ?? 1e9);
    const text = readFileSync(join(into, 'report.txt'), 'utf8');
    expect(text).to.match(/^original, float /m);
    expect(text).to.match(/^original, int8 /m);
    const report = readReport(into);
    const without = report.cost && { ...report.cost, float: null };
    const bare = compressText({ ...report, cost: without }, 100);
    expect(bare, 'where float does not compile').to.match(/^original, float .*– {2,}– {2,}–$/m);
    expect(bare).to.match(/^time +float does not compile, [\d.]+ as plain int8 → /m);
    expect(text).to.match(
      new RegExp(`Behind each step, on the ${data.validation} validation samples`),
    );
    expect(text).to.match(new RegExp(`^output SNR .* of ${data.test} test samples$`, 'm'));
  });

  for (const [edge, args, says] of [
    ['an accuracy of numbers', ['--min-accuracy', '50'], /--min-accuracy: needs labels/],
    ['an SNR that is no number', ['--min-snr', 'x'], /must be a number/],
    ['an error of 0', ['--max-error', '0'], /must be above 0/],
  ] as const) {
    it(`refuses ${edge}`, async () => {
      const { status, stderr } = await run(...args);
      expect(status).to.equal(1);
      expect(stderr).to.match(says);
    });
  }
});

describe('the loss of numbers', () => {
  it('is the squared error of each output in units of its variance, and their mean', async () => {
    const { tf } = await loadBackend('wasm');
    // Outputs of one and two elements; the second a hundred times the first.
    const wanted = Float32Array.of(1, 100, 300, 3, 300, 100);
    const own = Float32Array.of(1.5, 100, 300, 2.5, 250, 150);
    const units = unitsOf(wanted, [1, 2]);
    expect(units.map(({ variance }) => variance)).to.deep.equal([1, 10_000]);
    const [loss] = tf.tidy(() =>
      squaredError(tf, tf.tensor(own, [2, 3]), tf.tensor(wanted, [2, 3]), units).dataSync(),
    ) as unknown as [number];
    expect(loss).to.be.closeTo((0.25 + 1250 / 10_000) / 2, 1e-6);
  });
});

/** Two inputs of 3 and 2 elements; outputs of 2 and 1, the second a hundred times the first. */
function twoByTwo(): Module {
  const network = new FloatNetwork([3], 6).dense(6);
  const left = network.last;
  const second: TensorId =
    network.tensors.push({
      ...{ name: 'b', dtype: 'float32', shape: [1, 2], quant: null, data: null, source: null },
    } as (typeof network.tensors)[number]) - 1;
  network.last = second;
  network.dense(6).add('add', [left], { activation: 'relu' });
  const trunk = network.last;
  const near = network.dense(2, 'none').last;
  network.last = trunk;
  const far = network.dense(1, 'none').last;
  const graph = { ...network.graph(), inputs: [0, second], outputs: [near, far] };
  const names = { inputNames: ['a', 'b'], outputNames: ['near', 'far'] };
  return { ...network.module(), graphs: [graph], ...names };
}

describe('models of several inputs and outputs', () => {
  const model = join(folder, 'two.tflite');
  const data = join(folder, 'two.mjs');
  before(() => {
    writeFileSync(model, writeTflite(twoByTwo()));
    writeFileSync(
      data,
      `let s = 1; const r = () => { s = (s * 16807) % 2147483647; return s / 2147483647 - 0.5; };
       const list = (n) => Array.from({ length: n }, r);
       export default () => [{ x: { a: list(180), b: list(120) } }];`,
    );
  });
  const given = (command: string) => [command, model, '--data', data, '--backend', 'wasm'];

  for (const [command, ...args] of [
    ['compress', '--epochs', '1'],
    ['compress', '--epochs', '1', '--max-flash', '100', '--min-snr', '0'],
    ['quantize', '--explain'],
    ['prune', '--share', '50', '--epochs', '1'],
    ['prune', '--share', '50', '--epochs', '0'],
  ] as const) {
    it(`${command} ${args.join(' ')}`, async () => {
      const into = join(folder, `two-${args.join('')}-${command}`);
      const { status, stderr, stdout } = await runHere([...given(command), '-o', into, ...args]);
      expect(status, stderr).to.equal(args.some((arg) => arg === '100') ? 3 : 0);
      const { outputs, snrDb, values } = readReport(into);
      expect(outputs?.map(({ name }) => name)).to.deep.equal(['near', 'far']);
      const each = outputs?.map((own) => own.snrDb) ?? [];
      expect(snrDb, 'the worst').to.equal(Math.min(...each));
      expect(values?.float).to.equal(null);
      expect(stdout).to.match(/^ {2}near +[\d.−-]+ dB, MAE /m);
    });
  }

  it('sensitivity', async () => {
    const { status, stdout, stderr } = await runHere([...given('sensitivity'), '--json']);
    expect(status, stderr).to.equal(0);
    const { layers } = JSON.parse(stdout) as Sensitivity;
    expect(layers).to.have.length(4);
  });
});
