/** Files of every format that is no .tflite, damaged: read or refused; bench/fuzz-files.ts tries more. */
import { expect } from 'chai';
import { damagedFile, formatNames, wholeFile } from '../support/damaged-files.js';
import { runs } from '../support/runs.js';

describe('damaged files of every format', () => {
  const names = formatNames();
  // A run takes every format in turn.
  names.forEach((name, index) => {
    it(name, async () => {
      const first = names.length * (Date.now() % 1_000_000) + index;
      expect(await wholeFile(name).run()).to.equal('read');
      for (let run = 0; run < runs(60); run++) {
        const number = first + run * names.length;
        const file = damagedFile(number);
        expect(file.name).to.equal(name);
        try {
          await file.run();
        } catch (error) {
          const repeat = `npx tsx bench/fuzz-files.ts ${number} 1`;
          throw new Error(`file ${number}: ${repeat}`, { cause: error });
        }
      }
    });
  });
});
