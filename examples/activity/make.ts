/**
 * Activity from a smart watch, from recordings to firmware, in one script:
 *
 *     npx tsx examples/activity/make.ts FOLDER OUT [SEED]
 *
 * FOLDER has BasicMotions_TRAIN.ts and BasicMotions_TEST.ts. The script cuts windows (OUT/windows),
 * trains a float CNN (OUT/float.tflite), compresses it to half of its time on an RP2040 (OUT/half),
 * and runs the result on the simulated board.
 */
import { join } from 'node:path';
import { compressToHalf, trainFloat, untrained, writeArrays } from '../steps.js';
import { cnn } from './cnn.js';
import { activities, activityWindows } from './motions.js';

const [recordings, output, seedText = '1'] = process.argv.slice(2);
if (recordings === undefined || output === undefined) {
  throw new Error('give the folder of BasicMotions_TRAIN.ts and one for the results');
}
const seed = Number(seedText);
const windows = join(output, 'windows');
const float = join(output, 'float.tflite');

const parts = activityWindows(recordings);
writeArrays(windows, parts);
await trainFloat(float, await untrained('activity', cnn, 100 * seed), parts, {
  ...{ seed, epochs: 30, batch: 32, learningRate: 0.002 },
  augmentation: { kind: 'series', jitter: 0.05, scale: 0.2, shift: 0 },
});
const classes = ['--classes', activities.join()];
compressToHalf(output, float, ['--data', windows, ...classes, '--seed', seedText]);
