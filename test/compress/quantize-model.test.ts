import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { importModel } from '../../src/compiler/formats/index.js';
import { writeTflite } from '../../src/compiler/formats/tflite/write.js';
import { type Graph, mainGraph } from '../../src/compiler/ir/graph.js';
import type { CompressReport } from '../../src/compress/compress-model.js';
import type { Dataset } from '../../src/compress/data/dataset.js';
import { rebatched } from '../../src/compress/float-graph.js';
import { biasCorrected } from '../../src/compress/quantize/bias.js';
import { equalized } from '../../src/compress/quantize/equalize.js';
import { lower } from '../../src/compress/quantize/lower.js';
import { layerNoise } from '../../src/compress/quantize/noise.js';
import { observe } from '../../src/compress/quantize/observe.js';
import { quantizationOf } from '../../src/compress/quantize/ptq.js';
import { separated } from '../../src/compress/quantize/scheme.js';
import { floatAnswers, integerAnswers, signalToNoise } from '../../src/compress/score.js';
import { loadBackend, type Tf } from '../../src/compress/tensorflow.js';
import { runnerOf } from '../../src/compress/trace.js';
import { readConfig } from '../../src/config.js';
import { runHere } from '../support/command.js';
import { FloatNetwork } from '../support/float-network.js';
import { head, samples } from '../support/samples.js';

/** A network between whose first layers each channel has another range. */
function uneven(): Graph {
  const graph = separated(
    new FloatNetwork([6, 6, 2], 3).conv(8).depthwise().conv(8).mean().dense(5, 'none').graph(),
  );
  const [first, second] = [0, 1].map((i) => graph.tensors[graph.nodes[i]?.inputs[1] as number]);
  const [own, next] = [first?.data, second?.data] as [Float32Array, Float32Array];
  own.forEach((value, i) => {
    own[i] = value * 4 ** (Math.floor(i / (own.length / 8)) - 4);
  });
  next.forEach((value, i) => {
    next[i] = value / 4 ** ((i % 8) - 4);
  });
  return graph;
}

describe('quantizing a trained model', () => {
  let tf: Tf;
  before(async () => {
    ({ tf } = await loadBackend('wasm'));
  });

  const quantized = (graph: Graph, data: Dataset) => {
    const seen = observe(tf, runnerOf(tf, graph), data);
    const scales = quantizationOf(graph, seen, { calibration: 'min-max', weights: 'int8' });
    return mainGraph(lower(head, graph, scales));
  };
  const noise = (graph: Graph, integer: Graph, data: Dataset) =>
    signalToNoise(floatAnswers(tf, graph, data).values, integerAnswers(tf, integer, data).values);

  it('equalizing keeps the float model, and raises its int8 signal', () => {
    const data = samples(60, [6, 6, 2]);
    const graph = uneven();
    const even = equalized(graph);
    const [wanted, got] = [graph, even].map((one) => floatAnswers(tf, one, data).values);
    expect(signalToNoise(wanted as Float32Array, got as Float32Array)).to.be.above(100);
    const [before, after] = [graph, even].map((one) => noise(one, quantized(one, data), data));
    expect(after).to.be.above((before as number) + 3);
  });

  it('equalizing leaves layers alone that a ReLU6, a second reader or an output separates', () => {
    const six = new FloatNetwork([6, 6, 2], 3).conv(4, 3, 1, 'relu6').conv(4).graph();
    const first = six.nodes[0]?.inputs[1] as number;
    expect(equalized(six).tensors[first]?.data).to.deep.equal(six.tensors[first]?.data);
    const read = new FloatNetwork([6, 6, 2], 3).conv(4).conv(4).graph();
    const own = read.nodes[0]?.inputs[1] as number;
    const seen = { ...read, outputs: [...read.outputs, read.nodes[0]?.outputs[0] as number] };
    expect(equalized(seen).tensors[own]?.data).to.deep.equal(read.tensors[own]?.data);
    expect(equalized(read).tensors[own]?.data).not.to.deep.equal(read.tensors[own]?.data);
  });

  it('correcting biases takes the mean error away', async () => {
    const data = samples(80, [6, 6, 2]);
    const graph = separated(
      new FloatNetwork([6, 6, 2], 7).conv(6).conv(6).dense(4, 'none').graph(),
    );
    const seen = observe(tf, runnerOf(tf, graph), data);
    const scales = quantizationOf(graph, seen, { calibration: 'min-max', weights: 'int3' });
    const wanted = floatAnswers(tf, graph, data).values;
    const meanError = (one: Graph) => {
      const got = integerAnswers(tf, mainGraph(lower(head, one, scales)), data).values;
      return [0, 1, 2, 3].reduce((worst, output) => {
        let sum = 0;
        for (let i = output; i < got.length; i += 4)
          sum += (got[i] as number) - (wanted[i] as number);
        return Math.max(worst, Math.abs(sum / data.count));
      }, 0);
    };
    const corrected = await biasCorrected(tf, graph, scales, data);
    expect(meanError(corrected)).to.be.below(meanError(graph) / 4);
  });

  it('tells the layer that loses the signal', () => {
    const data = samples(20, [6, 6, 2]);
    const graph = separated(
      new FloatNetwork([6, 6, 2], 7).conv(6).conv(6).dense(4, 'none').graph(),
    );
    const integer = quantized(graph, data);
    const broken = integer.nodes[1]?.inputs[1] as number;
    const tensors = integer.tensors.map((tensor, id) =>
      id === broken
        ? { ...tensor, data: new Int8Array((tensor.data as Int8Array).length) }
        : tensor,
    );
    const layers = layerNoise(tf, graph, { ...integer, tensors }, data);
    expect(layers[0]?.snrDb).to.be.above(25);
    expect(layers[1]?.snrDb).to.be.below(3);
    expect(layers.map(({ index }) => index)).to.deep.equal(integer.nodes.map((_, i) => i));
  });

  it('the signal is that of every sample where a graph runs them one by one', () => {
    const data = samples(20, [4, 4, 2]);
    // A reshape that takes the batch's extent.
    const network = new FloatNetwork([4, 4, 2], 7).conv(4).add('reshape', [], { shape: [4, 16] });
    const graph = separated(network.graph());
    expect(rebatched(graph, 2)).to.equal(null);
    const layers = layerNoise(tf, graph, quantized(graph, data), data);
    for (const { snrDb, op } of layers) expect(snrDb, op).to.be.above(25);
  });
});

describe('bonsaic quantize', () => {
  const folder = mkdtempSync(join(tmpdir(), 'quantize-'));
  after(() => rmSync(folder, { recursive: true }));
  const model = join(folder, 'net.tflite');
  const table = join(folder, 'data.csv');
  const output = join(folder, 'out');
  const network = new FloatNetwork([8], 2).dense(12).dense(3, 'none').softmax();
  before(() => {
    writeFileSync(model, writeTflite(network.module()));
    const { x } = samples(120, [8]);
    const rows = Array.from({ length: 120 }, (_, i) =>
      [...x.subarray(i * 8, i * 8 + 8), i % 3].join(','),
    );
    writeFileSync(
      table,
      `${[1, 2, 3, 4, 5, 6, 7, 8].map((n) => `f${n}`).join(',')},label\n${rows.join('\n')}\n`,
    );
  });
  const quantize = (...args: string[]) =>
    runHere(['quantize', model, '--backend', 'wasm', ...args]);

  it('writes a model that compiles, with a report', async () => {
    const { status, stdout } = await quantize('--data', table, '-o', output, '--json');
    expect(status).to.equal(0);
    const report = JSON.parse(stdout) as CompressReport & { model: { path: string } };
    expect(report.model.path).to.equal(join(output, 'model.tflite'));
    expect(report.steps.map(({ settings, kept }) => [settings.step, kept])).to.deep.equal([
      ['quantize', true],
    ]);
    expect(report.steps[0]?.notes.filter((note) => note.endsWith('kept'))).not.to.have.length(0);
    expect(report.accuracy?.int8).to.be.closeTo(report.accuracy?.float ?? 0, 0.1);
    expect(report.snrDb).to.be.above(20);
    expect(report.confusion?.flat().reduce((a, b) => a + b)).to.equal(report.data.test);
    expect(readdirSync(output).sort()).to.deep.equal([
      'SHA256SUMS',
      'model.tflite',
      'recipe.json',
      'report.json',
      'report.txt',
    ]);
    const written = importModel(readFileSync(report.model.path), {
      name: 'm',
      where: 'm',
      rounding: 'tflm',
    });
    expect(mainGraph(written).tensors[mainGraph(written).inputs[0] ?? 0]?.dtype).to.equal('int8');
    const compiled = await runHere([
      'compile',
      report.model.path,
      '--target',
      'host',
      '-o',
      join(folder, 'c'),
    ]);
    expect(compiled.status).to.equal(0);
  });

  it('leaves the options for a target beside the model: run there gives what was estimated', async () => {
    const into = join(folder, 'for a board');
    const given = ['--target', 'stm32f405', '--optimize', 'size', '--rounding', 'tflite-portable'];
    const first = await quantize('--data', table, '-o', into, ...given);
    expect(first.status, first.stderr).to.equal(0);
    expect(first.stdout).to.include(`next: cd '${into}' && bonsaic run\n`);
    const config = join(into, 'bonsaic.json');
    const { model: file, ...options } = readConfig(config);
    expect(file).to.equal(join(into, 'model.tflite'));
    expect(options).to.deep.equal({
      target: 'stm32f405',
      goal: 'size',
      rounding: 'tflite-portable',
    });
    const project = join(folder, 'by-config');
    const compiled = await runHere(['compile', '--config', config, '-o', project, '--json']);
    expect(JSON.parse(compiled.stdout).options).to.include({
      optimize: 'size',
      rounding: 'tflite-portable',
    });

    writeFileSync(config, '{"target": "rp2040"}');
    const refused = await quantize('--data', table, '-o', into, ...given);
    expect(refused.status).to.equal(1);
    expect(refused.stderr).to.match(/bonsaic\.json was changed since .*\n.*--force/);
    expect(readFileSync(config, 'utf8')).to.equal('{"target": "rp2040"}');
    expect((await quantize('--data', table, '-o', into, ...given, '--force')).status).to.equal(0);
    expect(readConfig(config)).to.include({ target: 'stm32f405' });
    // Without a target there is nothing to run it by, and what is there would be wrong.
    expect((await quantize('--data', table, '-o', into)).status).to.equal(0);
    expect(readdirSync(into)).not.to.include('bonsaic.json');
  });

  it('a board without a simulator: the next command compiles', async () => {
    const into = join(folder, 'no-simulator');
    const { stdout } = await quantize('--data', table, '-o', into, '--target', 'rp2350');
    expect(stdout).to.include(`next: cd ${into} && bonsaic compile -o ../firmware\n`);
  });

  it('gives the same bytes again', async () => {
    const first = readFileSync(join(output, 'model.tflite'));
    await quantize('--data', table, '-o', output);
    expect(readFileSync(join(output, 'model.tflite')).equals(first)).to.equal(true);
  });

  const wrong: readonly (readonly [
    edge: string,
    status: number,
    message: RegExp,
    args: () => string[],
  ])[] = [
    ['no data', 1, /--data/, () => ['-o', output]],
    ['no folder for the result', 1, /--output/, () => ['--data', table]],
    [
      'data that is not there',
      1,
      /nowhere.*does not exist/s,
      () => ['--data', 'nowhere', '-o', output],
    ],
    [
      'a folder with files of others',
      1,
      /mine\.txt/,
      () => {
        const own = join(folder, 'own');
        mkdirSync(own, { recursive: true });
        writeFileSync(join(own, 'mine.txt'), '');
        return ['--data', table, '-o', own];
      },
    ],
    [
      'a file in place of the folder',
      1,
      /is not a directory/,
      () => ['--data', table, '-o', model],
    ],
    [
      'no such method',
      1,
      /calibration/,
      () => ['--data', table, '-o', output, '--calibration', 'best'],
    ],
    ['half a sample', 1, /whole number/, () => ['--data', table, '-o', output, '--samples', '0.5']],
  ];
  for (const [edge, status, message, args] of wrong) {
    it(`refuses ${edge}`, async () => {
      const result = await quantize(...args());
      expect(result.status).to.equal(status);
      expect(result.stderr).to.match(message);
    });
  }

  it('leaves no half of a result where one of its files cannot be replaced', async () => {
    const blocked = join(folder, 'blocked');
    mkdirSync(join(blocked, 'model.tflite'), { recursive: true });
    expect((await quantize('--data', table, '-o', blocked)).status).to.equal(1);
    expect(readdirSync(blocked)).to.deep.equal(['model.tflite']);
  });

  it('refuses a model that is int8 already, and leaves nothing behind', async () => {
    const int8 = join(output, 'model.tflite');
    const nothing = join(folder, 'nothing');
    const { status, stderr } = await runHere(['quantize', int8, '--data', table, '-o', nothing]);
    expect(status).to.equal(2);
    expect(stderr).to.match(/is int8.*before its conversion/s);
    expect(existsSync(nothing)).to.equal(false);
  });
});

describe('bonsaic quantize of a model of TensorFlow.js', () => {
  it('reads model.json with the weights beside it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'bonsaic-tfjs-'));
    try {
      const data = join(folder, 'data.mjs');
      writeFileSync(
        data,
        'export default ({ shape }) => Array.from({ length: 24 }, (_, i) => ({' +
          ' x: Array.from({ length: shape.reduce((a, b) => a * b) }, (_, k) => Math.sin(i * 7 + k)),' +
          ' y: [i % 3] }));',
      );
      const model = new URL('../formats/tfjs-graph/images/model.json', import.meta.url).pathname;
      const out = join(folder, 'out');
      const { status, stderr } = await runHere(['quantize', model, '--data', data, '-o', out]);
      expect(status, stderr).to.equal(0);
      const bytes = readFileSync(join(out, 'model.tflite'));
      const module = importModel(bytes, { name: 'model', where: out, rounding: 'tflm' });
      expect(mainGraph(module).nodes.map(({ op }) => op)).to.include('depthwise_conv2d');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
