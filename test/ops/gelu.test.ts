import { testLookup } from '../support/families.js';

testLookup({
  op: 'gelu',
  attrs: (random) => ({ approximate: random.integer(0, 1) === 0 }),
});
