/**
 * Spoken digits from recordings to firmware, in one script:
 *
 *     npx tsx examples/spoken-digits/make.ts free-spoken-digit-dataset/recordings OUT [SEED]
 *
 * It computes features (OUT/features), trains a float CNN (OUT/float.tflite), compresses it to half
 * of its time on an RP2040 (OUT/half), and runs the result on the simulated board.
 */
import { join } from 'node:path';
import { compressToHalf, trainFloat, untrained, writeArrays } from '../steps.js';
import { cnn } from './cnn.js';
import { spokenDigits } from './data.js';

const [recordings, output, seedText = '1'] = process.argv.slice(2);
if (recordings === undefined || output === undefined) {
  throw new Error('give the folder of the recordings and one for the results');
}
const seed = Number(seedText);
const features = join(output, 'features');
const float = join(output, 'float.tflite');

const parts = spokenDigits(recordings);
writeArrays(features, parts);
await trainFloat(float, await untrained('spoken_digits', cnn, 100 * seed), parts, {
  ...{ seed, epochs: 40, batch: 32, learningRate: 0.002 },
  augmentation: { kind: 'image', shift: 0.06, brightness: 0.3, cutout: 0.3 },
});
compressToHalf(output, float, ['--data', features, '--seed', seedText]);
