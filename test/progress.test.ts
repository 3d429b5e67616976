import { expect } from 'chai';
import { bar, transferBar } from '../src/progress.js';

describe('progress', () => {
  const rows: readonly (readonly [edge: string, text: string, wanted: string])[] = [
    ['nothing to do', bar(0, 0, 4), '████ 0/0'],
    ['half', bar(1, 2, 4), '██░░ 1/2'],
    ['half of the bytes', transferBar(1024, 2048, 500).slice(24), ' 1/2 KB, 2.0 KB/s, 1 s left'],
    ['before the first byte: no rate', transferBar(0, 2048, 500).slice(24), ' 0/2 KB'],
    ['a copy in memory: no rate', transferBar(2048, 2048, 0.01).slice(24), ' 2/2 KB'],
  ];
  for (const [edge, text, wanted] of rows) {
    it(edge, () => {
      expect(text).to.equal(wanted);
    });
  }
});
