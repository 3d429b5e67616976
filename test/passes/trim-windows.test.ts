/** Windows lose outer rows and columns of zero taps, and no output changes. */
import { expect } from 'chai';
import fc from 'fast-check';
import { checkModule } from '../../src/compiler/ir/check.js';
import {
  type Module,
  mainGraph,
  type Node,
  type TensorId,
  tensorOf,
} from '../../src/compiler/ir/graph.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { operators } from '../../src/compiler/ops/index.js';
import { eachGraph } from '../../src/compiler/passes/rewrite.js';
import { trimWindows } from '../../src/compiler/passes/trim-windows.js';
import { GraphBuilder, perTensorQuant, Random, randomInputs } from '../support/module.js';
import { randomAccumulation, randomWindow } from '../support/operands.js';
import { runs } from '../support/runs.js';

const pass = eachGraph(trimWindows);

const outputsOf = (module: Module, seed: number) =>
  evaluateGraph(mainGraph(module), randomInputs(module, seed)).outputs;

type Window = Readonly<Record<string, number>>;

/** 'kernelH×kernelW, pads top bottom left right' of node 0. */
function windowOf(module: Module): string {
  const graph = mainGraph(module);
  const { inputs, attrs } = graph.nodes[0] as Node;
  const [, kernelH, kernelW] = tensorOf(graph, inputs[1] as TensorId).shape;
  const { padTop, padBottom, padLeft, padRight } = attrs;
  return `${kernelH}x${kernelW}, ${padTop} ${padBottom} ${padLeft} ${padRight}`;
}

/** A convolution of an image of 5 × 6 whose taps are zero where `taps` has a point. */
function layer(taps: readonly string[], window: Window, depthwise = false): Module {
  const random = new Random(7);
  const b = new GraphBuilder();
  const x = b.input([1, 5, 6, 2], perTensorQuant(0.5, -7));
  const shape = [depthwise ? 1 : 3, taps.length, taps[0]?.length ?? 0, 2];
  const spatial = taps.join('').length;
  const data = Int8Array.from({ length: (depthwise ? 1 : 3) * spatial * 2 }, (_, i) => {
    const tap = Math.floor(i / 2) % spatial;
    return taps.join('')[tap] === '.' ? 0 : random.integer(1, 127);
  });
  const attrs = {
    ...{ strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 },
    ...{ padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 },
    ...{ activation: 'none', rounding: 'double', ...window },
    ...(depthwise ? { depthMultiplier: 1 } : {}),
  };
  const weights = b.constant(data, shape, perTensorQuant(0.01, 0));
  const op = depthwise ? 'depthwise_conv2d' : 'conv2d';
  return b.module([b.node(op, [x, weights, null], attrs, { quant: perTensorQuant(0.9, 3) })]);
}

const same = { padTop: 1, padBottom: 1, padLeft: 1, padRight: 1 };

const twice = { padTop: 2, padBottom: 2, padLeft: 2, padRight: 2 };

const rows: readonly (readonly [
  edge: string,
  taps: readonly string[],
  window: Window,
  after: string,
  depthwise?: boolean,
])[] = [
  ['nothing to a window without zeros', ['###', '###', '###'], same, '3x3, 1 1 1 1'],
  ['nothing to a row of zeros in the middle', ['###', '...', '###'], same, '3x3, 1 1 1 1'],
  ['a row above', ['...', '###', '###'], same, '2x3, 0 1 1 1'],
  ['a row below', ['###', '###', '...'], same, '2x3, 1 0 1 1'],
  ['all but the middle: pointwise', ['...', '.#.', '...'], same, '1x1, 0 0 0 0'],
  [
    'a column that one tap alone keeps from being empty',
    ['..#', '.##', '.#.'],
    same,
    '3x2, 1 1 0 1',
  ],
  ['all zeros: one tap stays', ['...', '...', '...'], same, '1x1, 0 0 0 0'],
  [
    'not a row above without padding: the image would begin later',
    ['...', '###'],
    {},
    '2x3, 0 0 0 0',
  ],
  [
    'not a row below without padding: there would be more outputs',
    ['###', '...'],
    {},
    '2x3, 0 0 0 0',
  ],
  [
    'a row below without padding, where a stride skips it',
    ...([['###', '###', '###', '...', '...'], { strideH: 2 }] as const),
    '4x3, 0 0 0 0',
  ],
  [
    'no more rows above than there is padding for',
    ...([['...', '...', '###'], { padTop: 1 }] as const),
    '2x3, 0 0 0 0',
  ],
  [
    'rows that are dilated, by the padding that each takes',
    ...([['..', '..', '##'], { dilationH: 2, padTop: 3, padBottom: 1 }] as const),
    '2x2, 1 1 0 0',
  ],
  [
    'a depthwise window to no less than 3, about its middle',
    ...([['.....', '.....', '..#..', '.....', '.....'], twice] as const),
    ...(['3x3, 1 1 1 1', true] as const),
  ],
  [
    'one side of a depthwise window',
    ...([['.####', '.####', '.####', '.####', '.####'], twice] as const),
    ...(['5x4, 2 2 1 2', true] as const),
  ],
  ['nothing of a depthwise window of 3', ['...', '.#.', '...'], same, '3x3, 1 1 1 1', true],
];

describe('trim-windows', () => {
  for (const [edge, taps, window, after, depthwise = false] of rows) {
    it(edge, () => {
      const before = layer(taps, window, depthwise);
      const trimmed = pass(before);
      checkModule(trimmed, operators, 'trim-windows');
      expect(windowOf(trimmed)).to.equal(after);
      expect(outputsOf(trimmed, 3)).to.deep.equal(outputsOf(before, 3));
    });
  }

  it('changes no output of random windows with zero taps', () => {
    let changed = 0;
    fc.assert(
      fc.property(fc.boolean(), fc.nat(), (depthwise, seed) => {
        const random = new Random(seed);
        const { input, output, attrs } = randomAccumulation(random);
        const b = new GraphBuilder();
        const shape = [1, random.integer(1, 7), random.integer(1, 7), random.integer(1, 3)];
        const { kernelH, kernelW, attrs: window } = randomWindow(random, shape);
        const channels = shape[3] ?? 1;
        const weightShape = [depthwise ? 1 : random.integer(1, 3), kernelH, kernelW, channels];
        const drawn = (taps: number) =>
          Array.from({ length: taps }, () => random.integer(0, 2) === 0);
        const [keptRows, keptColumns] = [drawn(kernelH), drawn(kernelW)];
        const count = weightShape.reduce((product, extent) => product * extent, 1);
        const data = random.int8(count).map((weight, i) => {
          const tap = Math.floor(i / channels) % (kernelH * kernelW);
          const isKept = keptRows[Math.floor(tap / kernelW)] && keptColumns[tap % kernelW];
          return isKept ? weight : 0;
        });
        const weights = b.constant(data, weightShape, perTensorQuant(0.01, 0));
        const outputs = depthwise ? channels : (weightShape[0] ?? 1);
        const bias = b.constant(random.int32(outputs, -9000, 9000));
        const all = { ...attrs, ...window, ...(depthwise ? { depthMultiplier: 1 } : {}) };
        const op = depthwise ? 'depthwise_conv2d' : 'conv2d';
        const x = b.input(shape, input);
        const before = b.module([b.node(op, [x, weights, bias], all, { quant: output })]);
        const after = pass(before);
        checkModule(after, operators, 'trim-windows');
        if (windowOf(after) !== windowOf(before)) changed += 1;
        expect(outputsOf(after, seed)).to.deep.equal(outputsOf(before, seed));
      }),
      { numRuns: runs(400) },
    );
    expect(changed).to.be.greaterThan(runs(100));
  });
});
