import { testLookup, testWideElements } from '../support/families.js';

testLookup({
  op: 'relu6',
  attrs: (random) => ({ algorithm: random.pick(['clamp', 'rescale']) }),
});

testWideElements('relu6', { algorithm: 'clamp' });
