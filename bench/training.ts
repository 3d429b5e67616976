/**
 * Training beside a plain Keras loop of equal steps, on two drawn problems: noisy gestures of an
 * accelerometer, and digits of 8 × 8 pixels (docs/compression.md, "Steps, not epochs").
 *
 *     npx tsx bench/training.ts --python PYTHON [--seeds 1,2,3] [--cells prune80,…] [--problems digits] [--notes]
 *
 * PYTHON has TensorFlow. Both begin with the same float weights and samples; accuracy is that of the
 * test samples, in int8 here, in float (or fake-quantized) there.
 */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { tensorOf } from '../src/compiler/ir/graph.js';
import { assessor } from '../src/compress/assess.js';
import type { Candidate } from '../src/compress/candidate.js';
import type { Dataset } from '../src/compress/data/dataset.js';
import { parametersOf } from '../src/compress/float-graph.js';
import { makeRandom } from '../src/compress/random.js';
import { type StepSettings, settingsOf } from '../src/compress/recipe.js';
import { runStep } from '../src/compress/steps/index.js';
import { loadBackend } from '../src/compress/tensorflow.js';
import { train, trainDefaults } from '../src/compress/train/loop.js';
import { FloatNetwork } from '../test/support/float-network.js';

const { values: flags } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    seeds: { type: 'string', default: '1,2,3' },
    cells: { type: 'string' },
    problems: { type: 'string', default: 'gestures,digits' },
    backend: { type: 'string', default: 'wasm' },
    notes: { type: 'boolean', default: false },
  },
});
const { tf } = await loadBackend(flags.backend as 'wasm');

const cells: Readonly<Record<string, readonly StepSettings[]>> = {
  prune80: [settingsOf({ step: 'prune', share: 0.8 }), settingsOf({ step: 'quantize' })],
  prune90: [settingsOf({ step: 'prune', share: 0.9 }), settingsOf({ step: 'quantize' })],
  half: [settingsOf({ step: 'shrink', macs: 0.5 }), settingsOf({ step: 'quantize' })],
  quarter: [settingsOf({ step: 'shrink', macs: 0.25 }), settingsOf({ step: 'quantize' })],
  int8: [settingsOf({ step: 'quantize' }), settingsOf({ step: 'train', learningRate: 0.0003 })],
  int4: [
    settingsOf({ step: 'quantize', weights: 'int4' }),
    settingsOf({ step: 'train', learningRate: 0.0003 }),
  ],
};

type Draw = (label: number, random: () => number, normal: () => number) => Float32Array;

/** Six movements of three axes: which frequency and phase each axis has. Speed and place differ. */
const gesture: Draw = (label, random, normal) => {
  const [speed, at, power] = [0.7 + 0.6 * random(), 2 * Math.PI * random(), 0.5 + random()];
  const shapes = [1, 2, 3].map((axis) => [1 + ((label * axis) % 4), (label * axis * 1.3) % 6]);
  return Float32Array.from({ length: 64 * 3 }, (_, i) => {
    const [frequency = 1, phase = 0] = shapes[i % 3] ?? [];
    const turn = (2 * Math.PI * frequency * speed * Math.floor(i / 3)) / 64 + phase + at;
    return power * Math.sin(turn) + 1.3 * normal();
  });
};

/** Rows of 3 × 5 bits, moved, slanted and noisy. */
const glyphs = [
  ...[0b111101101101111, 0b010110010010111, 0b111001111100111, 0b111001111001111],
  ...[0b101101111001001, 0b111100111001111, 0b111100111101111, 0b111001001001001],
  ...[0b111101111101111, 0b111101111001111],
];
const digit: Draw = (label, random, normal) => {
  const [down, right] = [Math.floor(random() * 4), Math.floor(random() * 5)];
  const [slant, ink] = [0.6 * (random() - 0.5), 0.6 + random()];
  return Float32Array.from({ length: 64 }, (_, i) => {
    const y = Math.floor(i / 8) - down;
    const x = Math.round((i % 8) - right + slant * (y - 2));
    const isIn = y >= 0 && y < 5 && x >= 0 && x < 3;
    const bit = isIn ? ((glyphs[label] ?? 0) >> (14 - (3 * y + x))) & 1 : 0;
    return ink * bit + 0.25 * normal();
  });
};

const problems = {
  gestures: { draw: gesture, classes: 6, shape: [64, 1, 3], train: 420 },
  digits: { draw: digit, classes: 10, shape: [8, 8, 1], train: 1000 },
} as const;

function drawn(name: keyof typeof problems, seed: number, count: number): Dataset {
  const { draw, classes, shape } = problems[name];
  const random = makeRandom(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const labels = Int32Array.from({ length: count }, (_, i) => i % classes);
  const rows = [...labels].flatMap((label) => [...draw(label, random, normal)]);
  const names = Array.from({ length: classes }, (_, i) => `${i}`);
  return { where: name, count, shape, x: Float32Array.from(rows), labels, classes: names };
}

/** Kernel 3 × 3 on both: of gestures only its middle column meets samples. */
const networkOf = (name: keyof typeof problems) => {
  const { shape, classes } = problems[name];
  const stride = name === 'gestures' ? 2 : 1;
  return new FloatNetwork([...shape], 7)
    .conv(16, 3, stride)
    .conv(24, 3, 2)
    .conv(32, 3, 2)
    .mean()
    .dense(classes, 'none');
};

const folder = mkdtempSync(join(tmpdir(), 'bonsaic-training-'));
for (const name of flags.problems.split(',') as (keyof typeof problems)[]) {
  for (const seed of flags.seeds.split(',').map(Number)) {
    const { train: count } = problems[name];
    const data = drawn(name, 10 * seed, count);
    const validation = drawn(name, 10 * seed + 1, Math.round(count / 4));
    const test = drawn(name, 10 * seed + 2, 3000);
    const network = networkOf(name);
    const begin = { graph: network.graph(), masks: new Map(), quantization: null };
    const options = { ...trainDefaults, epochs: 60, batch: 32, learningRate: 0.003, seed };
    const task = { data, validation, options: { ...options, teacherShare: 0 } };
    const original = await train(tf, begin, task);
    const { graphs: _, ...head } = network.module();
    const parts = { train: data, calibration: data, validation };
    const surroundings = { tf, head, original: original.graph, data: parts, costOf: null, seed };
    const judge = assessor(surroundings, test);
    const arrays = {
      ...{ x: data.x, y: data.labels, xv: validation.x, yv: validation.labels },
      ...{ xt: test.x, yt: test.labels },
    };
    for (const [key, array] of Object.entries(arrays)) {
      if (array !== null) writeFileSync(join(folder, key), array);
    }
    const weights = parametersOf(original.graph).map((id) => tensorOf(original.graph, id));
    weights.forEach(({ data: w }, i) => {
      writeFileSync(join(folder, `w${i}`), w as Float32Array);
    });
    const float = judge.standard.original.accuracy ?? 0;
    for (const cell of flags.cells?.split(',') ?? Object.keys(cells)) {
      let candidate: Candidate = original;
      let plan = { epochs: 0, batch: 0, rounds: 1 };
      let notes: readonly string[] = [];
      const began = process.cpuUsage();
      for (const settings of cells[cell] ?? []) {
        const keeper = { resumed: null, save: () => {} };
        const done = await runStep(settings, candidate, surroundings, () => {}, keeper);
        candidate = done.candidate;
        if (done.settings === undefined || !('epochs' in done.settings)) continue;
        plan = done.settings as typeof plan;
        notes = done.notes;
      }
      const used = process.cpuUsage(began);
      const ours = judge.of(candidate).accuracy ?? 0;
      const steps = plan.epochs * plan.rounds * Math.ceil(count / plan.batch);
      const shapes = weights.map(({ shape }) => shape);
      const spec = { cell, steps, seed, shapes, shape: data.shape, classes: test.classes?.length };
      const strides = name === 'gestures' ? [2, 2, 2] : [1, 2, 2];
      const text = JSON.stringify({ ...spec, strides, folder });
      const script = join(import.meta.dirname, 'training.py');
      const said = execFileSync(flags.python, [script, text], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      const { accuracy, seconds } = JSON.parse(said.trim().split('\n').at(-1) ?? '{}') as {
        readonly accuracy: number;
        readonly seconds: number;
      };
      const cpu = (used.user + used.system) / 1e6;
      const percent = (share: number) => (100 * share).toFixed(2);
      console.log(
        `${name} ${cell} seed ${seed}: float ${percent(float)}, ours ${percent(ours)}, Keras ${percent(accuracy)}; ${steps} steps, ${cpu.toFixed(1)} s of CPU with trials, Keras ${seconds.toFixed(1)} s`,
      );
      if (flags.notes) for (const note of notes) console.log(`    ${note}`);
    }
  }
}
rmSync(folder, { recursive: true });
