/** Refuses models that the integer kernels cannot run, before anything is planned. */
import { BonsaiError } from '../../errors.js';
import { at, type Graph, isConstant, type Tensor, tensorOf, viewOf } from '../../ir/graph.js';

const quantizeHint =
  'quantize it fully to int8: converter.optimizations = [tf.lite.Optimize.DEFAULT], a ' +
  'representative_dataset, target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8], ' +
  'inference_input_type = inference_output_type = tf.int8';

const floats: ReadonlySet<string> = new Set(['float16', 'float32', 'float64']);

/**
 * @throws BonsaiError 'float-model' if a tensor is float (hybrid models included),
 *   'unsupported-type' if an activation is not int8, 'bad-graph' if an output is constant
 */
export function acceptInt8(graph: Graph): void {
  for (const node of graph.nodes) {
    const { inputs, outputs } = viewOf(graph, node);
    for (const tensor of [...inputs, ...outputs])
      if (tensor !== null) acceptTensor(tensor, at(node));
  }
  for (const id of graph.inputs) acceptTensor(tensorOf(graph, id), 'input of the model');
  for (const id of graph.outputs) {
    const tensor = tensorOf(graph, id);
    acceptTensor(tensor, 'output of the model');
    if (isConstant(tensor)) {
      throw new BonsaiError(
        'bad-graph',
        'output of the model',
        `"${tensor.name}" is a constant: it does not depend on any input`,
        'remove this output before you convert the model',
      );
    }
  }
}

function acceptTensor(tensor: Tensor, where: string): void {
  if (floats.has(tensor.dtype)) {
    const message = `tensor "${tensor.name}" is ${tensor.dtype}; only int8 models compile`;
    throw new BonsaiError('float-model', where, message, quantizeHint);
  }
  if (!isConstant(tensor) && tensor.dtype !== 'int8') {
    const message = `tensor "${tensor.name}" is ${tensor.dtype}; activations have to be int8`;
    throw new BonsaiError('unsupported-type', where, message, quantizeHint);
  }
}
