/**
 * Mutants of model files on the whole way from bytes to C (test/support/mutants.ts), within limits
 * (campaign.ts); docs/reliability.md has the outcome.
 *
 *     npx tsx bench/fuzz-models.ts [FIRST] [COUNT]      100 000 mutants: half an hour
 */
import { mutantOf, outcomeOfMutant } from '../test/support/mutants.js';
import { campaign } from './campaign.js';

await campaign(import.meta.url, 'mutants', (number) => {
  const mutant = mutantOf(number);
  const { name, bytes } = mutant;
  return { name, fileBytes: bytes.length, run: () => outcomeOfMutant(mutant) };
});
