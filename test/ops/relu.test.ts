import { testLookup, testWideElements } from '../support/families.js';

testLookup({ op: 'relu' });

testWideElements('relu');
