/**
 * Functions of elements that are not quantized. Exact: what IEEE 754 defines to the last bit; others
 * come from the runtime's C library, or, of desktop TFLite, from Eigen's approximations.
 */
import { compiledTogether, testPlain, testPlainPairs } from '../support/families.js';

const none = { activation: 'none' };
const together = compiledTogether('functions of elements that are not quantized');

for (const op of ['abs', 'neg', 'relu', 'relu6', 'relu_n1_to_1', 'relu_0_to_1']) {
  testPlain({ op, together, ...(op === 'relu6' ? { attrs: { algorithm: 'clamp' } } : {}) });
}
for (const op of ['sqrt', 'rsqrt']) testPlain({ op, together });
testPlain({
  together,
  op: 'leaky_relu',
  attrs: { alpha: Math.fround(0.3), algorithm: 'magnitude' },
});
testPlain({ together, op: 'hard_swish', approximated: ['tflite-portable'] });
testPlain({ together, op: 'exp', ulps: 1 });
testPlain({ together, op: 'log', ulps: 1 });
testPlain({ together, op: 'elu', attrs: { algorithm: 'expm1' }, ulps: 2 });
testPlain({
  together,
  op: 'tanh',
  attrs: { algorithm: 'fixed' },
  ulps: 2,
  approximated: ['tflite-portable'],
});
testPlain({
  together,
  op: 'logistic',
  attrs: { algorithm: 'fixed' },
  ulps: 2,
  approximated: ['tflite-portable'],
});

for (const op of ['add', 'mul', 'div', 'squared_difference'])
  testPlainPairs({ together, op, attrs: none });
testPlainPairs({ together, op: 'sub', attrs: { ...none } });
testPlainPairs({ together, op: 'prelu', attrs: none, types: ['float32'] });
testPlainPairs({ together, op: 'maximum', attrs: none });
testPlainPairs({ together, op: 'minimum', attrs: none });
for (const activation of ['relu', 'relu6', 'relu_n1_to_1']) {
  const attrs = { activation };
  testPlainPairs({ together, op: 'add', name: `add_${activation}`, attrs, types: ['float32'] });
}
testPlain({ together, op: 'gelu', attrs: { approximate: false }, ulps: 4 });
testPlain({
  together,
  op: 'gelu',
  name: 'gelu_approximate',
  attrs: { approximate: true },
  // 1 + tanh(x) loses digits below 0, and desktop TFLite's tanh is an approximation.
  within: 2 ** -20,
});
