import { testLines, testLookup } from '../support/families.js';

testLookup({ op: 'log' });
testLines('log', [-18, -6], [-13, -10]);
