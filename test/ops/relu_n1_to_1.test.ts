import { testLookup } from '../support/families.js';

testLookup({ op: 'relu_n1_to_1' });
