/**
 * Measures the time of `compile`, which should be proportional to the model: generated fully
 * connected models of 0.25 to 20 MB of weights, and of 50 to 800 small layers, each compiled in its own process.
 *
 *     npx tsx bench/compile-time.ts [--targets rp2040,host] [MODEL.tflite …]
 *
 * A model that the board has no room for is compiled for each goal, to say what they would need.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writeTflite } from '../src/compiler/formats/tflite/write.js';
import type { Module, Tensor } from '../src/compiler/ir/graph.js';

/** Fully connected layers of `width` × `width`, enough of them for `weightBytes`. */
function deepModel(weightBytes: number, width = 512): Module {
  const layers = Math.max(1, Math.round(weightBytes / (width * width)));
  const quant = (scale: number) => ({ scales: [scale], zeroPoints: [0], axis: null });
  const activation = (name: string): Tensor => ({
    name,
    dtype: 'int8',
    shape: [1, width],
    quant: quant(0.05),
    data: null,
    source: null,
  });
  const tensors: Tensor[] = [activation('input')];
  const nodes = Array.from({ length: layers }, (_, layer) => {
    const input = layer === 0 ? 0 : tensors.length - 1;
    const weights = Int8Array.from(
      { length: width * width },
      (_, i) => ((i * 37 + layer) % 255) - 127,
    );
    tensors.push(
      {
        name: `w${layer}`,
        dtype: 'int8',
        shape: [width, width],
        quant: quant(0.002),
        data: weights,
        source: null,
      },
      {
        name: `b${layer}`,
        dtype: 'int32',
        shape: [width],
        quant: quant(0.0001),
        data: new Int32Array(width).fill(layer),
        source: null,
      },
      activation(`x${layer}`),
    );
    const last = tensors.length - 1;
    return {
      op: 'fully_connected',
      name: `fc${layer}`,
      inputs: [input, last - 2, last - 1],
      outputs: [last],
      attrs: { activation: 'none', keepDims: false, rounding: 'double' },
      ops: [layer],
      fused: [],
    };
  });
  const output = tensors.length - 1;
  return {
    name: 'deep',
    sha256: '',
    graphs: [{ name: 'main', tensors, nodes, inputs: [0], outputs: [output] }],
    inputNames: ['input'],
    outputNames: ['output'],
  };
}

interface Cost {
  /** Of a clock on the wall. */
  readonly seconds: number;
  /** Of all threads, which other programs on the machine do not lengthen. */
  readonly cpuSeconds: number;
  /** Of memory, at most at a time. */
  readonly megabytes: number;
  /** For the board. */
  readonly isTooLarge: boolean;
}

/** What one `bonsaic compile` takes. */
function timeCompile(model: string, target: string, directory: string): Cost {
  // Preloaded into the command's process; prints CPU time in µs and peak memory in KB on stderr.
  const fields = '[usage.userCPUTime + usage.systemCPUTime, usage.maxRSS]';
  const tell = `const usage = process.resourceUsage(); console.error(${fields}.join(' '))`;
  const sayUsage = `process.on('exit', () => { ${tell} })`;
  const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
  const out = join(directory, 'out');
  const start = performance.now();
  const run = spawnSync(
    process.execPath,
    [
      ...['--import', `data:text/javascript,${encodeURIComponent(sayUsage)}`, cli],
      ...['compile', model, '--target', target, '-o', out, '--json'],
    ],
    { encoding: 'utf8', maxBuffer: 1 << 28 },
  );
  const isTooLarge = run.status === 3;
  if (run.status !== 0 && !isTooLarge) throw new Error(run.stderr);
  const [, microseconds, kilobytes] = /(\d+) (\d+)\s*$/.exec(run.stderr) ?? [];
  return {
    seconds: (performance.now() - start) / 1000,
    cpuSeconds: Number(microseconds) / 1e6,
    megabytes: Number(kilobytes) / 1024,
    isTooLarge,
  };
}

const { values, positionals } = parseArgs({
  options: { targets: { type: 'string', default: 'rp2040' } },
  allowPositionals: true,
});
const directory = mkdtempSync(join(tmpdir(), 'bonsaic-time-'));
const columns = ['target', 'model', 'weights MB', 'compile s', 'CPU s', 'CPU s/MB', 'peak MB', ''];
console.log(`| ${columns.join(' | ')} |\n|---|---|--:|--:|--:|--:|--:|---|`);
function row(target: string, name: string, path: string, weightMegabytes?: number): void {
  const { seconds, cpuSeconds, megabytes, isTooLarge } = timeCompile(path, target, directory);
  const each = weightMegabytes === undefined ? '' : (cpuSeconds / weightMegabytes).toFixed(2);
  const cells = [target, name, weightMegabytes ?? '', seconds.toFixed(2), cpuSeconds.toFixed(2)];
  const note = isTooLarge ? 'no room: three goals' : '';
  console.log(`| ${[...cells, each, megabytes.toFixed(0), note].join(' | ')} |`);
}
function generated(target: string, name: string, weightBytes: number, width?: number): void {
  const path = join(directory, 'deep.tflite');
  writeFileSync(path, writeTflite(deepModel(weightBytes, width)));
  row(target, name, path, Number((weightBytes / 2 ** 20).toFixed(2)));
}
try {
  for (const target of values.targets.split(',')) {
    for (const path of positionals) row(target, basename(path), path);
    for (const megabytes of [0.25, 1, 2.5, 5, 10, 20]) {
      generated(target, 'layers of 512', megabytes * 2 ** 20);
    }
    for (const layers of [50, 100, 200, 400, 800]) {
      generated(target, `${layers} layers of 64`, layers * 64 * 64, 64);
    }
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
