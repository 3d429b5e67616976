import { testExtreme } from '../support/families.js';

testExtreme('reduce_min');
