/**
 * Replaces a depthwise convolution of one input channel by a convolution, which has more kernels.
 */
import { type Graph, type Node, type Tensor, type TensorId, tensorOf } from '../ir/graph.js';
import { appendTensor } from './rewrite.js';

/**
 * Every output channel reads the single input channel in both operators, so products and sums are
 * the same. A runtime may round the two operators differently, but the importer has made the
 * rounding an attribute of the node. Weights [1, h, w, outputs] become [outputs, h, w, 1].
 */
export function depthwiseToConvolution(graph: Graph): Graph {
  const tensors = [...graph.tensors];
  const nodes = graph.nodes.map((node) => {
    const [input, weights] = node.inputs;
    if (node.op !== 'depthwise_conv2d' || input == null || weights == null) return node;
    const filters = tensorOf(graph, weights);
    const isSingle = tensorOf(graph, input).shape[3] === 1;
    // Convolution kernels compute several output channels at once and are slower for a single one.
    if (!isSingle || filters.shape[3] === 1) return node;
    if (!(filters.data instanceof Int8Array)) return node;
    return asConvolution(node, appendTensor(tensors, outputsFirst(filters)));
  });
  return { ...graph, tensors, nodes };
}

function asConvolution(node: Node, weights: TensorId): Node {
  const { depthMultiplier: _, ...attrs } = node.attrs;
  return { ...node, op: 'conv2d', inputs: node.inputs.with(1, weights), attrs };
}

/** int8 [1, h, w, outputs] as [outputs, h, w, 1]; the scales follow the outputs. */
function outputsFirst(tensor: Tensor): Tensor {
  const { shape, quant } = tensor;
  const [, height = 1, width = 1, outputs = 1] = shape;
  const taps = height * width;
  const from = tensor.data as Int8Array;
  const data = Int8Array.from(
    from,
    (_, i) => from[(i % taps) * outputs + Math.floor(i / taps)] as number,
  );
  return {
    ...tensor,
    ...{ name: `${tensor.name}/outputs_first`, shape: [outputs, height, width, 1] },
    ...{ data, source: null },
    quant: quant?.axis === 3 ? { ...quant, axis: 0 } : quant,
  };
}
