import { testFolding } from '../support/families.js';

testFolding('reduce_all', ['bool']);
