import { testFolding } from '../support/families.js';

testFolding('reduce_prod', ['float32', 'int32']);
