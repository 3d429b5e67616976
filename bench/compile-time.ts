/**
 * Measures the time of `compile`, which should be proportional to the model: generated fully
 * connected models of 0.25 to 20 MB of weights, each compiled in its own process.
 *
 *     npx tsx bench/compile-time.ts [MODEL.tflite …]
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
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
}

/** What one `bonsaic compile` takes. */
function timeCompile(model: string, directory: string): Cost {
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
      ...['compile', model, '--target', 'rp2040', '-o', out, '--json'],
    ],
    { encoding: 'utf8', maxBuffer: 1 << 28 },
  );
  if (run.status !== 0) throw new Error(run.stderr);
  const [, microseconds, kilobytes] = /(\d+) (\d+)\s*$/.exec(run.stderr) ?? [];
  return {
    seconds: (performance.now() - start) / 1000,
    cpuSeconds: Number(microseconds) / 1e6,
    megabytes: Number(kilobytes) / 1024,
  };
}

const directory = mkdtempSync(join(tmpdir(), 'bonsaic-time-'));
console.log(
  '| model | weights MB | compile s | CPU s | CPU s/MB | peak MB |\n|---|--:|--:|--:|--:|--:|',
);
function row(name: string, path: string, weightMegabytes?: number): void {
  const { seconds, cpuSeconds, megabytes } = timeCompile(path, directory);
  const each = weightMegabytes === undefined ? '' : (cpuSeconds / weightMegabytes).toFixed(2);
  const times = `${seconds.toFixed(2)} | ${cpuSeconds.toFixed(2)} | ${each}`;
  console.log(`| ${name} | ${weightMegabytes ?? ''} | ${times} | ${megabytes.toFixed(0)} |`);
}
try {
  for (const path of process.argv.slice(2)) row(basename(path), path);
  for (const megabytes of [0.25, 1, 2.5, 5, 10, 20]) {
    const path = join(directory, 'deep.tflite');
    writeFileSync(path, writeTflite(deepModel(megabytes * 2 ** 20)));
    row('generated', path, megabytes);
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
