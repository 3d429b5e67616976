import { testLookup } from '../support/families.js';

testLookup({ op: 'log' });
