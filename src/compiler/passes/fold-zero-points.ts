/**
 * Moves the input's zero point from the inner loop of convolutions and dense layers to the bias.
 */
import { type Graph, type NodeView, type TensorData, viewOf } from '../ir/graph.js';
import { isJudged } from '../ir/op.js';
import { perTensor } from '../ops/arithmetic/quant.js';
import { opOf } from '../ops/index.js';
import { appendTensor, biasTensor } from './rewrite.js';

/**
 * Σ (x − zp)·w + b = Σ x·w + (b − zp·Σ w): with the new bias a kernel multiplies raw inputs. A
 * padded tap then counts as x = zp, as the attribute `zeroPointFolded` says.
 *
 * A node stays as it is where |b'| + 128·Σ|w| reaches 2^31 in any channel: below that bound no
 * partial sum, in any order, leaves int32.
 */
export function foldZeroPoints(graph: Graph): Graph {
  const tensors = [...graph.tensors];
  const nodes = graph.nodes.map((node) => {
    const op = opOf(node);
    const { absorbs, filters } = op;
    if (!absorbs?.zeroPoint || filters === undefined || node.attrs.zeroPointFolded === true)
      return node;
    const view = viewOf(graph, node);
    if (!isJudged(op, view)) return node;
    const bias = foldedBias(view, filters);
    if (bias === null) return node;
    const inputs = [...node.inputs];
    inputs[2] = appendTensor(tensors, biasTensor(view, bias));
    return { ...node, inputs, attrs: { ...node.attrs, zeroPointFolded: true } };
  });
  return { ...graph, tensors, nodes };
}

/** b − zp·Σ w of each channel; null where weights or bias are not constant or a sum may overflow. */
function foldedBias({ inputs }: NodeView, filters: 'first' | 'last'): Int32Array | null {
  const [input, weights, bias] = inputs;
  if (input?.dtype !== 'int8' || weights?.dtype !== 'int8' || weights.data === null) return null;
  if (bias != null && (bias.data === null || bias.dtype !== 'int32')) return null;
  const { zeroPoint } = perTensor(input, input.name);
  const channels = weights.shape.at(filters === 'first' ? 0 : -1) ?? 0;
  const { sums, magnitudes } = channelSums(weights.data, channels, filters);
  const folded = new Int32Array(channels);
  for (let c = 0; c < channels; c++) {
    const value = Number(bias?.data?.[c] ?? 0) - zeroPoint * (sums[c] ?? 0);
    if (Math.abs(value) + 128 * (magnitudes[c] ?? 0) >= 2 ** 31) return null;
    folded[c] = value;
  }
  return folded;
}

function channelSums(data: TensorData, channels: number, filters: 'first' | 'last') {
  const sums = new Float64Array(channels);
  const magnitudes = new Float64Array(channels);
  const perChannel = data.length / channels;
  for (let i = 0; i < data.length; i++) {
    const c = filters === 'first' ? Math.floor(i / perChannel) : i % channels;
    const weight = Number(data[i]);
    sums[c] = (sums[c] ?? 0) + weight;
    magnitudes[c] = (magnitudes[c] ?? 0) + Math.abs(weight);
  }
  return { sums, magnitudes };
}
