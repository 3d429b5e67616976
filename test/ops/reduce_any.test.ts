import { testFolding } from '../support/families.js';

testFolding('reduce_any', ['bool']);
