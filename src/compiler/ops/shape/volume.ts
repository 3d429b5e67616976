/**
 * Convolutions over volumes, [batch, depth, height, width, channels], of float32.
 *
 * Along an axis each output reads some inputs, and multiplies each by a tap of the kernel. Of a
 * convolution, input i and tap k fit output o where i = o · stride + k · dilation − pad; of a
 * transposed one where o = i · stride + k · dilation − pad. In both the inputs are in arithmetic
 * progression, and so are their taps.
 */
import { elementCount, type NodeView, type Shape } from '../../ir/graph.js';
import type { Activation } from '../arithmetic/quant.js';
import { checkReal, realSum } from '../arithmetic/real.js';
import { inputOf, outputOf, requireTypes } from './operands.js';

export interface VolumeAttrs {
  readonly activation: Activation;
  /** Of depth, height and width, and so are all others. */
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
}

/** What an output reads: `count` inputs from `index` on, the first of them by `tap`. */
export interface Readings {
  readonly index: number;
  readonly tap: number;
  readonly count: number;
}

export interface VolumeAxis {
  readonly input: number;
  readonly kernel: number;
  /** From an input that an output reads to the next one, and from tap to tap. */
  readonly indexStep: number;
  readonly tapStep: number;
  readonly outputs: readonly Readings[];
}

/** Extents along an axis, and how the kernel moves. */
export interface VolumeWindow {
  readonly input: number;
  readonly kernel: number;
  readonly output: number;
  readonly stride: number;
  readonly dilation: number;
  readonly pad: number;
}

/** Weights in the order of the file. */
export interface VolumeFilters {
  readonly channels: number;
  /** Inputs of a tap. */
  readonly depth: number;
  /** Index of the weight of input i at a tap, counted over all three axes. */
  position(channel: number, tap: number, i: number): number;
}

const nothing: Readings = { index: 0, tap: 0, count: 0 };

export function forwardAxis(window: VolumeWindow): VolumeAxis {
  const { input, kernel, output, stride, dilation, pad } = window;
  const outputs = Array.from({ length: output }, (_, o): Readings => {
    const start = o * stride - pad;
    const tap = Math.max(0, Math.ceil(-start / dilation));
    const end = Math.min(kernel, Math.ceil((input - start) / dilation));
    return end > tap ? { index: start + tap * dilation, tap, count: end - tap } : nothing;
  });
  return { input, kernel, indexStep: dilation, tapStep: 1, outputs };
}

export function transposedAxis(window: VolumeWindow): VolumeAxis {
  const { input, kernel, output, stride, dilation, pad } = window;
  const common = commonDivisor(stride, dilation);
  const indexStep = dilation / common;
  const tapStep = -stride / common;
  const outputs = Array.from({ length: output }, (_, o): Readings => {
    const tapOf = (index: number) => (o + pad - index * stride) / dilation;
    const isRead = (index: number) => {
      const tap = tapOf(index);
      return Number.isInteger(tap) && tap >= 0 && tap < kernel;
    };
    let index = 0;
    while (index < input && !isRead(index)) index++;
    if (index >= input) return nothing;
    const tap = tapOf(index);
    // Taps fall to 0, inputs rise to the last.
    const count = Math.min(Math.floor(tap / -tapStep), Math.floor((input - 1 - index) / indexStep));
    return { index, tap, count: count + 1 };
  });
  return { input, kernel, indexStep, tapStep, outputs };
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}

export function volumeMacs(
  view: NodeView<object>,
  axes: readonly VolumeAxis[],
  { channels, depth }: VolumeFilters,
): number {
  const [batches = 1] = inputOf(view, 0).shape;
  return axes.reduce(
    (product, { outputs }) => product * outputs.reduce((sum, { count }) => sum + count, 0),
    batches * channels * depth,
  );
}

/** Refuses what the two operators, which TFLite has of float32, do not compute. @throws BonsaiError */
export function checkVolume(view: NodeView<object>, { channels }: VolumeFilters): void {
  requireTypes(view, ['float32']);
  checkReal(view, channels);
}

/** Five extents, and three for each of the lists, which are 1 or more. */
export function isVolume(input: Shape, weights: Shape, ...lists: readonly Shape[]): boolean {
  return (
    input.length === 5 &&
    weights.length === 5 &&
    lists.every((list) => list.length === 3) &&
    [input, weights, ...lists].flat().every((extent) => Number.isInteger(extent) && extent >= 1)
  );
}

/**
 * Inputs in their order, of each its channels: reference_ops::Conv3D of desktop TFLite adds so, and
 * so does Conv3DTranspose for each output.
 */
export function volumeSums(
  view: NodeView<VolumeAttrs>,
  axes: readonly VolumeAxis[],
  { channels, depth, position }: VolumeFilters,
  x: Float32Array,
): Float32Array {
  const [planes, rows, columns] = axes as [VolumeAxis, VolumeAxis, VolumeAxis];
  const weights = inputOf(view, 1).data as Float32Array;
  const { add, finish } = realSum(view);
  const output = new Float32Array(elementCount(outputOf(view).shape));
  const [batches = 1] = inputOf(view, 0).shape;
  let out = 0;
  for (let n = 0; n < batches; n++) {
    for (const plane of planes.outputs) {
      for (const row of rows.outputs) {
        for (const column of columns.outputs) {
          const places = placesOf(axes, [plane, row, column], n);
          for (let channel = 0; channel < channels; channel++) {
            let sum = 0;
            for (const { pixel, tap } of places) {
              for (let i = 0; i < depth; i++) {
                const weight = weights[position(channel, tap, i)] as number;
                sum = add(sum, x[pixel * depth + i] as number, weight);
              }
            }
            output[out++] = finish(sum, channel);
          }
        }
      }
    }
  }
  return output;
}

/** The pixels that an output reads, and the taps by which it multiplies them. */
function placesOf(axes: readonly VolumeAxis[], readings: readonly Readings[], batch: number) {
  return axes.reduce(
    (places, { input, kernel, indexStep, tapStep }, d) => {
      const { index, tap, count } = readings[d] as Readings;
      return places.flatMap((place) =>
        Array.from({ length: count }, (_, i) => ({
          pixel: place.pixel * input + index + i * indexStep,
          tap: place.tap * kernel + tap + i * tapStep,
        })),
      );
    },
    [{ pixel: batch, tap: 0 }],
  );
}
