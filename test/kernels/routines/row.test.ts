/** Which layers are rows whose weights are code: those of one pixel under a window of the whole image. */
import { expect } from 'chai';
import { analyse } from '../../../src/compiler/analysis/index.js';
import { type Attrs, type Module, mainGraph } from '../../../src/compiler/ir/graph.js';
import { GraphBuilder, perChannelQuant, perTensorQuant } from '../../support/module.js';
import { simplePlan } from '../../support/plan.js';
import { fused } from '../../support/residual.js';
import { pads, unit } from '../../support/rows.js';

interface Layer {
  readonly input: readonly [n: number, h: number, w: number, c: number];
  readonly filter: readonly [h: number, w: number];
  readonly channels?: number;
  /** Inputs of each channel, of as many groups as there are; default: all. */
  readonly depth?: number;
  readonly window?: Attrs;
  /** Weights that are not zero; default: all. */
  readonly nonzero?: number;
  /** Whether a sum is fused into it. */
  readonly residual?: boolean;
}

function moduleOf(layer: Layer): Module {
  const { input, filter, channels = 4, depth = input[3], window = {}, residual = false } = layer;
  const b = new GraphBuilder();
  const x = b.input([...input], perTensorQuant(0.5, -128));
  const count = channels * filter[0] * filter[1] * depth;
  const weights = b.constant(
    new Int8Array(count).fill(1, 0, layer.nonzero ?? count),
    [channels, ...filter, depth],
    perChannelQuant([0.01], 0),
  );
  const bias = b.constant(new Int32Array(channels));
  const attrs = { ...unit, ...pads(0, 0, 0, 0), ...window, activation: 'none', rounding: 'double' };
  const quant = perTensorQuant(2, 0);
  const y = b.node('conv2d', [x, weights, bias], attrs, { quant });
  if (!residual) return b.module([y]);
  const skip = b.input(b.shape(y), quant);
  return fused(b.module([b.node('add', [y, skip], { activation: 'none' }, { quant })]));
}

const image = { input: [1, 3, 2, 5], filter: [3, 2] } as const;
const pixel = (depth: number) => ({ input: [1, 1, 1, depth], filter: [1, 1] }) as const;

const rows: readonly (readonly [edge: string, layer: Layer, applies: boolean])[] = [
  ['an image', image, true],
  ['two images', { ...image, input: [2, 3, 2, 5] }, false],
  ['two outputs below each other', { ...image, window: pads(0, 1, 0, 0) }, false],
  ['two outputs side by side', { ...image, window: pads(0, 0, 0, 1) }, false],
  ['a row of padding above', { ...image, window: { ...pads(1, 0, 0, 0), strideH: 2 } }, false],
  ['a column of it on the left', { ...image, window: { ...pads(0, 0, 1, 0), strideW: 2 } }, false],
  ['a row that no window reads', { ...image, filter: [2, 2], window: { strideH: 2 } }, false],
  ['a column that none reads', { ...image, filter: [3, 1], window: { strideW: 2 } }, false],
  [
    'taps apart, some below the image',
    { ...image, window: { ...pads(0, 2, 0, 0), dilationH: 2 } },
    false,
  ],
  ['some beside it', { ...image, window: { ...pads(0, 0, 0, 1), dilationW: 2 } }, false],
  ['a distance of a single tap', { ...pixel(5), window: { dilationH: 2, dilationW: 3 } }, true],
  ['a fused sum', { ...image, residual: true }, false],
  ['groups', { ...pixel(4), depth: 2 }, false],
  ['2^16 weights that are not zero', { ...pixel(256), channels: 256 }, true],
  ['more of these', { ...pixel(256), channels: 257 }, false],
  ['2^18 weights', { ...pixel(512), channels: 512, nonzero: 9 }, true],
  ['more of any', { ...pixel(512), channels: 513, nonzero: 9 }, false],
];

describe('rows whose weights are code: where they apply', () => {
  for (const kernel of ['thumb1/row', 'rv32/row']) {
    for (const [edge, layer, applies] of rows) {
      it(`${kernel}: ${edge}`, () => {
        const module = moduleOf(layer);
        const facts = analyse(mainGraph(module));
        const { steps } = simplePlan(module, { kernel, facts }).plan;
        expect(steps.map((step) => step.kernel === kernel)).to.deep.equal([applies]);
      });
    }
  }
});
