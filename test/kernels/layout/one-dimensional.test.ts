/** Images of one row or one column: kernels turn one into the other where they are better at it. */
import { expect } from 'chai';
import type { Attrs, Module, Shape } from '../../../src/compiler/ir/graph.js';
import { asColumn, asRow } from '../../../src/compiler/kernels/layout/convolution.js';
import { expectSameBitsOnBoard } from '../../support/board.js';
import { GraphBuilder, perTensorQuant, Random } from '../../support/module.js';
import { expectSameBits } from '../../support/native.js';

/** Of a line of pixels. */
interface Line {
  readonly edge: string;
  readonly taps: number;
  readonly stride?: number;
  readonly dilation?: number;
  readonly pads?: readonly [before: number, after: number];
}

const lines: readonly Line[] = [
  { edge: 'padding on both sides', taps: 5, pads: [2, 2] },
  { edge: 'stride 2, padding after', taps: 3, stride: 2, pads: [0, 1] },
  { edge: 'taps apart', taps: 3, dilation: 3, pads: [3, 3] },
  { edge: 'one tap, stride 3', taps: 1, stride: 3 },
];

function module(op: string, line: Line, isColumn: boolean): Module {
  const { taps, stride = 1, dilation = 1, pads = [0, 0] } = line;
  const random = new Random(taps);
  const turn = (along: number, across: number): [number, number] =>
    isColumn ? [along, across] : [across, along];
  const attr = (name: string, along: number, across: number): Attrs => {
    const [h, w] = turn(along, across);
    return { [`${name}H`]: h, [`${name}W`]: w };
  };
  const [before, after] = pads;
  const padding = isColumn
    ? { padTop: before, padBottom: after, padLeft: 0, padRight: 0 }
    : { padTop: 0, padBottom: 0, padLeft: before, padRight: after };
  const b = new GraphBuilder();
  const x = b.input([2, ...turn(13, 1), 5], perTensorQuant(0.02, 3));
  const isDepthwise = op === 'depthwise_conv2d';
  const shape: Shape = isDepthwise ? [1, ...turn(taps, 1), 5] : [6, ...turn(taps, 1), 5];
  const weights = b.constant(
    random.int8(shape.reduce((product, n) => product * n, 1)),
    shape,
    perTensorQuant(0.01, 0),
  );
  const attrs = {
    ...{ ...attr('stride', stride, 1), ...attr('dilation', dilation, 1), ...padding },
    ...{ activation: 'none', rounding: 'double', depthMultiplier: 1 },
  };
  return b.module([b.node(op, [x, weights, null], attrs, { quant: perTensorQuant(0.04, -5) })]);
}

const modulesOf = (op: string) =>
  lines.flatMap((line) => [true, false].map((isColumn) => module(op, line, isColumn)));

describe('images of one row or column', function () {
  this.timeout(240_000);

  for (const [op, kernel] of [
    ['conv2d', 'portable/conv2d'],
    ['conv2d', 'swar/conv2d'],
    ['conv2d', 'swar/conv2d_pixels'],
    ['depthwise_conv2d', 'portable/depthwise_conv2d_by4'],
    ['depthwise_conv2d', 'portable/depthwise_conv2d'],
  ] as const) {
    it(`${kernel} gives the bits of evaluate, in the memory of its input`, () =>
      expectSameBits(modulesOf(op), { kernel, overlap: true }));
  }

  it('thumb1/conv2d does on the simulated RP2040', () =>
    expectSameBitsOnBoard(modulesOf('conv2d'), 'rp2040', {
      kernel: 'thumb1/conv2d',
      overlap: true,
    }));

  it('are turned, others stay', () => {
    const common = { batches: 1, inC: 2, outC: 3, strideH: 2, strideW: 1 };
    const apart = { dilationH: 3, dilationW: 1, padTop: 4, padLeft: 0 };
    const column = { inH: 9, inW: 1, outH: 5, outW: 1, kernelH: 3, kernelW: 1 };
    const turned = {
      ...{ batches: 1, inC: 2, outC: 3, strideH: 1, strideW: 2 },
      ...{ dilationH: 1, dilationW: 3, padTop: 0, padLeft: 4 },
      ...{ inH: 1, inW: 9, outH: 1, outW: 5, kernelH: 1, kernelW: 3 },
    };
    const shape = { ...common, ...apart, ...column };
    expect(asRow(shape)).to.deep.equal(turned);
    expect(asColumn(turned)).to.deep.equal(shape);
    expect(asRow(turned)).to.equal(turned);
    expect(asColumn(shape)).to.equal(shape);
    const padded = { ...shape, padLeft: 1 };
    expect(asRow(padded)).to.equal(padded);
    // A row of pixels is what kernels of 1×1 windows want.
    const pointwise = { ...turned, kernelW: 1 };
    expect(asColumn(pointwise)).to.equal(pointwise);
  });
});
