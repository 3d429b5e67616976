/** Faults while profiling, 200 seeds each, in virtual time. */
import { expect } from 'chai';
import { profileWithFault, profilingFaults } from '../support/faulty-line.js';

const seeds = Number(process.env.SEEDS ?? 200);

describe('profiling with faults: exact, or an error within the time-out; the next attempt succeeds', () => {
  for (const fault of profilingFaults) {
    it(fault, async () => {
      const seen = new Set<boolean>();
      for (let seed = 1; seed <= seeds; seed++) {
        const { first, next } = await profileWithFault(fault, seed);
        const where = `seed ${seed}: ${first}`;
        expect(first, where).not.to.match(/^WRONG/);
        const isOther = /^another/.test(fault) && first !== 'exact';
        if (isOther) expect(next, where).to.match(/runs another model|another build of it/);
        else expect(next, where).to.equal('exact');
        seen.add(first === 'exact');
      }
      // A fault that never strikes tests nothing.
      expect(seen.has(false), 'it never struck').to.equal(true);
    });
  }
});
