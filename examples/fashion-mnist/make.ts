/**
 * Fashion-MNIST from the images to firmware, in one script:
 *
 *     npx tsx examples/fashion-mnist/make.ts /usr/share/datasets/fashion-mnist OUT
 *
 * It trains a float CNN (OUT/float.tflite), compresses it to half of its time on an RP2040, and runs
 * the result on the simulated board. Every part repeats to the bit on one backend.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeProgress, printResult } from '../../src/cli/output.js';
import { loadDataset } from '../../src/compress/data/load.js';
import { split } from '../../src/compress/data/split.js';
import { loadBackend } from '../../src/compress/tensorflow.js';
import { writeTflite } from '../../src/write/tflite.js';
import { untrainedCnn } from './cnn.js';
import { rightShare, trained } from './train.js';

const [data, output] = process.argv.slice(2);
if (data === undefined || output === undefined) {
  throw new Error('give the folder of the idx files and one for the results');
}
const seed = 1;
mkdirSync(output, { recursive: true });

const module = await untrainedCnn(seed);
const all = await loadDataset(data, { shape: [28, 28, 1] });
const parts = split(all, { validation: 0.15, test: 0.25, seed });
const { tf, name } = await loadBackend();
printResult(`${parts.train.count} images to train on, TensorFlow.js on ${name}`);
const model = await makeProgress()('Train a float model', (say) =>
  trained(tf, module, parts, { seed }, say),
);
const right = rightShare(tf, model, parts.test);
printResult(`${(100 * right).toFixed(2)} % of the test images are right in float`);
const float = join(output, 'float.tflite');
writeFileSync(float, writeTflite(model));

const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const bonsaic = (...args: string[]) =>
  execFileSync('npx', ['tsx', cli, ...args], { stdio: ['ignore', 'inherit', 'inherit'] });
const small = join(output, 'half');
bonsaic('compress', float, '--data', data, '-o', small, '--target', 'rp2040', '--max-ms', '31');
bonsaic('run', join(small, 'model.tflite'), '--target', 'rp2040', '--port', 'sim');
