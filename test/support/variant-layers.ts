/** Layers of which the rows of variant-rows.ts are made. */
import type { Attrs, TensorId } from '../../src/compiler/ir/graph.js';
import { GraphBuilder, perTensorQuant, Random } from './module.js';

export const window = {
  ...{ strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 },
  ...{ padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 },
  activation: 'none',
};
export const pads = { padTop: 1, padBottom: 1, padLeft: 1, padRight: 1 };
export const { dilationH: _h, dilationW: _w, ...poolWindow } = window;
export const twice = { strideH: 2, strideW: 2, padTop: 0, padLeft: 0 };
export const probabilities = perTensorQuant(1 / 256, -128);

/** Adds nodes that are all computed by the row's template; returns the outputs. */
export type Fill = (b: Layers) => TensorId | TensorId[];

export class Layers extends GraphBuilder {
  private readonly random = new Random(1);

  /** @param weight by its index; default: any */
  conv2d(
    x: TensorId,
    [outC, kh, kw]: readonly [number, number, number],
    attrs: Attrs,
    weight?: (i: number) => number,
  ): TensorId {
    const [, , , c = 1] = this.shape(x);
    const shape = [outC, kh, kw, c];
    return this.accumulate('conv2d', x, shape, outC, { ...window, ...attrs }, -128, weight);
  }

  depthwise(x: TensorId, outC: number, attrs: Attrs, leastWeight = -128): TensorId {
    const [, , , c = 1] = this.shape(x);
    const depthMultiplier = outC / c;
    const all = { ...window, depthMultiplier, ...attrs };
    return this.accumulate('depthwise_conv2d', x, [1, 3, 3, outC], outC, all, leastWeight);
  }

  /** Doubles rows and columns. */
  transposed(x: TensorId, weights: number[], size: number[]): TensorId {
    const attrs = { ...twice, size, activation: 'none' };
    return this.accumulate('transpose_conv', x, weights, weights[0] ?? 1, attrs);
  }

  dense(x: TensorId, outputs: number, weight?: (i: number) => number): TensorId {
    const [, depth = 1] = this.shape(x);
    const attrs = { activation: 'none' };
    return this.accumulate('fully_connected', x, [outputs, depth], outputs, attrs, -128, weight);
  }

  private accumulate(
    op: string,
    x: TensorId,
    shape: number[],
    channels: number,
    attrs: Attrs,
    leastWeight = -128,
    weight?: (i: number) => number,
  ) {
    const count = shape.reduce((product, extent) => product * extent, 1);
    const any = this.random.int8(count, leastWeight);
    const data = weight === undefined ? any : any.map((_, i) => weight(i));
    const weights = this.constant(data, shape, perTensorQuant(0.02, 0));
    const bias = this.constant(this.random.int32(channels, -999, 999));
    return this.node(op, [x, weights, bias], { rounding: 'double', ...attrs });
  }
}

/** A layer of two cells; a large scale of weights makes sums of int16 64 bits wide. */
export function lstmOf(b: Layers, dtype: 'int8' | 'int16', scale = 0.01): TensorId {
  const isWide = dtype === 'int16';
  const quant = perTensorQuant(isWide ? 1 / 32768 : 1 / 128, 0);
  const hidden = b.state(isWide ? new Int16Array(2) : new Int8Array(2), [1, 2], quant);
  const cell = b.state(new Int16Array(2), [1, 2], perTensorQuant(2 ** -12, 0));
  const weights = (columns: number) => () =>
    b.constant(
      Int8Array.from({ length: 2 * columns }, (_, i) => i),
      [2, columns],
      perTensorQuant(scale, 0),
    );
  const inputQuant = isWide ? perTensorQuant(2 ** -12, 0) : undefined;
  const operands = [
    ...[hidden, cell, b.input([1, 4, 3], inputQuant, undefined, dtype)],
    ...[...Array.from({ length: 4 }, weights(3)), ...Array.from({ length: 4 }, weights(2))],
    ...Array.from({ length: 4 }, () =>
      b.constant(isWide ? BigInt64Array.of(5n, 7n) : Int32Array.of(5, 7)),
    ),
  ];
  const attrs = { timeMajor: false, cellClip: 0 };
  const options = { quant, outputs: 3, dtype } as const;
  const [y = 0, next = 0, nextCell = 0] = b.nodeAll('lstm', operands, attrs, options);
  b.changes(hidden, next);
  b.changes(cell, nextCell);
  return y;
}

export function realLstmOf(b: Layers): TensorId {
  const [hidden, cell] = [0, 1].map(() => b.state(new Float32Array(2), [1, 2], null)) as [
    TensorId,
    TensorId,
  ];
  const weights = (columns: number) => () =>
    b.constant(
      Float32Array.from({ length: 2 * columns }, (_, i) => i / 8),
      [2, columns],
      null,
    );
  const operands = [
    ...[hidden, cell, realInput(b, [1, 4, 3])],
    ...[...Array.from({ length: 4 }, weights(3)), ...Array.from({ length: 4 }, weights(2))],
    ...Array.from({ length: 4 }, () => b.constant(Float32Array.of(0.5, 0.75), [2], null)),
  ];
  const attrs = { timeMajor: false, cellClip: 1 };
  const [y = 0, next = 0, nextCell = 0] = b.nodeAll('lstm', operands, attrs, {
    ...real,
    outputs: 3,
  });
  b.changes(hidden, next);
  b.changes(cell, nextCell);
  return y;
}

export const int16 = perTensorQuant(2 ** -12, 0);

/** int16 by int8, with a bias of int64; large weights make sums of 64 bits. */
export function wideLayer(
  b: Layers,
  op: string,
  x: TensorId,
  shape: number[],
  attrs: Attrs,
  channels: number,
): TensorId {
  const weights = new Random(1).int8(
    shape.reduce((a, c) => a * c),
    -127,
    127,
  );
  const filters = b.constant(weights, shape, perTensorQuant(0.01, 0));
  const bias = b.constant(BigInt64Array.from({ length: channels }, (_, i) => BigInt(i)));
  const all = { ...window, rounding: 'double', ...attrs };
  return b.node(op, [x, filters, bias], all, { quant: int16 });
}

export const wideInput = (b: Layers, shape: number[]) => b.input(shape, int16, undefined, 'int16');

export const wideConvolutions = (b: Layers) => {
  const x = wideLayer(b, 'conv2d', wideInput(b, [1, 6, 5, 3]), [6, 3, 3, 3], pads, 6);
  return wideLayer(b, 'conv2d', x, [2, 1, 2, 6], { dilationW: 2 }, 2);
};

export const wideDepthwise = (b: Layers) => {
  const attrs = { ...pads, depthMultiplier: 2 };
  return wideLayer(b, 'depthwise_conv2d', wideInput(b, [1, 6, 5, 3]), [1, 3, 3, 6], attrs, 6);
};

export const real = { dtype: 'float32', quant: null } as const;
export const realInput = (b: Layers, shape: number[]) => b.input(shape, null, 'x', 'float32');

/** A layer of float32 with a bias. */
export function realLayer(
  b: Layers,
  op: string,
  x: TensorId,
  shape: number[],
  attrs: Attrs,
  channels: number,
): TensorId {
  const random = new Random(3);
  const constant = (dims: number[]) => {
    const count = dims.reduce((product, extent) => product * extent, 1);
    return b.constant(random.elements('float32', count), dims, null);
  };
  const all = { ...window, rounding: 'double', ...attrs };
  return b.node(op, [x, constant(shape), constant([channels])], all, real);
}

export function realPool(b: Layers, op: string): TensorId {
  const attrs = { kernelH: 3, kernelW: 3, ...poolWindow, ...pads };
  return b.node(op, [realInput(b, [1, 6, 6, 3])], attrs, real);
}
