/** Samples and a module's head for tests of compression. */

import type { Module } from '../../src/compiler/ir/graph.js';
import type { Dataset } from '../../src/compress/data/dataset.js';
import { makeRandom } from '../../src/compress/random.js';
import { FloatNetwork } from './float-network.js';

/** Evenly from −0.5 to 1.5. */
export function samples(count: number, shape: readonly number[], seed = 1): Dataset {
  const random = makeRandom(seed);
  const size = shape.reduce((a, b) => a * b, 1);
  const x = Float32Array.from({ length: count * size }, () => random() * 2 - 0.5);
  return { where: 'random', count, shape, x, labels: null, classes: null };
}

export const head = (({ graphs: _, ...rest }: Module) => rest)(new FloatNetwork([1]).module());
