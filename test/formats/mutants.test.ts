/**
 * Mutants of model files on the whole way to C: refused or compiled, never an internal error.
 * bench/fuzz-models.ts tries 100 000, each with limits of time and memory.
 */
import { expect } from 'chai';
import { mutantOf, outcomeOfMutant } from '../support/mutants.js';
import { runs } from '../support/runs.js';

/** Files of this size at most: larger ones take longer, and have the same fields. */
const largestBytes = 2500;

/** Mutants that were faults, or took all memory: numbers of bench/fuzz-models.ts, or of the test below. */
const faults = [3437, 11021, 20019, 22996, 80244, 92188, 1052195];

/** The first of the numbers that the test below tries. */
const first = 1e6;

describe('mutants of model files', () => {
  for (const number of faults) {
    it(`${number} is compiled or refused`, () => {
      expect(outcomeOfMutant(mutantOf(number, number < first ? undefined : largestBytes))).to.be.a(
        'string',
      );
    });
  }

  it('5000 are refused, or valid; one in 40 is compiled as far as that goes', function () {
    this.timeout(600_000);
    const found = new Map<string, number>();
    for (let number = 0; number < runs(5000); number++) {
      try {
        const mutant = mutantOf(first + number, largestBytes);
        const outcome = outcomeOfMutant(mutant, number % 40 === 0 ? 'compile' : 'inspect');
        found.set(outcome, (found.get(outcome) ?? 0) + 1);
      } catch (error) {
        throw new Error(`mutant ${first + number}`, { cause: error });
      }
    }
    // The files are near enough to good ones to reach all stages.
    for (const outcome of ['compiled', 'inspected', 'bad-graph', 'bad-quantization', 'bad-shape']) {
      expect(found.get(outcome), outcome).to.be.above(0);
    }
  });
});
