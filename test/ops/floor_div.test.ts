import { testPlainPairs } from '../support/families.js';

testPlainPairs({ op: 'floor_div', attrs: { activation: 'none' } });
