import { testLines, testLookup } from '../support/families.js';

testLookup({
  op: 'gelu',
  attrs: (random) => ({ approximate: random.integer(0, 1) === 0 }),
});
for (const approximate of [false, true]) {
  const name = approximate ? 'gelu_tanh' : 'gelu';
  testLines('gelu', [-15, -10], [-15, -10], { attrs: { approximate }, name });
}
