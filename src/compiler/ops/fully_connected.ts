/** fully_connected (FULLY_CONNECTED): rows of the input times weights [out, in]. */
import { BonsaiError } from '../../errors.js';
import { at, elementCount, type NodeView, type Shape, type TensorData } from '../ir/graph.js';
import type { Axis, ChannelBounds, OpDef } from '../ir/op.js';
import {
  type AccumulationAttrs,
  accumulatorStarts,
  allocateLike,
  clampBounds,
  type Filters,
  finish,
  inputOffset,
  layerTypes,
  type OutputStage,
  outputStage,
  weightsOf,
} from './arithmetic/accumulation.js';
import { checkAccumulation } from './arithmetic/accumulation-checks.js';
import { accumulatorBounds, onlyTap, stageBounds } from './arithmetic/accumulator-bounds.js';
import { boundsOf, channelCount, hullOf } from './arithmetic/bounds.js';
import { isReal, type RealReading, realSums } from './arithmetic/real.js';
import { addResidual, checkResidual, residualBounds } from './arithmetic/residual.js';
import { inputOf, outputOf } from './shape/operands.js';
import { rowWindow } from './shape/window.js';

export interface FullyConnectedAttrs extends AccumulationAttrs {
  /** The output keeps the input's rank; otherwise it is [rows, out]. */
  readonly keepDims?: boolean;
}

export function rowFilters(view: NodeView<object>): Filters {
  const [channels = 0, depth = 0] = inputOf(view, 1).shape;
  return { channels, axis: 0, depth, position: (channel, i) => channel * depth + i };
}

/** An input of any rank is flattened to rows of `depth` elements. */
function infer(view: NodeView<FullyConnectedAttrs>): readonly Shape[] {
  const input = inputOf(view, 0).shape;
  const weights = inputOf(view, 1).shape;
  const [channels = 0, depth = 0] = weights;
  const elements = elementCount(input);
  const keepsLast = view.attrs.keepDims !== true || input.at(-1) === depth;
  if (weights.length !== 2 || depth * channels === 0 || elements % depth !== 0 || !keepsLast) {
    throw new BonsaiError(
      'bad-shape',
      at(view.node),
      `weights [${weights}] do not fit input [${input}]`,
      'weights are [outputs, inputs]',
    );
  }
  if (view.attrs.keepDims === true) return [[...input.slice(0, -1), channels]];
  return [[elements / depth, channels]];
}

/** The runtimes derive the multiplier differently for a single weight scale. */
export function rowStage(view: NodeView<FullyConnectedAttrs>): OutputStage {
  const isPerTensor = inputOf(view, 1).quant?.axis === null;
  const product = isPerTensor ? 'per-tensor' : 'per-channel';
  return outputStage(view, rowFilters(view).channels, product);
}

export function rowCount(view: NodeView<object>): number {
  return elementCount(inputOf(view, 0).shape) / rowFilters(view).depth;
}

function evaluate(
  view: NodeView<FullyConnectedAttrs>,
  [input, , , skip]: readonly (TensorData | null)[],
): readonly TensorData[] {
  const { channels, depth } = rowFilters(view);
  const rows = rowCount(view);
  if (isReal(view)) {
    const reading: RealReading = {
      perTap: depth,
      firstInput: () => 0,
      weight: (channel, _, i) => channel * depth + i,
    };
    return [realSums(view, rowWindow(rows, depth, channels), reading, input as Float32Array)];
  }
  const stage = rowStage(view);
  const starts = accumulatorStarts(stage);
  const weights = weightsOf(view);
  const offset = inputOffset(view);
  const x = Int32Array.from(input as Int8Array | Int16Array, (value) => value - offset);
  const output = allocateLike(outputOf(view));
  for (let row = 0; row < rows; row += 1) {
    for (let channel = 0; channel < channels; channel += 1) {
      let sum = starts[channel] as number;
      for (let i = 0; i < depth; i += 1) {
        sum += (x[row * depth + i] as number) * (weights[channel * depth + i] as number);
      }
      output[row * channels + channel] = finish(stage, sum, channel);
    }
  }
  return [addResidual(view, output as Int8Array, skip)];
}

function accumulator(
  view: NodeView<FullyConnectedAttrs>,
  [input]: readonly (ChannelBounds | null)[],
): ChannelBounds {
  const bounds = input as ChannelBounds;
  const filters = rowFilters(view);
  const channels = channelCount(inputOf(view, 0));
  // A row may start at any channel, so only bounds over all channels hold.
  const known = filters.depth % channels === 0 ? bounds : boundsOf(channels, () => hullOf(bounds));
  const inputChannel = (_: number, i: number) => i % channels;
  const reading = { ...onlyTap, perTap: filters.depth, inputChannel };
  return accumulatorBounds(view, filters, reading, known);
}

function range(
  view: NodeView<FullyConnectedAttrs>,
  inputs: readonly (ChannelBounds | null)[],
): readonly ChannelBounds[] {
  if (outputOf(view).dtype !== 'int8') return [clampBounds(view)];
  return [residualBounds(view, stageBounds(rowStage(view), accumulator(view, inputs)), inputs)];
}

/** Unless dimensions are kept, the input counts as rows: [rows, depth]. */
function axes(view: NodeView<FullyConnectedAttrs>): readonly Axis[] {
  const last = outputOf(view).shape.length - 1;
  const rows = view.attrs.keepDims === true ? last : 0;
  return [
    ...Array.from({ length: rows }, (_, d) => ({ inputs: [d, null, null, d], output: d })),
    { inputs: [last, 1], output: null },
    { inputs: [null, 0, 0, last], output: last },
  ];
}

function macs(view: NodeView<object>): number {
  return rowCount(view) * elementCount(inputOf(view, 1).shape);
}

export const fullyConnected = {
  name: 'fully_connected',
  types: layerTypes,
  infer,
  check(view) {
    checkAccumulation(view, rowFilters(view), { product: 'per-tensor' });
    checkResidual(view);
  },
  evaluate,
  macs,
  range,
  absorbs: {
    activation: true,
    residual: true,
    reshape: ({ keepDims }) => keepDims !== true,
    zeroPoint: true,
  },
  filters: 'first',
  accumulator,
  axes,
  inPlace: () => [],
} satisfies OpDef<FullyConnectedAttrs>;
