/**
 * XNNPACK's output stage of layers with weights (--rounding xnnpack): in integers if each channel has
 * constants with the same bits, else in float32.
 */
import { at, type NodeView, type Tensor } from '../../ir/graph.js';
import { inputOf } from '../shape/operands.js';
import {
  type FloatChannel,
  type FloatRequantization,
  floatRequantizers,
  floatScale,
  type Requantizers,
} from './float-scale.js';
import { perTensor } from './quant.js';

type View = NodeView<{ readonly zeroPointFolded?: boolean }>;
type Biases = Int32Array | Float64Array;

/** By weights: a node's stage is asked for often, and takes up to 255 thresholds for each channel. */
const known = new WeakMap<
  Tensor,
  { readonly of: readonly unknown[]; readonly stage: Requantizers }
>();

/**
 * @param biases one for each channel
 * @param output the tensor that the stage makes
 * @param clamps its zero point and range
 */
export function floatStage(
  view: View,
  biases: Biases,
  output: Tensor,
  clamps: Omit<FloatRequantization, 'scale'>,
): Requantizers {
  const weights = inputOf(view, 1);
  const { scale } = perTensor(output, output.name);
  const of = [...view.inputs, scale, ...Object.values(clamps), view.attrs.zeroPointFolded];
  const found = known.get(weights);
  if (found?.of.every((value, i) => value === of[i])) return found.stage;
  const stage = floatRequantizers(channelsOf(view, biases, scale, clamps), [
    'single',
    'double',
    'nudged',
  ]);
  known.set(weights, { of, stage });
  return stage;
}

function channelsOf(
  view: View,
  biases: Biases,
  outputScale: number,
  clamps: Omit<FloatRequantization, 'scale'>,
): readonly FloatChannel[] {
  const input = perTensor(inputOf(view, 0), at(view.node));
  const { quant, shape, data } = inputOf(view, 1);
  const weights = data as Int8Array;
  const [first = 1] = quant?.scales ?? [];
  const scales = biases.length === quant?.scales.length ? quant.scales : null;
  const offset = view.attrs.zeroPointFolded === true ? 0 : input.zeroPoint;
  const depth = weights.length / biases.length;
  // Channels are the first axis of the weights, but the last one of a depthwise layer's [1, h, w, c].
  const isFirst = shape[0] === biases.length;
  return Array.from(biases, (bias, channel) => {
    let [least, most] = [bias, bias];
    for (let i = 0; i < depth; i += 1) {
      const place = isFirst ? channel * depth + i : i * biases.length + channel;
      const weight = weights[place] as number;
      const ends = [-128, 127, input.zeroPoint].map((x) => weight * (x - offset));
      least += Math.min(...ends);
      most += Math.max(...ends);
    }
    const scale = floatScale(input.scale, scales?.[channel] ?? first, outputScale);
    return { ...clamps, scale, least, most };
  });
}
