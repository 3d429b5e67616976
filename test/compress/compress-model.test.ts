/** bonsaic compress: recipes, goals, and jobs that are interrupted. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { importModel } from '../../src/compiler/formats/index.js';
import { writeTflite } from '../../src/compiler/formats/tflite/write.js';
import { mainGraph } from '../../src/compiler/ir/graph.js';
import { type CompressReport, compressModel } from '../../src/compress/compress-model.js';
import type { Dataset } from '../../src/compress/data/dataset.js';
import { withValues } from '../../src/compress/float-graph.js';
import { journalFolder } from '../../src/compress/journal.js';
import type { Sensitivity } from '../../src/compress/prune/sensitivity.js';
import { makeRandom } from '../../src/compress/random.js';
import { type Recipe, settingsOf } from '../../src/compress/recipe.js';
import { loadBackend } from '../../src/compress/tensorflow.js';
import { train, trainDefaults } from '../../src/compress/train/loop.js';
import type { Progress } from '../../src/progress.js';
import { runHere } from '../support/command.js';
import { FloatNetwork } from '../support/float-network.js';

const features = 8;
const classes = 3;

/** Samples around a centre for each class. */
function clusters(count: number, seed: number): Dataset {
  const random = makeRandom(seed);
  const labels = Int32Array.from({ length: count }, (_, i) => i % classes);
  const x = Float32Array.from({ length: count * features }, (_, i) => {
    const label = labels[Math.floor(i / features)] ?? 0;
    return random() - 0.5 + (i % classes === label ? 0.45 : 0);
  });
  const names = ['a', 'b', 'c'];
  return { where: 'clusters', count, shape: [features], x, labels, classes: names };
}

const tableOf = ({ x, labels, count, classes: names }: Dataset) =>
  [
    `${Array.from({ length: features }, (_, i) => `f${i}`).join(',')},label`,
    ...Array.from({ length: count }, (_, i) =>
      [...x.subarray(i * features, (i + 1) * features), names?.[labels?.[i] ?? 0]].join(','),
    ),
  ].join('\n');

describe('bonsaic compress', () => {
  const folder = mkdtempSync(join(tmpdir(), 'compress-'));
  after(() => rmSync(folder, { recursive: true }));
  const model = join(folder, 'net.tflite');
  const table = join(folder, 'data.csv');
  const newOutput = () => join(mkdtempSync(join(folder, 'out-')), 'result');

  before(async () => {
    const { tf } = await loadBackend('wasm');
    const data = clusters(150, 1);
    const network = new FloatNetwork([features], 2)
      .dense(32)
      .dense(24)
      .dense(classes, 'none')
      .softmax();
    const start = { graph: network.graph(), masks: new Map(), quantization: null };
    const options = { ...trainDefaults, epochs: 12, batch: 16, learningRate: 0.01 };
    const { graph } = await train(tf, start, { data, options });
    writeFileSync(model, writeTflite({ ...network.module(), graphs: [graph] }));
    writeFileSync(table, tableOf(data));
    for (const [name, outputs] of [
      ['two', 2],
      ['other', classes],
    ] as const) {
      const teacher = new FloatNetwork([features], 5).dense(6).dense(outputs, 'none').softmax();
      writeFileSync(join(folder, `${name}.tflite`), writeTflite(teacher.module()));
    }
  });

  const compress = (output: string, ...args: string[]) =>
    runHere(['compress', model, '--data', table, '-o', output, '--backend', 'wasm', ...args]);

  it('without budgets only quantizes, since that loses little', async () => {
    const output = newOutput();
    const { status, stdout } = await compress(output, '--target', 'rp2040', '--json');
    expect(status).to.equal(0);
    const report = JSON.parse(stdout) as CompressReport & { model: { path: string } };
    expect(report.model.path).to.equal(join(output, 'model.tflite'));
    expect(report.steps.map(({ settings }) => settings.step)).to.deep.equal(['quantize']);
    expect(report.accuracy?.int8).to.be.above(0.8);
    expect(report.cost?.after.ms).to.be.above(0);
    expect(readdirSync(output)).not.to.include(journalFolder);
  });

  it('chooses int16 where a feature is too large for int8 beside the others', async () => {
    const [output, coarse] = [newOutput(), join(folder, 'coarse.csv')];
    const data = clusters(150, 2);
    const x = data.x.map((value, i) => (i % features === features - 1 ? 400 * value : value));
    const labels = data.labels?.map((_, n) => {
      const own = [0, 1, 2].map((label) => x[n * features + label] as number);
      return own.indexOf(Math.max(...own));
    });
    writeFileSync(coarse, tableOf({ ...data, x, labels: labels as Int32Array }));
    const plain = new FloatNetwork([features], 2).dense(classes, 'none').softmax().module();
    const [layer] = mainGraph(plain).nodes;
    const weights = Float32Array.from({ length: classes * features }, (_, i) =>
      i % features === Math.floor(i / features) ? 1 : 0,
    );
    const graph = withValues(mainGraph(plain), new Map([[layer?.inputs[1] ?? -1, weights]]));
    const path = join(folder, 'coarse.tflite');
    writeFileSync(path, writeTflite({ ...plain, graphs: [graph] }));
    const given = [path, '--data', coarse, '-o', output, '--backend', 'wasm', '--epochs', '2'];
    const { status, stdout } = await runHere(['compress', ...given, '--target', 'rp2040']);
    expect(status).to.equal(0);
    expect(stdout).to.match(/^quantize int16 .* kept$/m);
    const { accuracy } = JSON.parse(readFileSync(join(output, 'report.json'), 'utf8'));
    expect(accuracy.int8).to.be.above(0.95);
  });

  it('makes the model smaller for a budget of time, and leaves the recipe of it', async () => {
    const output = newOutput();
    const dense = await compress(output, '--target', 'rp2040', '--json');
    const before = (JSON.parse(dense.stdout) as CompressReport).cost?.after.ms ?? 0;
    const budget = ['--target', 'rp2040', '--max-ms', `${0.75 * before}`, '--epochs', '4'];
    const { status, stdout } = await compress(output, ...budget, '--json');
    expect(status).to.equal(0);
    const report = JSON.parse(stdout) as CompressReport;
    expect(report.cost?.after.ms).to.be.at.most(0.75 * before);
    expect(report.accuracy?.int8).to.be.above(0.8);
    const { steps } = JSON.parse(readFileSync(join(output, 'recipe.json'), 'utf8')) as Recipe;
    expect(['prune', 'shrink']).to.include(steps[0]?.step);
    expect(report.steps[0]?.kept, 'the plain quantization is not in it').to.equal(false);
    const again = newOutput();
    const args = ['--recipe', join(output, 'recipe.json'), '--target', 'rp2040'];
    expect((await compress(again, ...args)).status).to.equal(0);
    const [a, b] = [output, again].map((folder) => readFileSync(join(folder, 'model.tflite')));
    expect(b?.equals(a as Buffer)).to.equal(true);
  });

  it('explains where signal is lost and how robust the result is', async () => {
    const output = newOutput();
    const given = ['quantize', model, '--data', table, '-o', output, '--backend', 'wasm'];
    const { status, stdout } = await runHere([...given, '--explain', '--target', 'rp2040']);
    expect(status).to.equal(0);
    for (const title of [/own dB/, /noise/]) expect(stdout).to.match(title);
    const kept = JSON.parse(readFileSync(join(output, 'report.json'), 'utf8')) as CompressReport;
    expect(kept.explanation?.layers).to.have.length(kept.layers.length);
    expect(kept.explanation?.robustness.length).to.be.above(2);
  });

  it('a recipe prunes in rounds that begin with the original weights again', async () => {
    const [output, recipe] = [newOutput(), join(folder, 'rounds.json')];
    const round = { step: 'prune', schedule: 'one-shot', rewind: true, epochs: 1 };
    const steps = [0.5, 0.75].map((share) => ({ ...round, share }));
    writeFileSync(recipe, JSON.stringify({ steps }));
    const { status, stdout } = await compress(output, '--recipe', recipe, '--json');
    expect(status).to.equal(0);
    const [first, second] = (JSON.parse(stdout) as CompressReport).steps;
    expect(first?.notes[0]).to.match(/^(49|5\d)\.\d % of/);
    expect(second?.notes[0]).to.match(/^7\d\.\d % of/);
  });

  for (const [edge, ...settings] of [
    ['half of the MACs', ['macs', 0.5]],
    ['half of the time', ['time', 0.5]],
    ['half of the MACs by norms', ['macs', 0.5], ['score', 'l2']],
    ['half of the MACs, branches too', ['macs', 0.5], ['blocks', true]],
  ] as const) {
    it(`a recipe shrinks the graph to ${edge}`, async () => {
      const [output, recipe] = [newOutput(), join(folder, 'shrink.json')];
      const shrink = { step: 'shrink', epochs: 2, ...Object.fromEntries(settings) };
      writeFileSync(recipe, JSON.stringify({ steps: [shrink] }));
      const args = ['--recipe', recipe, '--target', 'rp2040', '--json'];
      const { status, stdout } = await compress(output, ...args);
      expect(status).to.equal(0);
      const report = JSON.parse(stdout) as CompressReport;
      const { before, after } = report.cost ?? {};
      expect((after?.count ?? 1) / (before?.count ?? 1)).to.be.within(0.25, 0.65);
      expect(report.accuracy?.int8).to.be.above(0.7);
    });
  }

  it('its recipe gives the same bytes again', async () => {
    const [first, second, recipe] = [newOutput(), newOutput(), join(folder, 'recipe.json')];
    const chosen = { batch: 64, teacherShare: 0.7 };
    const steps = [
      { step: 'train', epochs: 2, ...chosen },
      { step: 'quantize', weights: 'int4' },
      { step: 'round', iterations: 20 },
      { step: 'train', epochs: 1, ...chosen },
    ];
    writeFileSync(recipe, JSON.stringify({ steps }));
    expect((await compress(first, '--recipe', recipe)).status).to.equal(0);
    const left = join(first, 'recipe.json');
    expect((JSON.parse(readFileSync(left, 'utf8')) as Recipe).steps).to.deep.equal(
      steps.map((step) => settingsOf(step as never)),
    );
    expect((await compress(second, '--recipe', left)).status).to.equal(0);
    const [a, b] = [first, second].map((output) => readFileSync(join(output, 'model.tflite')));
    expect(b?.equals(a as Buffer)).to.equal(true);
  });

  it('what trials chose stands in its recipe, and gives the same bytes again', async () => {
    const [first, second, recipe] = [newOutput(), newOutput(), join(folder, 'recipe.json')];
    const steps = [{ step: 'shrink', macs: 0.6 }, { step: 'prune', share: 0.5 }, { step: 'train' }];
    writeFileSync(recipe, JSON.stringify({ steps }));
    expect((await compress(first, '--recipe', recipe)).status).to.equal(0);
    const left = join(first, 'recipe.json');
    expect(readFileSync(left, 'utf8')).not.to.match(/"(epochs|batch|teacherShare|score)": *"auto"/);
    expect((await compress(second, '--recipe', left)).status).to.equal(0);
    const [a, b] = [first, second].map((output) => readFileSync(join(output, 'model.tflite')));
    expect(b?.equals(a as Buffer)).to.equal(true);
  });

  const ends: readonly (readonly [
    edge: string,
    args: readonly string[],
    out: RegExp,
    err: RegExp,
  ])[] = [
    [
      'no target: the usual one, and no port',
      [],
      /; next: cd \S+ && bonsaic run$/m,
      /^estimates for rp2040: --target chooses another board$/m,
    ],
    [
      'a simulated target',
      ['--target', 'mps2-an385'],
      /; next: cd \S+ && bonsaic run$/m,
      /^(?!estimates for)/,
    ],
    [
      'a core without a board',
      ['--target', 'cortex-m4'],
      /; next: cd \S+ && bonsaic compile -o \.\.\/firmware$/m,
      /^(?!estimates for)/,
    ],
  ];
  for (const [edge, args, out, err] of ends) {
    it(`tells the board of its estimates and the next command: ${edge}`, async () => {
      const { status, stdout, stderr } = await compress(newOutput(), ...args);
      expect(status).to.equal(0);
      expect(stdout).to.match(out);
      expect(stderr).to.match(err);
      expect(stderr).not.to.include('--port');
    });
  }

  const shares: readonly (readonly [edge: string, time: string, isTold: boolean])[] = [
    ['that no plan leaves', '1', true],
    ['that a plan leaves', '95', false],
  ];
  for (const [edge, time, isTold] of shares) {
    it(`prune with a share of the time ${edge}`, async () => {
      const given = ['prune', model, '--data', table, '-o', newOutput(), '--backend', 'wasm'];
      for (const epochs of ['0', '1']) {
        const goal = ['--target', 'rp2040', '--time', time, '--epochs', epochs];
        const { status, stdout } = await runHere([...given, ...goal]);
        expect(status).to.equal(0);
        expect(/though\s+the\s+goal\s+is\s+not\s+reached/.test(stdout)).to.equal(isTold);
      }
    });
  }

  it('says what misses the goals, with the best that was found', async () => {
    const output = newOutput();
    const goals = ['--target', 'rp2040', '--max-flash', '100', '--min-accuracy', '99.9'];
    const { status, stderr, stdout } = await compress(output, ...goals, '--epochs', '1');
    expect(status).to.equal(3);
    expect(stderr).to.match(/needs \d+ bytes of flash( by estimate)?, --max-flash is 100/);
    expect(stderr).to.match(/of the test samples are right, --min-accuracy is 99.90 %/);
    expect(stdout).to.match(/accuracy/);
    expect(existsSync(join(output, 'model.tflite'))).to.equal(true);
  });

  /** Stops a job where a title or a line of progress matches for the `nth` time. */
  const stopAt = (pattern: RegExp, nth: number): Progress => {
    let seen = 0;
    const look = (text: string) => {
      if (!pattern.test(text)) return;
      seen += 1;
      if (seen === nth) throw new Error('stopped');
    };
    return async (title, work) => {
      look(title);
      return work(look);
    };
  };
  const quiet: Progress = async (_, work) => work(() => {});

  const stops: readonly (readonly [edge: string, pattern: RegExp, nth: number])[] = [
    ['before the first step', /^Train$/, 1],
    ['behind the second epoch', /^epoch \d/, 2],
    ['behind the last epoch of a step', /^epoch \d/, 3],
    ['while it quantizes', /ranges by mse/, 1],
    ['in the training of an int8 model', /^epoch \d/, 5],
    ['before the comparison', /^Compare/, 1],
  ];
  for (const [edge, pattern, nth] of stops) {
    it(`resumes and ends the same, interrupted ${edge}`, async () => {
      const journal = newOutput();
      const recipe: Recipe = {
        steps: [
          settingsOf({ step: 'train', epochs: 3 }),
          settingsOf({ step: 'quantize' }),
          settingsOf({ step: 'train', epochs: 2, learningRate: 0.0005 }),
        ],
      };
      const request = {
        bytes: readFileSync(model),
        ...{ path: model, data: table, reading: {}, samples: 64, seed: 3 },
        backend: 'wasm' as const,
        ...{ costs: null, how: recipe, goals: {}, explains: false },
      };
      const whole = await compressModel({ ...request, journal: null }, quiet);
      const stopped = await compressModel({ ...request, journal }, stopAt(pattern, nth)).then(
        () => false,
        () => true,
      );
      expect(stopped, 'the job was interrupted').to.equal(true);
      const said: string[] = [];
      const resumed = await compressModel({ ...request, journal }, (title, work) => {
        said.push(title);
        return Promise.resolve(work((text) => said.push(text)));
      });
      expect(Buffer.from(resumed.file).equals(Buffer.from(whole.file))).to.equal(true);
      const epochs = said.filter((text) => /^epoch \d/.test(text));
      if (pattern.source === '^epoch \\d') expect(epochs).to.have.length(5 - nth);
      resumed.done();
      expect(existsSync(journal)).to.equal(false);
    });
  }

  it('takes nothing from a job with other samples for ranges', async () => {
    const journal = newOutput();
    const recipe: Recipe = { steps: [settingsOf({ step: 'quantize' })] };
    const request = {
      ...{ bytes: readFileSync(model), path: model, data: table, reading: {}, seed: 3 },
      ...{ backend: 'wasm' as const, costs: null, how: recipe, goals: {}, explains: false },
    };
    const made = (samples: number, folder: string | null) =>
      compressModel({ ...request, samples, journal: folder }, quiet);
    const few = await made(4, journal);
    const many = await made(64, journal);
    expect(Buffer.from(many.file).equals(Buffer.from(few.file))).to.equal(false);
    const whole = await made(64, null);
    expect(Buffer.from(many.file).equals(Buffer.from(whole.file))).to.equal(true);
  });

  it('resumes a gradual pruning by movement, whose sums are kept too', async () => {
    const journal = newOutput();
    const prune = { step: 'prune', score: 'movement', share: 0.5, epochs: 4 } as const;
    const recipe: Recipe = { steps: [settingsOf(prune)] };
    const request = {
      ...{ bytes: readFileSync(model), path: model, data: table, reading: {}, samples: 64 },
      ...{ seed: 3, backend: 'wasm' as const, costs: null, how: recipe, goals: {} },
      explains: false,
    };
    const whole = await compressModel({ ...request, journal: null }, quiet);
    await compressModel({ ...request, journal }, stopAt(/^epoch \d/, 2)).catch(() => {});
    const resumed = await compressModel({ ...request, journal }, quiet);
    expect(Buffer.from(resumed.file).equals(Buffer.from(whole.file))).to.equal(true);
  });

  it('tells of a training that began anew also where it was interrupted behind that', async () => {
    const journal = newOutput();
    const recipe: Recipe = { steps: [settingsOf({ step: 'train', epochs: 3, learningRate: 10 })] };
    const request = {
      ...{ bytes: readFileSync(model), path: model, data: table, reading: {}, samples: 64 },
      ...{ seed: 3, backend: 'wasm' as const, costs: null, how: recipe, goals: {} },
      explains: false,
    };
    const whole = await compressModel({ ...request, journal: null }, quiet);
    const notes = whole.report.steps[0]?.notes ?? [];
    expect(notes[0]).to.match(/training begins anew/);
    await compressModel({ ...request, journal }, stopAt(/^epoch 2/, 1)).catch(() => {});
    const resumed = await compressModel({ ...request, journal }, quiet);
    expect(resumed.report.steps[0]?.notes).to.deep.equal(notes);
  });

  it('a recipe names several teachers, and its copy finds them', async () => {
    const recipe = join(folder, 'teachers.json');
    const trainedBy = async (teachers: readonly string[], weights: readonly number[]) => {
      const train = { step: 'train', epochs: 1, teachers, teacherWeights: weights };
      writeFileSync(recipe, JSON.stringify({ steps: [train] }));
      const output = newOutput();
      const { status, stderr } = await compress(output, '--recipe', recipe);
      expect(status, stderr).to.equal(0);
      return output;
    };
    const bytesIn = (output: string) => readFileSync(join(output, 'model.tflite'));
    const [alone, both, more] = [
      await trainedBy(['original'], [1]),
      await trainedBy(['original', 'other.tflite'], [1, 1]),
      await trainedBy(['original', 'other.tflite'], [1, 3]),
    ];
    expect(bytesIn(both).equals(bytesIn(alone))).to.equal(false);
    expect(bytesIn(more).equals(bytesIn(both))).to.equal(false);
    const again = newOutput();
    expect((await compress(again, '--recipe', join(both, 'recipe.json'))).status).to.equal(0);
    expect(bytesIn(again).equals(bytesIn(both))).to.equal(true);
  });

  it('takes nothing from a job with another teacher of the same name', async () => {
    const [journal, path] = [newOutput(), join(folder, 'teacher.tflite')];
    const recipe: Recipe = {
      steps: [settingsOf({ step: 'train', epochs: 1, teacherShare: 1, teachers: [path] })],
    };
    const request = {
      ...{ bytes: readFileSync(model), path: model, data: table, reading: {}, samples: 64 },
      ...{ seed: 3, backend: 'wasm' as const, costs: null, how: recipe, goals: {} },
      explains: false,
    };
    const files = [];
    for (const seed of [1, 2]) {
      const teacher = new FloatNetwork([features], seed).dense(classes, 'none').softmax();
      writeFileSync(path, writeTflite(teacher.module()));
      files.push(Buffer.from((await compressModel({ ...request, journal }, quiet)).file));
    }
    expect(files[1]?.equals(files[0] as Buffer)).to.equal(false);
  });

  const prunings: readonly (readonly [edge: string, ...args: string[]])[] = [
    ['by default'],
    ['at once, without training', '--epochs', '0'],
    ['at once', '--schedule', 'one-shot', '--epochs', '1'],
    ['by movement', '--score', 'movement', '--epochs', '2'],
    ["by Taylor's terms", '--score', 'taylor', '--epochs', '2'],
    ['in blocks', '--pattern', '1x4', '--epochs', '1'],
    ['in groups', '--pattern', '1:4', '--epochs', '1'],
  ];
  for (const [edge, ...args] of prunings) {
    it(`bonsaic prune leaves half of the weights and less, ${edge}`, async () => {
      const output = newOutput();
      const given = ['prune', model, '--data', table, '-o', output, '--backend', 'wasm'];
      const { status } = await runHere([...given, '--share', '50', ...args]);
      expect(status).to.equal(0);
      const bytes = readFileSync(join(output, 'model.tflite'));
      const module = importModel(bytes, { name: 'm', where: 'm', rounding: 'tflm' });
      const weights = mainGraph(module).tensors.flatMap(({ data, shape }) =>
        data !== null && shape.length === 2 ? [...(data as Int8Array)] : [],
      );
      const zeros = weights.filter((weight) => weight === 0).length;
      expect(zeros / weights.length).to.be.within(0.35, 0.8);
    });
  }

  it('bonsaic sensitivity tells what each layer loses at each share', async () => {
    const given = ['sensitivity', model, '--data', table, '--backend', 'wasm'];
    const asked = ['--patterns', 'unstructured,1x4', '--shares', '50,95'];
    const { status, stdout } = await runHere([...given, ...asked, '--json']);
    expect(status).to.equal(0);
    const { layers } = JSON.parse(stdout) as Sensitivity;
    expect(layers).to.have.length(3);
    for (const { points } of layers) {
      expect(points.map(({ pattern, share }) => `${pattern} ${share}`)).to.deep.equal([
        'unstructured 0.5',
        'unstructured 0.95',
        '1x4 0.5',
        '1x4 0.95',
      ]);
      const [half, nearlyAll] = points;
      expect(half?.snrDb).to.be.above(nearlyAll?.snrDb ?? 0);
    }
    const text = await runHere([...given, ...asked]);
    expect(text.stdout).to.match(/pruned alone/);
    for (const args of [
      ['--patterns', '9x9'],
      ['--shares', '100'],
    ]) {
      expect((await runHere([...given, ...args])).status).to.equal(1);
    }
  });

  const pieceTo = (until: number) => ({ until, shape: 'linear', to: 1 });
  const half = { pattern: 'unstructured', share: 0.5 };
  const wrong: readonly (readonly [edge: string, message: RegExp, recipe: unknown])[] = [
    ['no object', /is an array, not an object/, []],
    ['no steps', /"steps" is empty/, { steps: [] }],
    [
      'an unknown step',
      /"steps.0.step" is "shake", which is not known/,
      { steps: [{ step: 'shake' }] },
    ],
    ['a step without a name', /"steps.0.step" is missing/, { steps: [{ epochs: 2 }] }],
    [
      'an unknown key of a step',
      /"steps.0" does not know the key "epoch"; it knows step, .*epochs, .*teachers/,
      { steps: [{ step: 'train', epoch: 2 }] },
    ],
    [
      'unknown keys of a step with refinements',
      /"steps.0" does not know the keys "sharp", "x"; it knows step, pattern, share, /,
      { steps: [{ step: 'prune', sharp: 0.5, x: 1 }] },
    ],
    [
      'an unknown key of a layer',
      /"steps.0.layers.d" does not know the key "shares"; it knows pattern, share\n/,
      { steps: [{ step: 'prune', layers: { d: { ...half, shares: 0.5 } } }] },
    ],
    [
      'an unknown key beside the steps',
      /json: does not know the key "step"; it knows steps\n/,
      { steps: [{ step: 'quantize' }], step: 1 },
    ],
    [
      'a value out of range',
      /"steps.0.epochs" is 0, not at least 1/,
      {
        steps: [{ step: 'train', epochs: 0 }],
      },
    ],
    ['rounding of a float model', /finds a model without scales/, { steps: [{ step: 'round' }] }],
    [
      'rounding before quantization',
      /"steps.0" finds a model without scales/,
      { steps: [{ step: 'round' }, { step: 'quantize' }] },
    ],
    [
      'weights to rewind that are gone',
      /"steps.1" rewinds weights behind "shrink"/,
      { steps: [{ step: 'shrink' }, { step: 'prune', rewind: true }] },
    ],
    [
      'a schedule that falls back',
      /"steps.0.rateSchedule.1.until" is 0.2, not above 0.5/,
      { steps: [{ step: 'train', rateSchedule: [pieceTo(0.5), pieceTo(0.2)] }] },
    ],
    [
      'a piece of a schedule without length',
      /"steps.0.rateSchedule.0.until" is 0, not above 0/,
      { steps: [{ step: 'train', rateSchedule: [pieceTo(0)] }] },
    ],
    [
      'a rate beyond all numbers',
      /"steps.0.learningRate" is Infinity/,
      '{"steps": [{"step": "train", "learningRate": 1e999}]}',
    ],
    [
      'a temperature of 0',
      /"steps.0.temperature" is 0, not at least 0.001/,
      { steps: [{ step: 'train', temperature: 0 }] },
    ],
    [
      'a mean that never moves',
      /"steps.0.averageDecay" is 1, not below 1/,
      { steps: [{ step: 'train', averageDecay: 1 }] },
    ],
    [
      'a time, and shares of layers that take its place',
      /"steps.0" has a "time" and "layers"/,
      { steps: [{ step: 'prune', time: 0.5, layers: { d: { pattern: '1x4', share: 0.5 } } }] },
    ],
    [
      'all weights pruned',
      /"steps.0.share" is 1, not below 1/,
      { steps: [{ step: 'prune', share: 1 }] },
    ],
    [
      'classes that all count nothing',
      /"steps.0.classWeights" are all 0/,
      { steps: [{ step: 'train', classWeights: [0, 0, 0] }] },
    ],
    [
      'weights of other classes',
      /"steps.1": class weights: .*there are 3 classes/,
      { steps: [{ step: 'train' }, { step: 'train', classWeights: [1, 2] }] },
    ],
    [
      'an unknown layer, behind a step that takes long',
      /"steps.1": prune: there is no layer "none".*\n.*fully_connected_0/,
      {
        steps: [
          { step: 'train', epochs: 1000 },
          { step: 'prune', layers: { none: half } },
        ],
      },
    ],
    [
      'the layer __proto__',
      /there is no layer "__proto__"/,
      '{"steps": [{"step": "prune", "layers": {"__proto__": {"pattern": "1x4", "share": 0.5}}}]}',
    ],
    [
      'the layer constructor',
      /there is no layer "constructor"/,
      { steps: [{ step: 'prune', layers: { constructor: half } }] },
    ],
    [
      'a wrong share of a layer',
      /"steps.0.layers.a.share" is 2, not below 1/,
      { steps: [{ step: 'prune', layers: { a: { ...half, share: 2 } } }] },
    ],
    [
      'a list of layers',
      /"steps.0.layers" is not an object/,
      { steps: [{ step: 'prune', layers: ['a'] }] },
    ],
    [
      'augmentation of images, for samples that are none',
      /"steps.0": .*image/,
      { steps: [{ step: 'train', augmentation: { kind: 'image', flip: true } }] },
    ],
    [
      'a teacher that is not there',
      /none\.tflite: cannot be read/,
      { steps: [{ step: 'train', teachers: ['none.tflite'] }] },
    ],
    [
      'a teacher of another task',
      /"steps.0": teacher 2: takes 8 and gives 2 classes; the student takes 8 and gives 3/,
      { steps: [{ step: 'train', teachers: ['original', 'two.tflite'] }] },
    ],
    [
      'weights of other teachers',
      /"steps.0": teachers: there are 1, and 2 weights/,
      { steps: [{ step: 'train', teacherWeights: [1, 2] }] },
    ],
    [
      'an unknown method',
      /"steps.0.calibration" is "best", not one of/,
      {
        steps: [{ step: 'quantize', calibration: 'best' }],
      },
    ],
  ];
  for (const [edge, message, recipe] of wrong) {
    it(`refuses a recipe with ${edge}`, async () => {
      const path = join(folder, 'wrong.json');
      writeFileSync(path, typeof recipe === 'string' ? recipe : JSON.stringify(recipe));
      const output = newOutput();
      const { status, stderr } = await compress(output, '--recipe', path);
      expect(status, stderr).to.equal(1);
      expect(stderr).to.match(message);
      expect(existsSync(output)).to.equal(false);
    });
  }

  for (const [edge, args, message] of [
    [
      'epochs beside a recipe',
      ['--recipe', 'r.json', '--epochs', '2'],
      /a recipe has its own|r.json/,
    ],
    ['an accuracy above 100', ['--min-accuracy', '101'], /percentage/],
    ['a budget of 0', ['--max-ms', '0'], /above 0/],
  ] as const) {
    it(`refuses ${edge}`, async () => {
      const { status, stderr } = await compress(newOutput(), ...args);
      expect(status).to.equal(1);
      expect(stderr).to.match(message);
    });
  }

  for (const [edge, labels, args, wanted, message] of [
    ['more classes than outputs', 4, [], 2, /labels of 4 classes; the model knows 3/],
    [
      'an accuracy without labels',
      null,
      ['--min-accuracy', '90'],
      1,
      /--min-accuracy: needs labels/,
    ],
  ] as const) {
    it(`refuses ${edge}`, async () => {
      const path = join(folder, 'other.csv');
      const { x } = clusters(40, 1);
      const rows = Array.from({ length: 40 }, (_, i) => [
        ...x.subarray(i * features, (i + 1) * features),
        ...(labels === null ? [] : [i % labels]),
      ]);
      const names = Array.from({ length: features }, (_, i) => `f${i}`);
      const head = labels === null ? names : [...names, 'label'];
      writeFileSync(path, [head, ...rows].map((row) => row.join(',')).join('\n'));
      const { status, stderr } = await compress(newOutput(), '--data', path, ...args);
      expect(status).to.equal(wanted);
      expect(stderr).to.match(message);
    });
  }
});
