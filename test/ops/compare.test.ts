import { relations } from '../../src/ops/compare.js';
import { compiledTogether, testPlainPairs } from '../support/families.js';

const together = compiledTogether('comparisons');
const types = ['float32', 'int32', 'int8'] as const;

for (const relation of Object.keys(relations)) {
  const attrs = { relation };
  testPlainPairs({ together, op: 'compare', name: relation, attrs, types, result: 'bool' });
}
