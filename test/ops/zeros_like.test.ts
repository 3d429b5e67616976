import { randomShape, testOperator } from '../support/operator.js';

// The golden rows are of the runtimes, which cannot be asked again: as a file is read, zeros are a
// constant, so no file with the operator alone can be written and read back.
testOperator({
  op: 'zeros_like',
  random: (random) => ({ inputs: [{ shape: randomShape(random, 3) }] }),
});
