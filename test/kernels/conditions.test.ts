/** Edges of what kernels prove of a layer: on one side a variant applies, on the other it does not. */
import { expect } from 'chai';
import { analyse } from '../../src/compiler/analysis/index.js';
import {
  type Attrs,
  mainGraph,
  type Node,
  type Shape,
  viewOf,
} from '../../src/compiler/ir/graph.js';
import { matchesOf } from '../../src/compiler/kernels/index.js';
import { laneTable } from '../../src/compiler/kernels/swar/lanes.js';
import { GraphBuilder, perTensorQuant } from '../support/module.js';
import { contextOf, defaults } from '../support/plan.js';

/** The kernel of a template for the last node; undefined: it does not apply. */
function kernelOf(template: string, make: (b: GraphBuilder) => number) {
  const b = new GraphBuilder();
  const graph = mainGraph(b.module([make(b)]));
  const view = viewOf(graph, graph.nodes.at(-1) as Node);
  const context = { ...contextOf({ options: defaults, target: 'test' }), facts: analyse(graph) };
  const [match] = matchesOf(view, context, (variant) => variant.template === template);
  return match?.kernel;
}

const pads = { padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 };
const window = { ...pads, strideH: 1, strideW: 1, activation: 'none' };

const pooled = (shape: Shape, attrs: Attrs) => (b: GraphBuilder) =>
  b.node('average_pool2d', [b.input(shape)], { ...window, ...attrs });

const meanOf = (axes: readonly number[]) => (b: GraphBuilder) =>
  b.node('mean', [b.input([1, 4, 4, 8])], { axes, keepDims: false, algorithm: 'general' });

/** Windows of two rows over an image of two columns and two channels; turned: of two columns over one row. */
const depthwise =
  (rows: number, attrs: Attrs, isTurned = false) =>
  (b: GraphBuilder) => {
    const [shape, side] = isTurned ? [[1, 1, rows, 2], 1] : [[1, rows, 2, 2], 2];
    const data = new Int8Array(4 * side).fill(3);
    const weights = b.constant(data, [1, side, 2, 2], perTensorQuant(0.01, 0));
    const rest = { dilationH: 1, dilationW: 1, depthMultiplier: 1, rounding: 'double' };
    const all = { ...window, strideH: 2, ...rest, ...attrs };
    return b.node('depthwise_conv2d', [b.input(shape), weights, null], all);
  };

describe('kernels: edges of conditions', () => {
  const rows: [
    edge: string,
    template: string,
    make: (b: GraphBuilder) => number,
    applies: boolean,
  ][] = [
    ['a mean over pixels', 'mve/mean', meanOf([1, 2]), true],
    ['a mean over nothing has no pixel to begin with', 'mve/mean', meanOf([]), false],
    ['a mean over channels', 'mve/mean', meanOf([3]), false],
    [
      'windows that end with the image',
      'swar/average_pool2d',
      pooled([1, 4, 4, 4], { kernelH: 2, kernelW: 2, strideH: 2, strideW: 2 }),
      true,
    ],
    ...[{ padRight: 1 }, { padBottom: 1 }, { padLeft: 1 }, { padTop: 1 }].map(
      (pad): [string, string, (b: GraphBuilder) => number, boolean] => [
        `windows that reach into the padding: ${Object.keys(pad)}`,
        'swar/average_pool2d',
        pooled([1, 5, 5, 4], { kernelH: 2, kernelW: 2, strideH: 2, strideW: 2, ...pad }),
        false,
      ],
    ),
  ];
  for (const [edge, template, make, applies] of rows) {
    it(`${template}: ${edge}`, () => {
      expect(kernelOf(template, make) !== undefined).to.equal(applies);
    });
  }

  it('windows as wide as the image are read in place, unless the last reaches beyond it', () => {
    const template = 'thumb1/depthwise_conv2d_windows';
    const scratch = (rows: number, attrs: Attrs, isTurned = false) =>
      kernelOf(template, depthwise(rows, attrs, isTurned))?.scratchBytes;
    expect(scratch(6, {})).to.equal(0);
    expect(scratch(5, { padBottom: 1 })).to.equal(4 * 2);
    expect(scratch(6, { strideH: 1, strideW: 2 }, true), 'a row').to.equal(0);
    expect(scratch(5, { strideH: 1, strideW: 2, padRight: 1 }, true)).to.equal(2 * 2);
  });

  it('lanes count taps in 22 bits', () => {
    const taps = (length: number) => laneTable([], { length } as never);
    expect(taps(2 ** 22 - 1)).to.not.equal(null);
    expect(taps(2 ** 22)).to.equal(null);
  });
});
