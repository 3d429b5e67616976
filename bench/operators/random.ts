/** Layers over the grid of shapes, types, zeros and roundings that networks have. */
import { type Layer, type Pruned, prune } from '../../src/boards/tune/layers.js';
import { conv, depthwise } from './grid.js';

const sides = [1, 2, 3, 5, 7, 8, 10, 12, 16, 25, 32, 49, 64];
const channels = [1, 2, 3, 4, 6, 8, 10, 12, 16, 17, 24, 32, 48, 64, 96, 128];
const windows = [1, 2, 3, 4, 5, 7];
const strides = [1, 1, 1, 2, 3];
const zeros: readonly (Pruned | null)[] = [
  null,
  null,
  null,
  { pattern: 'unstructured', density: 0.5 },
  { pattern: 'unstructured', density: 0.2 },
  { pattern: 'unstructured', density: 0.05 },
  { pattern: 'blocks 1x4', density: 0.3 },
  { pattern: 'n of 8', density: 0.25 },
];
const roundings = ['double', 'double', 'single'];
const activations = ['relu', 'relu', 'none', 'relu6'];
/** Larger networks have such layers too, but a plan takes longer. */
const mostMacs = 4_000_000;
/** Of a dense layer: with more, 32 bits may not hold its sums, and it is refused. */
const mostInputs = 2 ** 16;

/** @param random from 0 to below 1 */
export function randomLayer(random: () => number): Layer {
  const one = <T>(values: readonly T[]) => values[Math.floor(random() * values.length)] as T;
  for (;;) {
    const shape = [1, one(sides), one(sides), one(channels)] as const;
    const kernel = [one(windows), one(windows)] as const;
    const stride = [one(strides), one(strides)] as const;
    const slide = { stride, ...(random() < 0.3 ? { valid: true as const } : {}) };
    const outC = one(channels);
    const kind = one(['conv2d', 'pointwise', 'depthwise', 'dense'] as const);
    const isLarge = kernel[0] > shape[1] || kernel[1] > shape[2];
    if (isLarge && (kind === 'conv2d' || kind === 'depthwise')) continue;
    const depth = shape[1] * shape[2] * shape[3];
    if (depth * outC * (kind === 'conv2d' ? kernel[0] * kernel[1] : 1) > mostMacs) continue;
    if (kind === 'dense' && depth > mostInputs) continue;
    const made = {
      conv2d: () => conv(shape, outC, kernel, slide),
      pointwise: () => conv(shape, outC, [1, 1]),
      depthwise: () => depthwise(shape, random() < 0.1 ? 2 : 1, kernel, slide),
      dense: (): Layer => ({
        op: 'fully_connected',
        inputs: [[1, depth]],
        weights: { shape: [outC, depth], axis: 0 },
        attrs: {},
      }),
    }[kind]();
    const attrs = { ...made.attrs, activation: one(activations), rounding: one(roundings) };
    const layer = { ...made, attrs };
    const kept = one(zeros);
    if (random() < 0.1) return { ...layer, dtype: 'int16' };
    return kept === null ? layer : prune(layer, kept);
  }
}
