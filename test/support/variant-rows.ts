/** A network for each kernel variant, of nodes that all can be computed by it. */
import type { Module, TensorId } from '../../src/compiler/ir/graph.js';
import { perTensorQuant } from './module.js';
import {
  type Fill,
  Layers,
  lstmOf,
  pads,
  poolWindow,
  probabilities,
  real,
  realInput,
  realLayer,
  realLstmOf,
  realPool,
  twice,
  wideConvolutions,
  wideDepthwise,
  wideInput,
  wideLayer,
} from './variant-layers.js';

/** Two nodes that differ, so that the descriptor shows. */
export const variantRows: Readonly<Record<string, Fill>> = {
  'dsp/conv2d': (b) => {
    const attrs = { strideH: 2, strideW: 2, ...pads };
    const x = b.conv2d(b.input([1, 9, 9, 3]), [8, 3, 3], attrs);
    const column = b.conv2d(b.input([1, 9, 2, 1]), [4, 5, 1], { padTop: 2, padBottom: 2 });
    return [b.conv2d(x, [6, 3, 3], attrs), column];
  },
  'dsp/conv2d_few': (b) => {
    const x = b.conv2d(b.input([1, 9, 9, 4]), [3, 3, 3], { strideH: 2, strideW: 2, ...pads });
    return b.conv2d(x, [1, 3, 2], pads);
  },
  'dsp/depthwise_conv2d': (b) => {
    const x = b.depthwise(b.input([1, 9, 9, 8]), 8, { strideH: 2, strideW: 2, ...pads });
    return b.depthwise(x, 8, { ...pads, rounding: 'single' });
  },
  'dsp/depthwise_conv2d_3x3': (b) => {
    // One rounding: a line is proved.
    const attrs = { ...pads, rounding: 'single' };
    const x = b.depthwise(b.input([1, 9, 9, 8]), 8, { strideH: 2, strideW: 2, ...attrs });
    return b.depthwise(x, 8, attrs);
  },
  'dsp/depthwise_conv2d_taps': (b) => {
    const x = b.depthwise(b.input([1, 9, 9, 3]), 12, { dilationH: 2, dilationW: 2, ...pads });
    return b.depthwise(x, 12, { ...pads, rounding: 'single' });
  },
  'dsp/max_pool2d': (b) => {
    const attrs = { kernelH: 3, kernelW: 3, ...poolWindow, ...pads };
    const x = b.node('max_pool2d', [b.input([1, 6, 6, 10])], attrs);
    return b.node('max_pool2d', [x], { kernelH: 2, kernelW: 2, ...poolWindow });
  },
  'dsp/max_pool2d_rows': (b) => {
    const attrs = { kernelH: 3, kernelW: 3, ...poolWindow, ...pads };
    const x = b.node('max_pool2d', [b.input([1, 6, 6, 10])], attrs);
    return [x, b.node('max_pool2d', [b.input([1, 6, 6, 3])], attrs)];
  },
  'dsp/sparse_conv2d': (b) => {
    const x = b.conv2d(b.input([1, 9, 9, 3]), [8, 3, 3], { strideH: 2, strideW: 2, ...pads });
    return b.conv2d(x, [6, 3, 3], pads);
  },
  'dsp/sparse_conv2d_by4': (b) =>
    b.conv2d(b.conv2d(b.input([1, 9, 9, 3]), [8, 1, 1], {}), [6, 1, 1], {}),
  'dsp/sparse_conv2d_blocks': (b) => b.conv2d(b.input([1, 9, 9, 6]), [6, 1, 1], {}),
  'dsp/sparse_fully_connected': (b) => b.dense(b.dense(b.input([1, 64]), 10), 5),
  'dsp/sparse_fully_connected_blocks': (b) => b.dense(b.input([1, 64]), 10),
  'dsp/fully_connected': (b) => b.dense(b.dense(b.input([1, 64]), 10), 5),
  'dsp/fully_connected_packed': (b) => b.dense(b.dense(b.input([1, 64]), 10), 5),
  'mve/add': (b) => {
    const [x, y] = [b.input([1, 4, 4, 3]), b.input([3], perTensorQuant(0.25, -7))];
    const sum = b.node('add', [x, y], { activation: 'none' });
    return b.node('add', [sum, y], { activation: 'relu' });
  },
  'mve/mean': (b) => {
    const mean = (x: TensorId, axes: number[]) =>
      b.node('mean', [x], { axes, keepDims: false, algorithm: 'general' });
    return mean(mean(b.input([2, 4, 5, 11]), [2]), [1]);
  },
  'mve/depthwise_conv2d_filters': (b) => {
    const x = b.depthwise(b.input([1, 9, 9, 3]), 12, pads);
    return b.depthwise(x, 72, { strideH: 2, strideW: 2, ...pads });
  },
  'mve/mul': (b) => {
    const [x, y] = [b.input([1, 4, 4, 3]), b.input([1, 4, 4, 1], perTensorQuant(0.25, -7))];
    const product = b.node('mul', [x, y], { activation: 'none' });
    return b.node('mul', [product, y], { activation: 'relu' });
  },
  'mve/add_table': (b) => {
    const [x, y] = [b.input([1, 4, 4, 3]), b.input([1, 4, 4, 3], perTensorQuant(0.25, -7))];
    const sum = b.node('add', [x, y], { activation: 'none' });
    return b.node('add', [sum, y], { activation: 'relu' });
  },
  'mve/average_pool2d': (b) => {
    const attrs = { kernelH: 3, kernelW: 3, ...poolWindow, ...pads };
    const x = b.node('average_pool2d', [b.input([1, 6, 6, 11])], attrs);
    return b.node('average_pool2d', [x], { kernelH: 6, kernelW: 6, ...poolWindow });
  },
  'mve/conv2d': (b) => {
    const attrs = { strideH: 2, strideW: 2, ...pads };
    const x = b.conv2d(b.input([1, 9, 9, 3]), [8, 3, 3], attrs);
    return b.conv2d(x, [6, 3, 3], attrs);
  },
  'mve/conv2d_pixels': (b) => {
    const x = b.conv2d(b.input([1, 9, 9, 3]), [2, 3, 3], { strideH: 2, strideW: 2, ...pads });
    return b.conv2d(b.depthwise(x, 4, pads), [1, 1, 1], {});
  },
  'mve/depthwise_conv2d': (b) => {
    const x = b.depthwise(b.input([1, 9, 9, 11]), 11, { strideW: 2, ...pads }, -127);
    return b.depthwise(b.depthwise(x, 11, pads, -127), 22, {}, -127);
  },
  'mve/fully_connected': (b) => b.dense(b.dense(b.input([1, 64]), 10), 5),
  'mve/max_pool2d': (b) => {
    const attrs = { kernelH: 3, kernelW: 3, ...poolWindow, ...pads };
    const x = b.node('max_pool2d', [b.input([1, 6, 6, 19])], attrs);
    return b.node('max_pool2d', [x], { kernelH: 2, kernelW: 2, ...poolWindow });
  },
  'mve/sparse_conv2d': (b) => b.conv2d(b.input([1, 9, 9, 3]), [7, 3, 3], pads),
  'mve/sparse_fully_connected': (b) => b.dense(b.dense(b.input([1, 64]), 10), 5),
  'portable/add': (b) => {
    const [x, y] = [b.input([1, 4, 4, 3]), b.input([1, 4, 4, 3], perTensorQuant(0.25, -7))];
    const sum = b.node('add', [x, y], { activation: 'none' });
    return b.node('add', [sum, y], { activation: 'relu' });
  },
  'portable/add_table': (b) => {
    const [x, y] = [b.input([1, 4, 4, 3]), b.input([1, 4, 4, 3], perTensorQuant(0.25, -7))];
    const sum = b.node('add', [x, y], { activation: 'none' });
    return b.node('sub', [sum, y], { activation: 'relu' });
  },
  'portable/average_pool2d': (b) => {
    const attrs = { kernelH: 3, kernelW: 3, ...poolWindow, ...pads };
    const x = b.node('average_pool2d', [b.input([1, 6, 6, 8])], attrs);
    return b.node('average_pool2d', [x], { kernelH: 6, kernelW: 6, ...poolWindow });
  },
  'portable/batch_matmul': (b) => {
    const attrs = { transposeA: false, transposeB: true };
    const x = b.node('batch_matmul', [b.input([2, 6, 8]), b.input([2, 6, 8])], attrs);
    const wide = [wideInput(b, [2, 6, 8]), wideInput(b, [2, 6, 8])];
    const quant = perTensorQuant(2 ** -8, 0);
    return [
      b.node('batch_matmul', [x, b.input([6, 3])], { ...attrs, transposeB: false }),
      b.node('batch_matmul', wide, attrs, { quant, dtype: 'int16' }),
      b.node('batch_matmul', [realInput(b, [2, 6, 8]), realInput(b, [2, 6, 8])], attrs, real),
    ];
  },
  'portable/conv2d': (b) => {
    const attrs = { strideH: 2, strideW: 2, ...pads };
    const x = b.conv2d(b.input([1, 9, 9, 3]), [8, 3, 3], attrs);
    const y = b.conv2d(x, [8, 3, 3], { ...attrs, activation: 'relu6' });
    return b.conv2d(y, [3, 3, 3], attrs);
  },
  'portable/conv2d_coded': (b) => {
    const few = (i: number) => (i % 30 === 0 ? i % 128 : i % 3 === 0 ? 1 : 0);
    return b.conv2d(b.input([1, 3, 3, 64]), [64, 3, 3], pads, few);
  },
  'portable/conv2d_packed': (b) => {
    const pruned = (i: number) => (i % 5 === 0 ? i % 128 : 0);
    const x = b.conv2d(b.input([1, 9, 9, 4]), [8, 3, 3], { strideH: 2, ...pads }, pruned);
    return b.conv2d(x, [6, 3, 3], {}, pruned);
  },
  'portable/copy': (b) => {
    const x = b.node('pad', [b.input([1, 4, 4, 3])], { pads: [0, 0, 1, 1, 1, 1, 0, 0] });
    const y = b.node('transpose', [x], { perm: [0, 2, 1, 3] });
    const z = b.node('concatenation', [y, x], { axis: 3, activation: 'none' });
    const four = b.input([1, 6, 6, 4]);
    return [z, b.node('concatenation', [four, four], { axis: 3, activation: 'none' })];
  },
  'portable/lstm': (b) => [lstmOf(b, 'int8'), lstmOf(b, 'int16', 40)],
  'portable/lstm_f32': (b) => realLstmOf(b),
  'dsp/lstm': (b) => [lstmOf(b, 'int8'), lstmOf(b, 'int16')],
  'portable/svdf': (b) => {
    const state = b.state(new Int16Array(2 * 2 * 3), [1, 12], perTensorQuant(0.01, 0));
    const place = b.state(new Int32Array(1), [1], null);
    const weights = [
      b.constant(
        Int8Array.from({ length: 20 }, (_, i) => i),
        [4, 5],
        perTensorQuant(0.02, 0),
      ),
      b.constant(
        Int16Array.from({ length: 12 }, (_, i) => i),
        [4, 3],
        perTensorQuant(0.01, 0),
      ),
    ];
    const operands = [state, place, b.input([1, 5]), ...weights, b.constant(Int32Array.of(5, 7))];
    const options = { quant: perTensorQuant(0.5, 3), outputs: 3, dtype: 'int8' } as const;
    const [y = 0, next = 0, nextPlace = 0] = b.nodeAll('svdf', operands, { rank: 2 }, options);
    b.changes(state, next);
    b.changes(place, nextPlace);
    return y;
  },
  'portable/push': (b) => {
    const window = (shape: readonly number[], axis: number, frames: number) => {
      const state = b.state(new Int8Array(shape.reduce((a, c) => a * c)), shape);
      return b.changes(state, b.node('push', [state, b.input(shape.with(axis, frames))], { axis }));
    };
    window([1, 4, 3], 1, 1);
    window([1, 2, 3, 4], 3, 2);
    return b.input([1, 2]);
  },
  'portable/depthwise_conv2d': (b) => {
    const x = b.depthwise(b.input([1, 9, 9, 3]), 3, { strideH: 2, strideW: 2, ...pads });
    return b.depthwise(x, 6, { activation: 'relu6' });
  },
  'portable/depthwise_conv2d_by4': (b) => {
    const x = b.depthwise(b.input([1, 9, 9, 8]), 8, { strideH: 2, strideW: 2, ...pads });
    return b.depthwise(x, 16, { activation: 'relu6' });
  },
  'portable/div': (b) => {
    const attrs = { activation: 'none' };
    const x = b.node('div', [b.input([1, 4, 4, 3]), b.input([4, 1, 3])], attrs);
    return b.node('div', [x, b.constant(Int8Array.of(9), [1], perTensorQuant(0.5, 3))], attrs);
  },
  'portable/squared_difference': (b) => {
    const attrs = { activation: 'none' };
    const quant = perTensorQuant(60, -128);
    const inputs = [b.input([1, 4, 8]), b.input([1, 4, 1])];
    return b.node('squared_difference', inputs, attrs, { quant });
  },
  'xtensa/depthwise_conv2d_3x3': (b) => {
    const x = b.depthwise(b.input([1, 9, 9, 3]), 3, { strideH: 2, strideW: 2, ...pads });
    return b.depthwise(x, 3, { activation: 'relu6' });
  },
  'portable/fully_connected': (b) => b.dense(b.dense(b.input([1, 64]), 10), 3),
  'portable/fully_connected_coded': (b) => {
    const few = (i: number) => (i % 30 === 0 ? i % 128 : i % 7);
    return b.dense(b.dense(b.input([1, 64]), 32, few), 31, few);
  },
  'portable/lookup': (b) => {
    const x = b.node('hard_swish', [b.input([1, 4, 4, 3])]);
    return b.node('logistic', [x], { algorithm: 'fixed' }, { quant: probabilities });
  },
  'portable/max_pool2d': (b) => {
    const attrs = { kernelH: 3, kernelW: 3, ...poolWindow, ...pads };
    const x = b.node('max_pool2d', [b.input([1, 6, 6, 8])], attrs);
    return b.node('max_pool2d', [x], { kernelH: 2, kernelW: 2, ...poolWindow });
  },
  'portable/mean': (b) => {
    const attrs = { keepDims: true, algorithm: 'general' };
    const x = b.node('mean', [b.input([1, 6, 6, 8])], { axes: [3], ...attrs });
    return b.node('mean', [x], { axes: [1, 2], ...attrs });
  },
  'portable/mul': (b) => {
    const [x, y] = [b.input([1, 4, 4, 3]), b.input([1, 1, 1, 3], perTensorQuant(0.25, -7))];
    const product = b.node('mul', [x, y], { activation: 'none' });
    return b.node('mul', [product, y], { activation: 'relu' });
  },
  'portable/gather': (b) => {
    const attrs = { alignCorners: false, halfPixelCenters: false };
    const x = b.node('resize_nearest_neighbor', [b.input([1, 4, 4, 3])], attrs, {
      shapes: [[1, 8, 8, 3]],
    });
    return b.node('resize_nearest_neighbor', [x], attrs, { shapes: [[1, 5, 3, 3]] });
  },
  'portable/maximum': (b) =>
    b.node('maximum', [b.input([1, 4, 4, 3]), b.input([1, 4, 4, 3])], { activation: 'none' }),
  'portable/minimum': (b) =>
    b.node('minimum', [b.input([1, 4, 4, 3]), b.input([1, 4, 1, 3])], { activation: 'none' }),
  'portable/prelu': (b) => {
    const slopes = b.constant(Int8Array.of(-9, 0, 64), [3], perTensorQuant(1 / 128, 0));
    return b.node('prelu', [b.input([1, 4, 4, 3]), slopes], { activation: 'none' });
  },
  'portable/arg_extreme': (b) => {
    const options = { dtype: 'int32', quant: null } as const;
    const most = b.node('arg_extreme', [b.input([4, 9])], { axis: 1, function: 'max' }, options);
    const real = b.input([3, 7, 2], null, 'reals', 'float32');
    return [most, b.node('arg_extreme', [real], { axis: 1, function: 'min' }, options)];
  },
  'portable/l2_normalization': (b) => {
    const quant = perTensorQuant(1 / 128, 0);
    const real = b.input([3, 7], null, 'reals', 'float32');
    return [
      b.node('l2_normalization', [b.input([2, 9])], {}, { quant }),
      b.node('l2_normalization', [real]),
    ];
  },
  'portable/extreme': (b) => {
    const x = b.node('reduce_max', [b.input([1, 6, 6, 8])], { axes: [1], keepDims: false });
    const real = b.node('reduce_max', [b.input([2, 3, 4], null, 'reals', 'float32')], {
      axes: [0, 2],
      keepDims: false,
    });
    return [b.node('reduce_min', [x], { axes: [1, 2], keepDims: true }), real];
  },
  'portable/reduce_sum': (b) => {
    const attrs = { axes: [1, 2], keepDims: true };
    const x = b.node('reduce_sum', [b.input([1, 4, 4, 3])], { ...attrs, algorithm: 'fixed' });
    const real = b.input([2, 3, 4, 3], null, 'reals', 'float32');
    const options = { dtype: 'float32', quant: null } as const;
    return [x, b.node('reduce_sum', [real], { ...attrs, algorithm: 'fixed' }, options)];
  },
  'portable/resize_bilinear': (b) => {
    const attrs = { alignCorners: false, halfPixelCenters: true };
    const shapes = [[1, 8, 8, 3]];
    const wide = { shapes, dtype: 'int16' } as const;
    return [
      b.node('resize_bilinear', [b.input([1, 4, 4, 3])], attrs, { shapes }),
      b.node('resize_bilinear', [wideInput(b, [1, 4, 4, 3])], attrs, wide),
    ];
  },
  'portable/resize_bilinear_f32': (b) => {
    const attrs = { alignCorners: false, halfPixelCenters: true };
    const options = { ...real, shapes: [[1, 8, 8, 3]] };
    return b.node('resize_bilinear', [realInput(b, [1, 4, 4, 3])], attrs, options);
  },
  'portable/softmax': (b) => {
    const attrs = { beta: 1, algorithm: 'fixed' };
    return b.node('softmax', [b.input([1, 10])], attrs, { quant: probabilities });
  },
  'portable/log_softmax': (b) => {
    const quant = perTensorQuant(1 / 16, 127);
    return b.node('log_softmax', [b.input([1, 10])], { algorithm: 'fixed' }, { quant });
  },
  'portable/log_softmax_table': (b) => {
    const quant = perTensorQuant(1 / 16, 127);
    return b.node('log_softmax', [b.input([1, 10])], { algorithm: 'table' }, { quant });
  },
  'portable/log_softmax_f32': (b: Layers) =>
    b.node('log_softmax', [realInput(b, [2, 10])], { algorithm: 'fixed' }),
  'portable/softmax_f32': (b: Layers) => {
    const x = b.node('softmax', [realInput(b, [2, 10])], { beta: 1, algorithm: 'fixed' });
    return b.node('softmax', [x], { beta: 0.5, algorithm: 'fixed' });
  },
  'portable/softmax_table': (b) => {
    const attrs = { beta: 1, algorithm: 'table' };
    const x = b.input([1, 10]);
    const wide = { dtype: 'int16', quant: perTensorQuant(1 / 65536, -32768) } as const;
    return [
      b.node('softmax', [x], attrs, { quant: probabilities }),
      b.node('softmax', [x], attrs, wide),
    ];
  },
  'swar/average_pool2d': (b) => {
    const attrs = { ...poolWindow, kernelH: 3, kernelW: 3 };
    const x = b.node('average_pool2d', [b.input([1, 6, 6, 8])], attrs);
    const y = b.node('average_pool2d', [x], { ...attrs, kernelH: 4, kernelW: 4 });
    return [y, b.node('average_pool2d', [b.input([1, 6, 6, 7])], attrs)];
  },
  'swar/max_pool2d': (b) => {
    const attrs = { kernelH: 3, kernelW: 3, ...poolWindow };
    const x = b.node('max_pool2d', [b.input([1, 8, 8, 4])], { ...attrs, ...pads });
    const column = b.node('max_pool2d', [x], { ...attrs, kernelW: 1, activation: 'relu' });
    return b.node('max_pool2d', [column], { ...attrs, kernelH: 1, strideH: 1 });
  },
  'swar/conv2d': (b) => b.conv2d(b.conv2d(b.input([1, 5, 5, 64]), [16, 1, 1], {}), [10, 1, 1], {}),
  'thumb1/conv2d': (b) => {
    const x = b.conv2d(b.input([1, 9, 9, 4]), [8, 3, 3], { strideH: 2, strideW: 2, ...pads });
    return b.conv2d(x, [6, 1, 1], {});
  },
  'rv32/conv2d': (b) => {
    const x = b.conv2d(b.input([1, 9, 9, 4]), [8, 3, 3], { strideH: 2, strideW: 2, ...pads });
    return b.conv2d(x, [6, 1, 1], {});
  },
  'rv32/depthwise_conv2d': (b) => {
    const x = b.depthwise(b.input([1, 9, 9, 3]), 3, { ...pads, strideH: 2 }, -127);
    return b.depthwise(x, 6, { ...pads, activation: 'relu', strideH: 3 }, -127);
  },
  'rv32/conv2d_pixels': (b) => {
    // 25 pixels are no whole tiles: some outputs go to scratch.
    const x = b.conv2d(b.input([1, 9, 9, 4]), [6, 3, 3], { strideH: 2, strideW: 2, ...pads });
    return b.conv2d(x, [6, 1, 1], {});
  },
  'rv32/sparse_conv2d_pixels': (b) => {
    const x = b.conv2d(b.input([1, 9, 9, 4]), [6, 3, 3], { strideH: 2, strideW: 2, ...pads });
    return b.conv2d(x, [6, 1, 1], {});
  },
  'rv32/fully_connected': (b) => b.dense(b.input([1, 64]), 10),
  'rv32/fully_connected_bytes': (b) => b.dense(b.input([1, 64]), 10),
  'rv32/row': (b) => b.dense(b.input([1, 64]), 10),
  'thumb1/row': (b) => b.dense(b.input([1, 64]), 10),
  'thumb1/row_planes_8': (b) => b.dense(b.input([1, 64]), 10),
  'thumb1/row_planes_7': (b) => b.dense(b.input([1, 64]), 10),
  'thumb1/row_planes_6': (b) => b.dense(b.input([1, 64]), 10),
  'swar/conv2d_pixels': (b) => b.conv2d(b.input([1, 5, 5, 16]), [16, 1, 1], { activation: 'relu' }),
  'swar/sparse_conv2d_pixels': (b) =>
    b.conv2d(b.input([1, 5, 5, 16]), [16, 3, 3], { ...pads, activation: 'relu' }),
  'swar/sparse_fully_connected': (b) => b.dense(b.dense(b.input([1, 64]), 10), 5),
  'thumb1/fully_connected': (b) =>
    b.dense(
      b.dense(b.input([1, 64]), 4, (i) => i & 63),
      2,
      (i) => i,
    ),
  'thumb1/depthwise_conv2d_pairs': (b) => {
    const x = b.depthwise(b.input([1, 9, 9, 5]), 5, { ...pads, strideH: 2, strideW: 2 }, -127);
    return b.depthwise(x, 5, { activation: 'relu' }, -127);
  },
  'thumb1/depthwise_conv2d_windows': (b) => {
    const x = b.depthwise(b.input([1, 9, 9, 5]), 5, { ...pads, strideH: 4, strideW: 4 }, -127);
    return b.depthwise(x, 5, { activation: 'relu' }, -127);
  },
  'thumb1/depthwise_conv2d': (b) => {
    const attrs = { ...pads, activation: 'relu' };
    const x = b.depthwise(b.input([1, 9, 9, 3]), 3, { ...attrs, strideH: 2 }, -127);
    return b.depthwise(x, 3, attrs, -127);
  },
  'portable/conv2d_16x8': wideConvolutions,
  'dsp/conv2d_16x8': wideConvolutions,
  'thumb1/conv2d_16x8': wideConvolutions,
  'mve/conv2d_16x8': wideConvolutions,
  'mve/fully_connected_16x8': (b) => {
    const x = wideLayer(b, 'fully_connected', wideInput(b, [1, 19]), [6, 19], {}, 6);
    return wideLayer(b, 'fully_connected', x, [3, 6], {}, 3);
  },
  'portable/depthwise_conv2d_16x8': wideDepthwise,
  'thumb1/depthwise_conv2d_16x8': wideDepthwise,
  'mve/depthwise_conv2d_16x8': (b) =>
    wideLayer(
      b,
      'depthwise_conv2d',
      wideInput(b, [1, 6, 5, 6]),
      [1, 3, 3, 6],
      { ...pads, depthMultiplier: 1 },
      6,
    ),
  'portable/transpose_conv': (b) => b.transposed(b.input([1, 3, 4, 3]), [5, 3, 3, 3], [6, 8]),
  'portable/conv2d_f32': (b) => {
    const x = realLayer(b, 'conv2d', realInput(b, [1, 6, 5, 3]), [6, 3, 3, 3], pads, 6);
    return realLayer(b, 'conv2d', x, [2, 1, 2, 6], { dilationW: 2, activation: 'relu6' }, 2);
  },
  'portable/transpose_conv_f32': (b) =>
    realLayer(
      b,
      'transpose_conv',
      realInput(b, [1, 3, 4, 3]),
      [6, 3, 3, 3],
      { ...twice, size: [6, 8] },
      6,
    ),
  'portable/conv3d_f32': (b) =>
    realLayer(
      b,
      'conv3d',
      realInput(b, [1, 4, 5, 6, 3]),
      [2, 3, 3, 3, 6],
      { strides: [1, 1, 2], dilations: [2, 1, 1], pads: [0, 0, 1, 1, 0, 1] },
      6,
    ),
  'portable/conv3d_transpose_f32': (b) =>
    realLayer(
      b,
      'conv3d_transpose',
      realInput(b, [1, 2, 3, 4, 3]),
      [2, 2, 3, 6, 3],
      { strides: [1, 2, 2], dilations: [1, 1, 1], pads: [0, 0, 0], size: [3, 6, 9] },
      6,
    ),
  'portable/depthwise_conv2d_f32': (b) => {
    const attrs = { ...pads, depthMultiplier: 2 };
    return realLayer(b, 'depthwise_conv2d', realInput(b, [1, 6, 5, 3]), [1, 3, 3, 6], attrs, 6);
  },
  'portable/average_pool2d_f32': (b) => realPool(b, 'average_pool2d'),
  'portable/l2_pool2d_f32': (b) => realPool(b, 'l2_pool2d'),
  'portable/max_pool2d_f32': (b) => realPool(b, 'max_pool2d'),
  'portable/transpose_conv_16x8': (b) => {
    const attrs = { ...twice, size: [6, 8] };
    return wideLayer(b, 'transpose_conv', wideInput(b, [1, 3, 4, 3]), [6, 3, 3, 3], attrs, 6);
  },
  'portable/rescale': (b) => {
    const attrs = { alpha: 0.25, algorithm: 'magnitude' };
    const x = b.node('leaky_relu', [wideInput(b, [1, 40])], attrs);
    const options = { quant: perTensorQuant(0.1, 3), dtype: 'int8' } as const;
    return b.node('quantize', [x], { algorithm: 'scalar' }, options);
  },
  'portable/quantize': (b) =>
    b.node(
      'quantize',
      [b.input([1, 40], null, undefined, 'float32')],
      { algorithm: 'scalar' },
      {
        quant: perTensorQuant(0.1, 3),
        dtype: 'int8',
      },
    ),
  'portable/plain': (b) => {
    const attrs = { alpha: Math.fround(0.1), algorithm: 'magnitude' };
    const x = b.node('leaky_relu', [realInput(b, [1, 4, 4, 3])], attrs);
    return b.node('exp', [x]);
  },
  'portable/plain_pairs': (b) => {
    const x = realInput(b, [1, 4, 4, 3]);
    const least = b.constant(Float32Array.of(0.5, 1, -2), [3]);
    return b.node('maximum', [b.node('add', [x, x], { activation: 'relu6' }), least], {
      activation: 'none',
    });
  },
  'portable/cumsum': (b) => {
    const attrs = { axis: 1, exclusive: false, reverse: false };
    const x = b.node('cumsum', [b.input([2, 5, 3])], attrs);
    return [x, b.node('cumsum', [realInput(b, [2, 4])], { ...attrs, exclusive: true })];
  },
  'portable/update_slice': (b) => {
    const start = b.input([3], null, undefined, 'int32');
    const x = b.node('dynamic_update_slice', [b.input([4, 5, 3]), b.input([2, 2, 3]), start]);
    return b.node('dynamic_update_slice', [
      x,
      b.input([1, 5, 3]),
      b.constant(Int32Array.of(2, 0, 0)),
    ]);
  },
  'portable/bucketize': (b) => {
    const attrs = { boundaries: [-1.5, 0, 2] };
    return b.node('bucketize', [realInput(b, [2, 5])], attrs, { dtype: 'int32', quant: null });
  },
  'portable/one_hot': (b) => {
    const indices = b.input([2, 3], null, undefined, 'int32');
    const attrs = { axis: 1, depth: 4, on: 127, off: -128 };
    return b.node('one_hot', [indices], attrs, { dtype: 'int8', quant: probabilities });
  },
  'portable/reduce_all': (b) => {
    const x = b.input([2, 5, 3], null, undefined, 'bool');
    return b.node('reduce_all', [x], { axes: [1], keepDims: false });
  },
  'portable/reduce_any': (b) => {
    const x = b.input([2, 5, 3], null, undefined, 'bool');
    return b.node('reduce_any', [x], { axes: [2], keepDims: true });
  },
  'portable/reduce_prod': (b) => {
    const attrs = { axes: [1], keepDims: true };
    const whole = b.input([2, 5, 3], null, undefined, 'int32');
    return ['x', 'y'].map((_, i) =>
      b.node('reduce_prod', [i === 0 ? realInput(b, [2, 5, 3]) : whole], attrs),
    );
  },
  'portable/reverse_sequence': (b) => {
    const lengths = b.input([2], null, undefined, 'int32');
    const attrs = { sequence: 1, batch: 0 };
    const x = b.node('reverse_sequence', [realInput(b, [2, 5, 3]), lengths], attrs);
    return b.node('reverse_sequence', [x, b.constant(Int32Array.of(2, 5))], attrs);
  },
  'portable/topk': (b) => [
    ...b.nodeAll('topk', [b.input([2, 10])], { k: 3 }, { dtypes: ['int8', 'int32'] }),
  ],
  'portable/take_nd': (b) => {
    const vectors = (depth: number) => b.input([6, depth], null, undefined, 'int32');
    const words = b.constant(new Int8Array(40), [5, 2, 4], perTensorQuant(0.5, 0));
    return b.node('take_nd', [b.node('take_nd', [words, vectors(2)]), vectors(1)]);
  },
  'portable/take': (b) => {
    const indices = (count: number) => b.input([count], null, undefined, 'int32');
    const words = b.constant(new Int8Array(40), [10, 4], perTensorQuant(0.5, 0));
    const x = b.node('take', [words, indices(6)], { axis: 0, batchDims: 0 });
    return b.node('take', [x, indices(3)], { axis: 1, batchDims: 0 });
  },
  'portable/select': (b) => {
    const condition = b.input([4, 1], null, undefined, 'bool');
    const all = { dtype: 'float32', quant: null } as const;
    return b.node('select', [condition, realInput(b, [2, 4, 3]), realInput(b, [3])], {}, all);
  },
  'portable/add_n': (b) => b.node('add_n', [b.input([8]), b.input([8]), b.input([8])]),
  'portable/dequantize': (b) =>
    b.node('dequantize', [b.input([1, 40])], {}, { quant: null, dtype: 'float32' }),
  'portable/curve': (b) => {
    const quant = perTensorQuant(2 ** -15, 0);
    const x = b.node('logistic', [wideInput(b, [1, 40])], { algorithm: 'fixed' }, { quant });
    return b.node('tanh', [x], { algorithm: 'fixed' }, { quant });
  },
  'portable/lines': (b) =>
    b.node('exp', [wideInput(b, [1, 40])], {}, { quant: perTensorQuant(2 ** -12, 0) }),
  'portable/inverse_root': (b) => {
    const quant = perTensorQuant(2 ** -10, 0);
    return b.node('rsqrt', [wideInput(b, [1, 40])], {}, { quant });
  },
  'portable/softmax_lines': (b) => {
    const quant = perTensorQuant(2 ** -15, 0);
    return b.node('softmax', [wideInput(b, [2, 10])], { beta: 1, algorithm: 'fixed' }, { quant });
  },
};

/** The network of a variant's row. */
export function variantModule(fill: Fill): Module {
  const b = new Layers();
  return b.module([fill(b)].flat());
}
