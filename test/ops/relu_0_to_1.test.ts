import { nearScales, testLookup } from '../support/families.js';

testLookup({ op: 'relu_0_to_1', quants: nearScales });
