import { testExtremeOfPairs } from '../support/families.js';

testExtremeOfPairs('maximum');
