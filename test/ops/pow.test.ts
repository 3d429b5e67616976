import { testPlainPairs } from '../support/families.js';

testPlainPairs({ op: 'pow', attrs: { activation: 'none' }, types: ['float32'], ulps: 1 });
