import { testPlain } from '../support/families.js';

testPlain({ op: 'logical_not', types: ['bool'] });
