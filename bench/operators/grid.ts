/** Layers of typical and of extreme shapes, for every operator. */

import type { Layer } from '../../src/boards/tune/layers.js';
import type { Attrs, Shape } from '../../src/compiler/ir/graph.js';
import { samePadding } from '../../src/compiler/ops/shape/window.js';

type Pair = readonly [h: number, w: number];

/** The stride and dilation of a window, 1 by default; padding is SAME unless `valid`. */
interface Slide {
  readonly stride?: Pair;
  readonly dilation?: Pair;
  readonly valid?: true;
}

const none = { padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 };

function windowOf([, h = 1, w = 1]: Shape, kernel: Pair, slide: Slide) {
  const { stride = [1, 1], dilation = [1, 1], valid } = slide;
  const [padTop, padBottom] = samePadding(h, kernel[0], stride[0], dilation[0]);
  const [padLeft, padRight] = samePadding(w, kernel[1], stride[1], dilation[1]);
  return {
    ...{ strideH: stride[0], strideW: stride[1] },
    ...{ dilationH: dilation[0], dilationW: dilation[1] },
    ...(valid ? none : { padTop, padBottom, padLeft, padRight }),
  };
}

const finish = { activation: 'relu', rounding: 'double' };

export function conv(input: Shape, outC: number, kernel: Pair, slide: Slide = {}): Layer {
  const shape = [outC, ...kernel, input[3] ?? 1];
  const attrs = { ...windowOf(input, kernel, slide), ...finish };
  return { op: 'conv2d', inputs: [input], weights: { shape, axis: 0 }, attrs };
}

export function depthwise(input: Shape, times: number, kernel: Pair, slide: Slide = {}): Layer {
  const shape = [1, ...kernel, (input[3] ?? 1) * times];
  const attrs = { ...windowOf(input, kernel, slide), ...finish, depthMultiplier: times };
  return { op: 'depthwise_conv2d', inputs: [input], weights: { shape, axis: 3 }, attrs };
}

function dense(inputs: number, outputs: number, rows = 1): Layer {
  const weights = { shape: [outputs, inputs], axis: 0 };
  return { op: 'fully_connected', inputs: [[rows, inputs]], weights, attrs: finish };
}

function pool(op: string, input: Shape, kernel: Pair, slide: Slide = {}): Layer {
  const { dilationH: _, dilationW: __, ...window } = windowOf(input, kernel, slide);
  const sides = { kernelH: kernel[0], kernelW: kernel[1] };
  return { op, inputs: [input], attrs: { ...sides, ...window, activation: 'none' } };
}

const plain = (op: string, inputs: readonly Shape[], attrs: Attrs = {}): Layer => ({
  op,
  inputs,
  attrs,
});

const square = (side: number): Pair => [side, side];
const lines = (length: number): readonly Pair[] => [
  [1, length],
  [length, 1],
];
const counts = [1, 2, 3, 4, 5, 8, 16, 17, 64];

function convolutions(): readonly Layer[] {
  return [
    ...counts.flatMap((c) => [
      conv([1, 7, 6, c], 16, square(3)),
      conv([1, 7, 6, c], 16, square(1)),
    ]),
    ...counts.flatMap((c) => [
      conv([1, 6, 7, 16], c, square(3)),
      conv([1, 6, 7, 16], c, square(1)),
    ]),
    ...[1, 8, 17].flatMap((c) => [2, 4, 5, 7].map((side) => conv([1, 10, 9, c], 8, square(side)))),
    ...[1, 8].flatMap((c) =>
      [3, 10, 20, 30].flatMap((length) => [
        conv([1, 4, 32, c], 8, [1, length]),
        conv([1, 32, 4, c], 8, [length, 1]),
      ]),
    ),
    conv([1, 32, 1, 16], 24, [9, 1], { stride: [2, 1] }),
    conv([1, 32, 1, 40], 16, [3, 1], { valid: true }),
    conv([1, 49, 10, 1], 8, [10, 4], { stride: [2, 2] }),
    ...[1, 3, 16].flatMap((c) =>
      [2, 3].flatMap((step) => [
        conv([1, 13, 12, c], 8, square(3), { stride: [step, step] }),
        conv([1, 13, 12, c], 8, square(3), { dilation: [step, step] }),
        conv([1, 13, 12, c], 8, square(1), { stride: [step, step] }),
      ]),
    ),
    conv([1, 20, 1, 16], 16, [3, 1], { dilation: [4, 1] }),
    conv([1, 10, 10, 8], 8, square(3), { valid: true }),
    conv([2, 6, 5, 8], 8, square(3)),
    conv([3, 6, 5, 8], 8, square(1)),
    conv([1, 1, 1, 64], 64, square(1)),
    conv([1, 3, 3, 64], 12, square(3), { valid: true }),
    conv([1, 48, 48, 3], 8, square(3), { stride: [2, 2] }),
    conv([1, 64, 64, 1], 4, square(3), { stride: [2, 2] }),
    conv([1, 5, 5, 96], 24, square(1)),
    conv([1, 4, 4, 130], 10, square(1)),
  ];
}

function depthwiseConvolutions(): readonly Layer[] {
  const small: Slide[] = [{}, { stride: [2, 2] }, { valid: true }];
  return [
    ...counts.flatMap((c) => small.map((slide) => depthwise([1, 10, 9, c], 1, square(3), slide))),
    ...[1, 2, 4, 5, 6, 7].flatMap((side) =>
      [1, 3, 8, 17].flatMap((c) =>
        [{}, { stride: square(2) }].map((slide) =>
          depthwise([1, 11, 10, c], 1, square(side), slide),
        ),
      ),
    ),
    ...[2, 3, 4, 8].flatMap((times) =>
      [1, 2, 3, 4, 5, 8, 17].flatMap((c) => [
        depthwise([1, 8, 7, c], times, square(3)),
        depthwise([1, 9, 8, c], times, square(3), { stride: [2, 2] }),
      ]),
    ),
    ...[2, 4, 8].flatMap((times) =>
      [1, 2, 5, 7].map((side) => depthwise([1, 10, 9, 4], times, square(side))),
    ),
    depthwise([1, 49, 10, 1], 8, [10, 8], { stride: [2, 2] }),
    ...[3, 5, 9, 13, 21, 30].flatMap((length) =>
      [3, 8].flatMap((c) => [
        depthwise([1, 3, 32, c], 1, [1, length]),
        depthwise([1, 32, 3, c], 1, [length, 1]),
      ]),
    ),
    ...lines(9).flatMap((kernel) => {
      const input: Shape = kernel[0] === 1 ? [1, 2, 30, 8] : [1, 30, 2, 8];
      return [
        depthwise(input, 1, kernel, { stride: [kernel[0] === 1 ? 1 : 2, kernel[0] === 1 ? 2 : 1] }),
        depthwise(input, 1, kernel, { stride: [2, 2] }),
        depthwise(input, 1, kernel, {
          dilation: [kernel[0] === 1 ? 1 : 2, kernel[0] === 1 ? 2 : 1],
        }),
        depthwise(input, 1, kernel, { valid: true }),
        depthwise(input, 2, kernel),
        depthwise(input, 4, kernel),
      ];
    }),
    depthwise([1, 5, 1, 64], 1, [5, 1], { valid: true }),
    depthwise([1, 21, 1, 40], 1, [21, 1], { valid: true }),
    ...[2, 3, 4].map((step) => depthwise([1, 12, 11, 8], 1, square(3), { dilation: [step, step] })),
    depthwise([1, 12, 11, 8], 1, square(3), { stride: [3, 3] }),
    depthwise([1, 12, 11, 8], 1, square(3), { stride: [1, 2] }),
    depthwise([1, 12, 11, 8], 1, square(5), { dilation: [2, 2] }),
    depthwise([1, 12, 11, 4], 2, square(3), { dilation: [2, 2] }),
    depthwise([2, 6, 5, 8], 1, square(3)),
    depthwise([2, 6, 5, 4], 4, square(3)),
    depthwise([1, 3, 3, 128], 1, square(3)),
    depthwise([1, 48, 48, 4], 1, square(3), { stride: [2, 2] }),
    depthwise([1, 7, 7, 32], 1, square(7), { valid: true }),
  ];
}

function denseLayers(): readonly Layer[] {
  return [
    ...[1, 3, 7, 16, 17, 63, 64, 100, 257, 640].flatMap((inputs) => [
      dense(inputs, 10),
      dense(inputs, 32),
    ]),
    ...[1, 2, 3, 4, 5, 8, 17, 129].map((outputs) => dense(64, outputs)),
    ...[2, 3, 8].flatMap((rows) => [dense(64, 10, rows), dense(17, 9, rows)]),
    dense(1024, 1),
    dense(2000, 4),
  ];
}

function pools(): readonly Layer[] {
  return ['average_pool2d', 'max_pool2d'].flatMap((op) => [
    ...[1, 3, 4, 8, 17, 64].flatMap((c) => [
      pool(op, [1, 8, 8, c], square(2), { stride: [2, 2] }),
      pool(op, [1, 8, 8, c], square(8), { stride: [8, 8], valid: true }),
    ]),
    ...[3, 5, 7].map((side) => pool(op, [1, 14, 14, 8], square(side), { stride: [2, 2] })),
    pool(op, [1, 10, 9, 8], square(3)),
    pool(op, [1, 10, 9, 8], square(3), { stride: [3, 3] }),
    pool(op, [1, 25, 5, 16], [25, 5], { valid: true }),
    ...lines(4).map((kernel) => pool(op, [1, 16, 16, 8], kernel, { stride: kernel })),
    pool(op, [2, 8, 8, 8], square(2), { stride: [2, 2] }),
  ]);
}

const shapes: readonly Shape[] = [
  ...[1, 2, 3, 4, 8, 17, 64].map((c) => [1, 8, 7, c]),
  ...[64, 257, 1000].map((c) => [1, c]),
  ...[
    [1, 1, 1, 96],
    [2, 5, 5, 12],
    [1, 48, 48, 1],
  ],
];

function elementwise(): readonly Layer[] {
  const kinds: readonly (readonly [op: string, attrs: Attrs])[] = [
    ...['relu', 'relu_n1_to_1', 'hard_swish'].map((op) => [op, {}] as const),
    ['relu6', { algorithm: 'clamp' }],
    ['leaky_relu', { alpha: 0.1, algorithm: 'magnitude' }],
    ['logistic', { algorithm: 'fixed' }],
    ['tanh', { algorithm: 'fixed' }],
    ['quantize', { algorithm: 'scalar' }],
  ];
  return kinds.flatMap(([op, attrs]) => shapes.map((shape) => plain(op, [shape], attrs)));
}

/** Further functions of one element, which are look-ups too. */
function lookups(): readonly Layer[] {
  const kinds: readonly (readonly [op: string, attrs: Attrs])[] = [
    ...['abs', 'exp', 'log', 'neg', 'relu_0_to_1', 'rsqrt', 'sqrt'].map((op) => [op, {}] as const),
    ['elu', { algorithm: 'expm1' }],
    ['gelu', { approximate: false }],
  ];
  return kinds.flatMap(([op, attrs]) =>
    [
      [1, 64],
      [1, 8, 7, 17],
    ].map((shape) => plain(op, [shape], attrs)),
  );
}

function softmaxes(): readonly Layer[] {
  const attrs = { beta: 1, algorithm: 'fixed' };
  const wide = [2, 3, 4, 5, 10, 12, 35, 100, 257, 1000].map((classes) => [1, classes]);
  return [...wide, [16, 4], [1, 6, 6, 2], [1, 6, 6, 21]].map((shape) =>
    plain('softmax', [shape], attrs),
  );
}

/** Other functions of whole rows. */
function rows(): readonly Layer[] {
  return [
    [1, 10],
    [1, 257],
    [1, 6, 6, 21],
  ].flatMap((shape) => [
    plain('l2_normalization', [shape]),
    plain('log_softmax', [shape], { algorithm: 'fixed' }),
  ]);
}

function binaries(): readonly Layer[] {
  return ['add', 'sub', 'mul'].flatMap((op) => {
    const attrs = { activation: 'none' };
    return [
      ...shapes.map((shape) => plain(op, [shape, shape], attrs)),
      ...[1, 3, 4, 8, 17, 64].flatMap((c) => [
        plain(op, [[1, 8, 7, c], [c]], attrs),
        plain(
          op,
          [
            [1, 8, 7, c],
            [1, 8, 7, 1],
          ],
          attrs,
        ),
      ]),
      plain(op, [[1, 8, 7, 16], [1]], attrs),
      plain(
        op,
        [
          [1, 1, 7, 16],
          [1, 8, 1, 16],
        ],
        attrs,
      ),
    ];
  });
}

/** Functions of two elements, of which the second may repeat. */
function pairs(): readonly Layer[] {
  const kinds: readonly (readonly [op: string, attrs: Attrs])[] = [
    ...['maximum', 'minimum', 'prelu'].map((op) => [op, {}] as const),
    ['div', { activation: 'none' }],
    ['squared_difference', {}],
  ];
  return kinds.flatMap(([op, attrs]) => [
    ...[
      [1, 64],
      [1, 8, 7, 3],
      [1, 8, 7, 16],
    ].map((shape) => plain(op, [shape, shape], attrs)),
    ...[3, 16].map((c) => plain(op, [[1, 8, 7, c], [c]], attrs)),
  ]);
}

function products(): readonly Layer[] {
  const multiply = (a: Shape, b: Shape, transposeB: boolean) =>
    plain('batch_matmul', [a, b], { transposeA: false, transposeB });
  return [
    multiply([1, 8, 16], [1, 16, 8], false),
    multiply([1, 16, 32], [1, 16, 32], true),
    multiply([4, 7, 9], [4, 9, 5], false),
  ];
}

function means(): readonly Layer[] {
  const over = (shape: Shape, axes: readonly number[], keepDims = false) =>
    plain('mean', [shape], { axes, keepDims, algorithm: 'general' });
  return [
    ...[1, 3, 4, 8, 17, 64].map((c) => over([1, 8, 7, c], [1, 2])),
    over([1, 8, 7, 16], [1]),
    over([1, 8, 7, 16], [2]),
    over([1, 8, 7, 16], [3], true),
    over([1, 8, 7, 16], [1, 2, 3]),
    over([2, 5, 5, 12], [1, 2], true),
    over([1, 257], [1]),
    over([1, 25, 5, 64], [1, 2]),
  ];
}

function reductions(): readonly Layer[] {
  const kinds: readonly (readonly [op: string, attrs: Attrs])[] = [
    ['reduce_max', {}],
    ['reduce_min', {}],
    ['reduce_sum', { algorithm: 'fixed' }],
  ];
  return kinds.flatMap(([op, attrs]) =>
    [[1, 2], [3]].flatMap((axes) =>
      [
        [1, 8, 7, 3],
        [1, 8, 7, 16],
      ].map((shape) => plain(op, [shape], { axes, keepDims: false, ...attrs })),
    ),
  );
}

/** Movements by blocks, copies of a whole, and new dimensions. */
function arrangements(): readonly Layer[] {
  const to = (output: Shape, centers: boolean): Layer => ({
    ...plain('resize_bilinear', [[1, 8, 7, output[3] ?? 1]], {
      alignCorners: false,
      halfPixelCenters: centers,
    }),
    outputs: [output],
  });
  return [
    ...[4, 12].flatMap((c) => {
      const shape = [1, 8, 6, c];
      return [
        plain('depth_to_space', [shape], { block: 2 }),
        plain('space_to_depth', [shape], { block: 2 }),
        plain('space_to_batch_nd', [shape], { block: [2, 2], pads: [0, 0, 0, 0] }),
        plain('batch_to_space_nd', [[4, 4, 3, c]], { block: [2, 2], crops: [0, 0, 0, 0] }),
        plain('mirror_pad', [shape], { pads: [0, 0, 1, 1, 1, 1, 0, 0], mode: 'reflect' }),
        plain('tile', [shape], { multiples: [1, 2, 2, 1] }),
        plain('broadcast_to', [[1, 8, 1, c]], { shape: [1, 8, 6, c] }),
        plain('pack', [shape, shape], { axis: 3 }),
        plain('pack', [shape, shape], { axis: 0 }),
        { ...plain('unpack', [[1, 8, c, 2]], { axis: 3 }), outputs: [[], []] },
      ];
    }),
    ...[1, 3, 16].flatMap((c) => [to([1, 16, 14, c], false), to([1, 16, 14, c], true)]),
  ];
}

function movements(): readonly Layer[] {
  const join = (inputs: readonly Shape[], axis: number) =>
    plain('concatenation', inputs, { axis, activation: 'none' });
  const pads = (shape: Shape, amounts: readonly number[]) =>
    plain('pad', [shape], { pads: amounts });
  const turn = (shape: Shape, perm: readonly number[]) => plain('transpose', [shape], { perm });
  const slice = (shape: Shape, begin: Shape, strides: Shape, taken: Shape) =>
    plain('strided_slice', [shape], { begin, strides, counts: taken, shape: taken });
  const resize = (shape: Shape, output: Shape, centers = false): Layer => ({
    ...plain('resize_nearest_neighbor', [shape], {
      alignCorners: false,
      halfPixelCenters: centers,
    }),
    outputs: [output],
  });
  const parts = (shape: Shape, axis: number, count: number): Layer => ({
    ...plain('split', [shape], { axis, count }),
    outputs: Array.from({ length: count }, () => []),
  });
  return [
    ...[1, 2, 3, 4, 8, 17, 64].flatMap((c) => {
      const shape = [1, 8, 7, c];
      return [
        join([shape, shape], 3),
        join([shape, shape], 1),
        pads(shape, [0, 0, 1, 1, 1, 1, 0, 0]),
        turn(shape, [0, 3, 1, 2]),
        turn(shape, [0, 2, 1, 3]),
        slice(shape, [0, 1, 1, 0], [1, 1, 1, 1], [1, 6, 5, c]),
        slice(shape, [0, 0, 0, 0], [1, 2, 2, 1], [1, 4, 4, c]),
        resize(shape, [1, 16, 14, c]),
        ...(c % 2 === 0 ? [parts(shape, 3, 2)] : []),
        parts(shape, 1, 2),
      ];
    }),
    join(
      [
        [1, 100],
        [1, 3],
        [1, 57],
      ],
      1,
    ),
    join(
      [
        [1, 4, 10, 8],
        [1, 1, 10, 8],
      ],
      1,
    ),
    pads([1, 8, 7, 5], [0, 0, 0, 0, 0, 0, 0, 3]),
    pads([1, 30, 8], [0, 0, 2, 0, 0, 0]),
    turn([17, 31], [1, 0]),
    turn([4, 6, 8], [2, 1, 0]),
    slice([1, 8, 7, 16], [0, 0, 0, 0], [1, 1, 1, 2], [1, 8, 7, 8]),
    slice([1, 8, 7, 16], [0, 7, 0, 0], [1, -1, 1, 1], [1, 8, 7, 16]),
    slice([1, 30, 8], [0, 2, 0], [1, 1, 1], [1, 28, 8]),
    resize([1, 5, 5, 8], [1, 9, 7, 8], true),
    resize([1, 16, 14, 8], [1, 5, 5, 8]),
    parts([1, 257, 3], 2, 3),
  ];
}

/** int16 by int8. */
function wideLayers(): readonly Layer[] {
  return [
    ...[1, 4, 16].flatMap((outC) => [
      conv([1, 8, 7, 16], outC, square(1)),
      conv([1, 8, 7, 8], outC, square(3)),
      conv([1, 8, 7, 3], outC, square(3), { stride: [2, 2] }),
    ]),
    ...[3, 16].map((c) => depthwise([1, 8, 7, c], 1, square(3))),
    depthwise([1, 30, 1, 16], 1, [9, 1], { valid: true }),
    ...[10, 64].flatMap((outputs) => [dense(64, outputs), dense(257, outputs)]),
  ].map((layer): Layer => ({ ...layer, dtype: 'int16' }));
}

/** All layers. Reshapes are left out, since they take no time. */
export function operatorGrid(): readonly Layer[] {
  return [
    ...convolutions(),
    ...depthwiseConvolutions(),
    ...denseLayers(),
    ...pools(),
    ...elementwise(),
    ...lookups(),
    ...softmaxes(),
    ...rows(),
    ...binaries(),
    ...pairs(),
    ...products(),
    ...means(),
    ...reductions(),
    ...movements(),
    ...arrangements(),
    ...wideLayers(),
  ];
}
