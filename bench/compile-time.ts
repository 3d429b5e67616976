/**
 * Measures the time of `compile`, which should be proportional to the model: generated fully
 * connected models of 0.25 to 20 MB of weights, each compiled in its own process.
 *
 *     npx tsx bench/compile-time.ts [MODEL.tflite …]
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Module, Tensor } from '../src/ir/graph.js';
import { writeTflite } from '../src/write/tflite.js';

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
      attrs: { activation: 'none', rounding: 'double' },
      ops: [layer],
      fused: [],
    };
  });
  const output = tensors.length - 1;
  return {
    name: 'deep',
    sha256: '',
    graphs: [{ name: 'main', tensors, nodes, inputs: [0], outputs: [output] }],
    states: [],
    inputNames: ['input'],
    outputNames: ['output'],
  };
}

/** Seconds and peak MB of one `bonsaic compile`. */
function timeCompile(model: string, directory: string): { seconds: number; megabytes: number } {
  // Preloaded into the command's process; prints its peak memory in KB on stderr.
  const sayPeak = "process.on('exit', () => console.error(process.resourceUsage().maxRSS))";
  const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
  const out = join(directory, 'out');
  const start = performance.now();
  const run = spawnSync(
    process.execPath,
    [
      ...['--import', `data:text/javascript,${encodeURIComponent(sayPeak)}`, cli],
      ...['compile', model, '--target', 'rp2040', '-o', out, '--json'],
    ],
    { encoding: 'utf8', maxBuffer: 1 << 28 },
  );
  if (run.status !== 0) throw new Error(run.stderr);
  const kilobytes = Number(/\d+\s*$/.exec(run.stderr)?.[0]);
  return { seconds: (performance.now() - start) / 1000, megabytes: kilobytes / 1024 };
}

const directory = mkdtempSync(join(tmpdir(), 'bonsaic-time-'));
console.log('| model | weights MB | compile s | s/MB | peak MB |\n|---|---|---|---|---|');
try {
  for (const path of process.argv.slice(2)) {
    const { seconds, megabytes } = timeCompile(path, directory);
    console.log(
      `| ${path.split('/').at(-1)} | | ${seconds.toFixed(2)} | | ${megabytes.toFixed(0)} |`,
    );
  }
  for (const weightBytes of [0.25, 1, 2.5, 5, 10, 20].map((mb) => mb * 2 ** 20)) {
    const path = join(directory, 'deep.tflite');
    writeFileSync(path, writeTflite(deepModel(weightBytes)));
    const { seconds, megabytes } = timeCompile(path, directory);
    const mb = weightBytes / 2 ** 20;
    console.log(
      `| generated | ${mb} | ${seconds.toFixed(2)} | ${(seconds / mb).toFixed(2)} | ${megabytes.toFixed(0)} |`,
    );
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
