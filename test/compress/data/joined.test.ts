/** Two parts of one source as one. */
import { expect } from 'chai';
import { joined, subset } from '../../../src/compress/data/dataset.js';

const all = {
  ...{ where: 'test', count: 3, shape: [2], classes: ['a', 'b'] },
  ...{ x: Float32Array.of(1, 2, 3, 4, 5, 6), labels: Int32Array.of(0, 1, 1) },
};

describe('data: parts joined', () => {
  it('samples, labels and targets, the first part first', () => {
    const whole = { ...all, targets: Float32Array.of(7, 8, 9) };
    const { numbers: _, ...found } = joined(subset(whole, [2]), subset(whole, [0, 1]));
    expect(found).to.deep.equal({
      ...{ where: 'test', count: 3, shape: [2], classes: ['a', 'b'] },
      x: Float32Array.of(5, 6, 1, 2, 3, 4),
      labels: Int32Array.of(1, 0, 1),
      targets: Float32Array.of(9, 7, 8),
    });
  });

  it('no labels, no targets, no numbers of the source', () => {
    const bare = { ...all, labels: null, classes: null };
    const found = joined(subset(bare, [1]), subset(bare, [0]));
    expect(found.labels).to.equal(null);
    expect(found).not.to.have.any.keys('targets', 'numbers', 'parts');
  });
});
