/**
 * Output stages of layers with weights that get cheaper constants where each channel has some with the
 * same bits: XNNPACK's (--rounding xnnpack), else in float32, and desktop TFLite's (--rounding tflite),
 * which rounds halves up.
 */
import { at, type NodeView, type Tensor } from '../../ir/graph.js';
import { inputOf } from '../shape/operands.js';
import {
  type FloatChannel,
  type FloatRequantization,
  floatRequantizers,
  floatScale,
  integerRequantizers,
  type Requantizers,
} from './float-scale.js';
import { bentMultiplier, type Multiplier, perTensor } from './quant.js';

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
  const { scale } = perTensor(output, output.name);
  return remembered(view, [scale, ...Object.values(clamps)], () =>
    floatRequantizers(channelsOf(view, biases, scale, clamps), ['single', 'double', 'nudged']),
  );
}

/**
 * @param multipliers with which 'upward' gives the outputs of the first channels, and 'double' of others
 * @param upwardChannels how many are first
 */
export function upwardStage(
  view: View,
  biases: Biases,
  output: Tensor,
  clamps: Omit<FloatRequantization, 'scale'>,
  multipliers: readonly Multiplier[],
  upwardChannels = Infinity,
): Requantizers {
  const isDouble = (channel: number) => channel >= upwardChannels;
  const bent = (): Requantizers => {
    const own = multipliers.map((one, channel) => bentMultiplier(one, isDouble(channel)));
    return { multipliers: own, rounding: 'bent' };
  };
  // Outputs of int16 have too many thresholds.
  if (output.dtype !== 'int8') return bent();
  const { scale } = perTensor(output, output.name);
  return remembered(view, [scale, ...Object.values(clamps), 'upward'], () => {
    const channels = channelsOf(view, biases, scale, clamps).map((channel, i) => {
      const rounding = isDouble(i) ? ('double' as const) : ('upward' as const);
      return { ...channel, by: { multiplier: multipliers[i] as Multiplier, rounding } };
    });
    return integerRequantizers(channels, ['double', 'single', 'nudged']) ?? bent();
  });
}

/** @param of what a stage depends on beside the inputs */
function remembered(view: View, of: readonly unknown[], make: () => Requantizers): Requantizers {
  const weights = inputOf(view, 1);
  const all = [...view.inputs, ...of, view.attrs.zeroPointFolded];
  const found = known.get(weights);
  if (found?.of.every((value, i) => value === all[i])) return found.stage;
  const stage = make();
  known.set(weights, { of: all, stage });
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
