import { expect } from 'chai';
import { bar, sayIfSlow, transferBar } from '../src/progress.js';

const transferred = (done: number, kept: number, sinceMs: number) =>
  transferBar(done, 2048, { done: kept, sinceMs }).slice(24);

describe('progress', () => {
  const rows: readonly (readonly [edge: string, text: string, wanted: string])[] = [
    ['nothing to do', bar(0, 0, 4), '████ 0/0'],
    ['half', bar(1, 2, 4), '██░░ 1/2'],
    ['half of the bytes', transferred(1024, 0, 500), ' 1/2 KB, 2.0 KB/s, 1 s left'],
    ['before the first byte: no rate', transferred(0, 0, 500), ' 0/2 KB'],
    ['a copy in memory: no rate', transferred(2048, 0, 0.01), ' 2/2 KB'],
    ['half was there: no rate', transferred(1024, 1024, 500), ' 1/2 KB'],
    ['half of the other half', transferred(1536, 1024, 500), ' 2/2 KB, 1.0 KB/s, 1 s left'],
  ];
  for (const [edge, text, wanted] of rows) {
    it(edge, () => {
      expect(text).to.equal(wanted);
    });
  }

  it('work of 5 s of this process is silent, then tells every 5 s how far it is', () => {
    let now = 10;
    const said: string[] = [];
    const say = sayIfSlow(
      (text) => said.push(text),
      () => now,
    );
    for (now of [10, 14.9, 15, 15.1, 19.9, 20, 40, 41]) say(`at ${now}`);
    expect(said).to.deep.equal(['at 15', 'at 20', 'at 40']);
  });
});
