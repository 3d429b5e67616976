import { testLookup } from '../support/families.js';

testLookup({
  op: 'relu6',
  attrs: (random) => ({ algorithm: random.pick(['clamp', 'rescale']) }),
});
