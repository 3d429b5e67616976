/** transpose_conv (TRANSPOSE_CONV): NHWC × OHWI, any stride and padding; a deconvolution. */
import { BonsaiError } from '../../errors.js';
import { at, type NodeView, type Shape, type TensorData } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import {
  type AccumulationAttrs,
  accumulatorStarts,
  allocateLike,
  clampBounds,
  finish,
  inputZeroPoint,
  layerTypes,
  outputStage,
  weightsOf,
} from './arithmetic/accumulation.js';
import { checkAccumulation } from './arithmetic/accumulation-checks.js';
import { isReal, type RealSum, realSum } from './arithmetic/real.js';
import { conv2dFilters } from './conv2d.js';
import { inputOf, outputOf } from './shape/operands.js';
import {
  maxPhases,
  phaseCount,
  type TransposedAxis,
  type TransposedWindow,
  transposedAxes,
} from './shape/phases.js';

export interface TransposeConvAttrs extends AccumulationAttrs, TransposedWindow {}

export const transposeConv = {
  name: 'transpose_conv',
  types: layerTypes,
  infer: (view) => [outputShape(view)],
  check(view) {
    // Of int16 inputs TFLM reads the bias as int64.
    checkAccumulation(view, conv2dFilters(view), { wideBiases: ['int64'] });
    const phases = phaseCount(transposedAxes(view));
    if (phases <= maxPhases) return;
    const { strideH, strideW } = view.attrs;
    const message = `has the strides ${strideH} and ${strideW}, and so ${phases} convolutions`;
    const hint = `use strides of at most ${maxPhases} together, or several layers`;
    throw new BonsaiError('too-large', at(view.node), message, hint);
  },
  evaluate,
  macs(view) {
    const [vertical, horizontal] = transposedAxes(view).map(readingsOf);
    const [batches = 1] = inputOf(view, 0).shape;
    const [channels = 1, , , depth = 1] = inputOf(view, 1).shape;
    const taps = (readings: readonly (readonly Reading[])[] = []) => readings.flat().length;
    return batches * taps(vertical) * taps(horizontal) * channels * depth;
  },
  range: (view) => [clampBounds(view)],
  absorbs: { activation: true },
  filters: 'first',
  inPlace: () => [],
} satisfies OpDef<TransposeConvAttrs>;

function outputShape(view: NodeView<TransposeConvAttrs>): Shape {
  const { size, strideH, strideW } = view.attrs;
  const input = inputOf(view, 0).shape;
  const weights = inputOf(view, 1).shape;
  const fits =
    input.length === 4 && weights.length === 4 && weights[3] === input[3] && size.length === 2;
  if (!fits || ![...size, ...weights, strideH, strideW].every((extent) => extent >= 1)) {
    const message = `weights [${weights}] and size [${size}] do not fit input [${input}]`;
    throw new BonsaiError('bad-shape', at(view.node), message, 'convert the model again');
  }
  return [input[0] ?? 1, ...size, weights[0] ?? 1];
}

/** An input and the tap by which an output multiplies it. */
interface Reading {
  readonly index: number;
  readonly tap: number;
}

/** For each output along an axis what it reads, inputs ascending, as the reference adds them. */
function readingsOf({ input, kernel, stride, pad, output }: TransposedAxis) {
  return Array.from({ length: output }, (_, o) => {
    const first = Math.max(0, Math.ceil((o + pad - kernel + 1) / stride));
    const last = Math.min(input - 1, Math.floor((o + pad) / stride));
    return Array.from({ length: Math.max(0, last - first + 1) }, (_, i): Reading => {
      const index = first + i;
      return { index, tap: o + pad - index * stride };
    });
  });
}

/** How a node of integers adds up. */
function integerSum(view: NodeView<TransposeConvAttrs>): RealSum & { readonly starts: Starts } {
  const stage = outputStage(view, inputOf(view, 1).shape[0] ?? 1, 'per-channel');
  const zeroPoint = inputZeroPoint(view);
  return {
    starts: accumulatorStarts(stage),
    add: (sum, x, weight) => sum + (x - zeroPoint) * weight,
    finish: (sum, channel) => finish(stage, sum, channel),
  };
}

type Starts = ReturnType<typeof accumulatorStarts> | null;

/** reference_ops::TransposeConv, of integers and float, adds the same products, input by input. */
function evaluate(
  view: NodeView<TransposeConvAttrs>,
  [input]: readonly (TensorData | null)[],
): readonly TensorData[] {
  const [batches = 1, inH = 1, inW = 1, depth = 1] = inputOf(view, 0).shape;
  const [channels = 1, kernelH = 1, kernelW = 1] = inputOf(view, 1).shape;
  const [rows, columns] = transposedAxes(view).map(readingsOf) as [Reading[][], Reading[][]];
  const { starts, add, finish } = isReal(view)
    ? { starts: null, ...realSum(view) }
    : integerSum(view);
  const weights = weightsOf(view);
  const x = input as Int8Array;
  const output = allocateLike(outputOf(view));
  let out = 0;
  for (let n = 0; n < batches; n++) {
    for (const row of rows) {
      for (const column of columns) {
        for (let channel = 0; channel < channels; channel++) {
          let sum = starts?.[channel] ?? 0;
          for (const { index: iy, tap: ky } of row) {
            for (const { index: ix, tap: kx } of column) {
              const from = ((n * inH + iy) * inW + ix) * depth;
              const w = ((channel * kernelH + ky) * kernelW + kx) * depth;
              for (let c = 0; c < depth; c++) {
                sum = add(sum, x[from + c] as number, weights[w + c] as number);
              }
            }
          }
          output[out++] = finish(sum, channel);
        }
      }
    }
  }
  return [output];
}
