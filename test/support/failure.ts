/** The error that work must end with. */
import { expect } from 'chai';
import { BonsaiError } from '../../src/errors.js';

export async function failure(work: Promise<unknown>): Promise<BonsaiError> {
  const reason = await work.then(
    () => 'it worked',
    (error: unknown) => error,
  );
  expect(reason).to.be.instanceOf(BonsaiError);
  return reason as BonsaiError;
}
