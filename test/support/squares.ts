/** A small task of four classes: images with a bright quarter, and a network that learns it. */
import type { Dataset } from '../../src/compress/data/dataset.js';
import { makeRandom } from '../../src/compress/random.js';
import { FloatNetwork } from './float-network.js';

export function squares(count: number, seed: number): Dataset {
  const random = makeRandom(seed);
  const x = new Float32Array(count * 64);
  const labels = Int32Array.from({ length: count }, (_, i) => {
    const label = i % 4;
    for (let at = 0; at < 64; at += 1) {
      const quarter = (at >= 32 ? 2 : 0) + (at % 8 >= 4 ? 1 : 0);
      x[i * 64 + at] = random() * 0.9 + (quarter === label ? 0.6 : 0);
    }
    return label;
  });
  return { where: 'squares', count, shape: [8, 8, 1], x, labels, classes: ['a', 'b', 'c', 'd'] };
}

export const squaresNetwork = (seed = 1): FloatNetwork =>
  new FloatNetwork([8, 8, 1], seed).conv(6).maxPool().conv(8, 3, 2).dense(4, 'none').softmax();
