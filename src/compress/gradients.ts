/**
 * Gradient kernels that TensorFlow.js's WebAssembly backend lacks: the filters of convolutions, and
 * filters and input of depthwise convolutions. Its own kernel for maxima loses those of 0 and below.
 * Definitions: the backward passes in tfjs-core/src/gradients; tests compare them with differences
 * of the forward pass.
 */
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type * as tfjs from '@tensorflow/tfjs-core';
import type { KernelFunc, NamedAttrMap, TensorInfo } from '@tensorflow/tfjs-core';

type Tf = typeof tfjs;

const backendName = 'wasm';

/** Registers the kernels; more than once changes nothing. */
export function installGradientKernels(tf: Tf): void {
  const kernels: Readonly<Record<string, KernelFunc>> = {
    Conv2DBackpropFilter: convolutionFilter(tf),
    DepthwiseConv2dNativeBackpropFilter: depthwiseFilter(tf),
    DepthwiseConv2dNativeBackpropInput: depthwiseInput(tf),
    MaxPoolGrad: maxPoolInput(tf),
  };
  for (const [kernelName, kernelFunc] of Object.entries(kernels)) {
    if (tf.getKernel(kernelName, backendName)) tf.unregisterKernel(kernelName, backendName);
    tf.registerKernel({ kernelName, backendName, kernelFunc });
  }
}

type Info = ReturnType<Tf['backend_util']['computeConv2DInfo']>;
type Extents = [number, number, number, number];

interface WindowAttrs extends NamedAttrMap {
  readonly strides: [number, number];
  readonly dilations: [number, number];
  readonly pad: 'same' | 'valid';
  readonly dimRoundingMode: 'floor' | 'round' | 'ceil';
  readonly filterShape: Extents;
  readonly inputShape: Extents;
  readonly filterSize: [number, number];
}

interface Call {
  readonly inputs: Readonly<Record<string, TensorInfo>>;
  readonly backend: BackendWasm;
  readonly attrs: WindowAttrs;
}

const kernel = (run: (call: Call) => TensorInfo): KernelFunc => run as unknown as KernelFunc;

/** Elements in the memory of WebAssembly. Making a tensor may move that memory: read them after. */
const elements = (backend: BackendWasm, tensor: TensorInfo) =>
  backend.typedArrayFromHeap(tensor) as Float32Array;

const reshaped = ({ dataId, dtype }: TensorInfo, shape: number[]): TensorInfo => ({
  dataId,
  dtype,
  shape,
});

/** columnsᵀ · dy, where a column has the input elements under one tap for every output pixel. */
function convolutionFilter(tf: Tf): KernelFunc {
  return kernel(({ inputs, backend, attrs }) => {
    const { x, dy } = inputs as { x: TensorInfo; dy: TensorInfo };
    const { strides, pad, dimRoundingMode, filterShape } = attrs;
    const shape = x.shape as Extents;
    const { computeConv2DInfo } = tf.backend_util;
    const info = computeConv2DInfo(shape, filterShape, strides, 1, pad, dimRoundingMode);
    const pixels = info.batchSize * info.outHeight * info.outWidth;
    const taps = info.filterHeight * info.filterWidth * info.inChannels;
    const isPointwise = taps === info.inChannels && pixels === x.shape.slice(0, 3).reduce(product);
    const columns = isPointwise ? x : columnsOf(backend, x, info, pixels * taps);
    const multiply = tf.getKernel('BatchMatMul', backendName).kernelFunc;
    const gradient = multiply({
      inputs: {
        a: reshaped(columns, [1, pixels, taps]),
        b: reshaped(dy, [1, pixels, info.outChannels]),
      },
      backend,
      attrs: { transposeA: true, transposeB: false },
    }) as TensorInfo;
    if (!isPointwise) backend.disposeData(columns.dataId);
    return reshaped(gradient, filterShape);
  });
}

const product = (a: number, b: number) => a * b;

function columnsOf(backend: BackendWasm, x: TensorInfo, info: Info, count: number): TensorInfo {
  const columns = backend.makeOutput([count], 'float32');
  const [from, to] = [elements(backend, x), elements(backend, columns)];
  const { inHeight, inWidth, inChannels, filterHeight, filterWidth } = info;
  let at = 0;
  forEachPixel(info, (n, top, left) => {
    for (let ky = 0; ky < filterHeight; ky += 1) {
      for (let kx = 0; kx < filterWidth; kx += 1) {
        const [y, column] = [top + ky, left + kx];
        if (y < 0 || y >= inHeight || column < 0 || column >= inWidth) {
          to.fill(0, at, at + inChannels);
        } else {
          const first = ((n * inHeight + y) * inWidth + column) * inChannels;
          to.set(from.subarray(first, first + inChannels), at);
        }
        at += inChannels;
      }
    }
  });
  return columns;
}

/** Calls `visit` with the input position of the window of each output pixel, in their order. */
function forEachPixel(info: Info, visit: (n: number, top: number, left: number) => void): void {
  const { batchSize, outHeight, outWidth, strideHeight, strideWidth, padInfo } = info;
  for (let n = 0; n < batchSize; n += 1) {
    for (let oy = 0; oy < outHeight; oy += 1) {
      for (let ox = 0; ox < outWidth; ox += 1) {
        visit(n, oy * strideHeight - padInfo.top, ox * strideWidth - padInfo.left);
      }
    }
  }
}

function depthwiseFilter(tf: Tf): KernelFunc {
  return kernel(({ inputs, backend, attrs }) => {
    const { x, dy } = inputs as { x: TensorInfo; dy: TensorInfo };
    const info = depthwiseInfo(tf, x.shape as Extents, attrs.filterShape, attrs);
    const gradient = backend.makeOutput(attrs.filterShape, 'float32');
    const [from, by] = [elements(backend, x), elements(backend, dy)];
    const to = elements(backend, gradient).fill(0);
    forEachTap(info, (input, filter, output) => {
      for (let c = 0; c < info.outChannels; c += 1) {
        const value = from[input + Math.trunc(c / info.multiplier)] as number;
        to[filter + c] = (to[filter + c] as number) + value * (by[output + c] as number);
      }
    });
    return gradient;
  });
}

function depthwiseInput(tf: Tf): KernelFunc {
  return kernel(({ inputs, backend, attrs }) => {
    const { dy, filter } = inputs as { dy: TensorInfo; filter: TensorInfo };
    const info = depthwiseInfo(tf, attrs.inputShape, filter.shape as Extents, attrs);
    const gradient = backend.makeOutput(attrs.inputShape, 'float32');
    const [weights, by] = [elements(backend, filter), elements(backend, dy)];
    const to = elements(backend, gradient).fill(0);
    forEachTap(info, (input, tap, output) => {
      for (let c = 0; c < info.outChannels; c += 1) {
        const at = input + Math.trunc(c / info.multiplier);
        to[at] = (to[at] as number) + (weights[tap + c] as number) * (by[output + c] as number);
      }
    });
    return gradient;
  });
}

/** A window's gradient goes to its first maximum. */
function maxPoolInput(tf: Tf): KernelFunc {
  return kernel(({ inputs, backend, attrs }) => {
    const { dy, input } = inputs as { dy: TensorInfo; input: TensorInfo };
    const { filterSize, strides, pad, dimRoundingMode } = attrs;
    const shape = input.shape as Extents;
    const { computePool2DInfo } = tf.backend_util;
    const info = computePool2DInfo(shape, filterSize, strides, 1, pad, dimRoundingMode);
    const gradient = backend.makeOutput(shape, 'float32');
    const [from, by] = [elements(backend, input), elements(backend, dy)];
    const to = elements(backend, gradient).fill(0);
    const { outChannels } = info;
    const largest = new Int32Array(by.length).fill(-1);
    forEachTap({ ...info, multiplier: 1 }, (first, _, output) => {
      for (let c = 0; c < outChannels; c += 1) {
        const best = largest[output + c] as number;
        if (best < 0 || (from[first + c] as number) > (from[best] as number)) {
          largest[output + c] = first + c;
        }
      }
    });
    largest.forEach((at, output) => {
      to[at] = (to[at] as number) + (by[output] as number);
    });
    return gradient;
  });
}

type DepthwiseInfo = Info & { readonly multiplier: number };

function depthwiseInfo(tf: Tf, input: Extents, filter: Extents, attrs: WindowAttrs): DepthwiseInfo {
  const { strides, dilations, pad, dimRoundingMode } = attrs;
  const { computeConv2DInfo } = tf.backend_util;
  const info = computeConv2DInfo(input, filter, strides, dilations, pad, dimRoundingMode, true);
  return { ...info, multiplier: info.outChannels / info.inChannels };
}

/** Calls `visit` with the first elements of input, filter and output of each tap inside the image. */
function forEachTap(
  info: DepthwiseInfo,
  visit: (input: number, filter: number, output: number) => void,
): void {
  const { inHeight, inWidth, inChannels, outChannels, filterHeight, filterWidth } = info;
  let output = 0;
  forEachPixel(info, (n, top, left) => {
    for (let ky = 0; ky < filterHeight; ky += 1) {
      for (let kx = 0; kx < filterWidth; kx += 1) {
        const [y, x] = [top + ky * info.dilationHeight, left + kx * info.dilationWidth];
        if (y < 0 || y >= inHeight || x < 0 || x >= inWidth) continue;
        const input = ((n * inHeight + y) * inWidth + x) * inChannels;
        visit(input, (ky * filterWidth + kx) * outChannels, output);
      }
    }
    output += outChannels;
  });
}
