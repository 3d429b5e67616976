/** Windows of one tap over one row: which of them are a row of pixels, by every kernel. */

import { expect } from 'chai';
import type { Attrs, Module } from '../../../src/compiler/ir/graph.js';
import { kernelsOf } from '../../../src/compiler/kernels/index.js';
import { expectSameBitsOnBoard } from '../../support/board.js';
import { GraphBuilder, perChannelQuant, Random } from '../../support/module.js';
import { expectSameBits } from '../../support/native.js';

const window = {
  ...{ strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 },
  ...{ padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 },
};

const rows: readonly [edge: string, attrs: Attrs][] = [
  ['all pixels', {}],
  ['a stride that has no second row', { strideH: 2 }],
  ['every other pixel, padding on one side: as many as there are', { strideW: 2, padRight: 6 }],
  ['padding on both sides, as many as there are', { strideW: 2, padLeft: 3, padRight: 3 }],
  ['padding above, and a stride over the row', { strideH: 2, padTop: 1 }],
  ['padding above', { padTop: 1 }],
  ['padding below', { padBottom: 2 }],
];

function layer(batches: number, attrs: Attrs): Module {
  const random = new Random(7);
  const b = new GraphBuilder();
  const weights = b.constant(
    random.int8(5 * 8),
    [5, 1, 1, 8],
    perChannelQuant([0.02, 0.01, 0.03, 0.02, 0.015], 0),
  );
  const bias = b.constant(random.int32(5, -999, 999));
  const all = { ...window, activation: 'none', rounding: 'double', ...attrs };
  return b.module([b.node('conv2d', [b.input([batches, 1, 7, 8]), weights, bias], all)]);
}

describe('a window of one tap over one row', () => {
  const modules = [1, 2].flatMap((batches) => rows.map(([, attrs]) => layer(batches, attrs)));
  for (const { template, needs } of kernelsOf({ op: 'conv2d' }).variants) {
    it(`by ${template}`, async () => {
      // Weights as code run on their core alone.
      if (template.startsWith('thumb1/')) {
        expect(needs).to.include('thumb1');
        await expectSameBitsOnBoard(modules, 'rp2040', { kernel: template });
      } else await expectSameBits(modules, { kernel: template });
    });
  }
});
