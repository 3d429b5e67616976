/** log_mel.c, which a device runs, against features.ts, by which the network was trained. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { bands, frames, logMel, recordingLength } from '../../examples/spoken-digits/features.js';
import { rawBytes } from '../../src/compiler/ir/graph.js';
import { makeRandom } from '../../src/compress/random.js';
import { sanitizers } from '../support/both.js';
import { execute } from '../support/execute.js';
import { inTemporaryDirectory, warnings } from '../support/native.js';

const folder = fileURLToPath(new URL('../../examples/spoken-digits/', import.meta.url));

/** Reads a recording of int16, writes its features. */
const driver = `
#include <stdio.h>
#include "log_mel.h"
int main(void)
{
    static int16_t samples[LOG_MEL_WINDOW + (LOG_MEL_FRAMES - 1) * LOG_MEL_HOP];
    float features[2][LOG_MEL_BANDS];
    if (fread(samples, sizeof samples, 1, stdin) != 1) return 1;
    log_mel_start();
    for (int frame = 0; frame < LOG_MEL_FRAMES; frame += 2) {
        log_mel_of_windows(samples + frame * LOG_MEL_HOP, features);
        fwrite(features, sizeof features, 1, stdout);
    }
    return 0;
}
`;

describe('examples/spoken-digits: log_mel.c', () => {
  const of = (sample: (n: number) => number) =>
    Int16Array.from({ length: recordingLength }, (_, n) => Math.round(sample(n)));
  const random = makeRandom(7);
  const rows: readonly [edge: string, samples: Int16Array][] = [
    ['silence', of(() => 0)],
    ['the quietest sound', of((n) => (n % 500 === 0 ? 1 : 0))],
    ['noise at full scale', of(() => 65535 * random() - 32768)],
    [
      'a rising tone of falling amplitude',
      of((n) => 32767 * 0.9995 ** n * Math.sin(n * n * 1.8e-4)),
    ],
  ];
  it('gives the features of features.ts, within a thousandth of a decade', () =>
    inTemporaryDirectory(async (directory) => {
      const [main, program] = [join(directory, 'main.c'), join(directory, 'features')];
      writeFileSync(main, driver);
      const strict = ['-std=c99', '-O1', ...sanitizers, ...warnings, `-I${folder}`];
      await execute('gcc', [...strict, main, join(folder, 'log_mel.c'), '-lm', '-o', program]);
      for (const [edge, samples] of rows) {
        const bytes = Buffer.from(await execute(program, [], { input: rawBytes(samples) }));
        expect(bytes.length, edge).to.equal(4 * frames * bands);
        const wanted = logMel(Float32Array.from(samples, (sample) => sample / 32768));
        for (const [i, value] of wanted.entries()) {
          const where = `${edge}: window ${Math.floor(i / bands)}, band ${i % bands}`;
          expect(bytes.readFloatLE(4 * i), where).to.be.closeTo(value, 1e-3);
        }
      }
    }));
});
