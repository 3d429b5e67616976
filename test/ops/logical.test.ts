import { testPlainPairs } from '../support/families.js';

for (const name of ['and', 'or']) {
  testPlainPairs({ op: 'logical', attrs: { function: name }, types: ['bool'] });
}
