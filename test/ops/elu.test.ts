import { testLookup } from '../support/families.js';

testLookup({
  op: 'elu',
  attrs: (random) => ({ algorithm: random.pick(['difference', 'expm1']) }),
});
