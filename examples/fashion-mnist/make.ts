/**
 * Fashion-MNIST from the images to firmware, in one script:
 *
 *     npx tsx examples/fashion-mnist/make.ts /usr/share/datasets/fashion-mnist OUT
 *
 * It trains a float CNN (OUT/float.tflite), compresses it to half of its time on an RP2040, and runs
 * the result on the simulated board. Every part repeats to the bit on one backend.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { loadDataset } from '../../src/compress/data/load.js';
import { split } from '../../src/compress/data/split.js';
import { bonsaic, trainFloat, untrained } from '../steps.js';
import { cnn, training } from './cnn.js';

const [data, output] = process.argv.slice(2);
if (data === undefined || output === undefined) {
  throw new Error('give the folder of the idx files and one for the results');
}
const seed = 1;
const [float, half] = [join(output, 'float.tflite'), join(output, 'half')];
mkdirSync(output, { recursive: true });

const all = await loadDataset(data, { shape: [28, 28, 1] });
const parts = split(all, { validation: 0.15, test: 0.25, seed });
const module = await untrained('fashion_mnist', cnn(), seed);
await trainFloat(float, module, parts, { ...training, seed });
bonsaic('compress', float, '--data', data, '-o', half, '--target', 'rp2040', '--max-ms', '31');
bonsaic('run', join(half, 'model.tflite'), '--target', 'rp2040', '--port', 'sim');
