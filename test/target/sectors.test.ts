/** Sectors of a chip's flash, from the runs of equal ones that target.json lists. */
import { expect } from 'chai';
import { sectorsOf } from '../../src/target/sectors.js';

describe('target: sectors', () => {
  it('follow each other, numbered from the first of each run', () => {
    const sectors = [
      { count: 2, bytes: 16, first: 0, eraseMs: 5 },
      { count: 1, bytes: 64, first: 4, eraseMs: 7 },
      { count: 2, bytes: 128, first: 12, eraseMs: 9 },
    ];
    expect(sectorsOf({ flashAddress: '0x08000000', sectors })).to.deep.equal([
      { number: 0, address: 0x08000000, bytes: 16, eraseMs: 5 },
      { number: 1, address: 0x08000010, bytes: 16, eraseMs: 5 },
      { number: 4, address: 0x08000020, bytes: 64, eraseMs: 7 },
      { number: 12, address: 0x08000060, bytes: 128, eraseMs: 9 },
      { number: 13, address: 0x080000e0, bytes: 128, eraseMs: 9 },
    ]);
  });
});
