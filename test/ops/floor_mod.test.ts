import { testPlainPairs } from '../support/families.js';

testPlainPairs({ op: 'floor_mod', attrs: { activation: 'none' } });
