import { compiledTogether, testPlain } from '../support/families.js';

const together = compiledTogether('real functions');

for (const name of ['square', 'floor', 'ceil', 'round']) {
  testPlain({ together, op: 'real_function', attrs: { function: name } });
}
for (const name of ['sin', 'cos']) {
  testPlain({ together, op: 'real_function', attrs: { function: name }, ulps: 1 });
}
