/** Refuses models that the integer kernels cannot run, before anything is planned. */
import { BonsaiError } from '../../errors.js';
import { arenaTypes } from '../../ir/dtypes.js';
import {
  at,
  type DType,
  type Graph,
  isConstant,
  isInteger,
  type NodeView,
  type Tensor,
  tensorOf,
  viewOf,
} from '../../ir/graph.js';
import { computedTypes, typesOf } from '../../ir/op.js';
import { kernelsOf } from '../../kernels/index.js';
import { opOf } from '../../ops/index.js';

const quantizeHint =
  'bonsaic quantize MODEL --data SAMPLES makes a float model int8, and so does TensorFlow: ' +
  'converter.optimizations = [tf.lite.Optimize.DEFAULT], a representative_dataset, ' +
  'target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8], ' +
  'inference_input_type = inference_output_type = tf.int8';

/**
 * @throws BonsaiError 'float-model' if a node computes in float (hybrid models included) and its
 *   operator does not, 'unsupported-type' if an activation has another type that its operator does
 *   not take, or types that no kernel takes together, 'bad-graph' if an output is constant
 */
export function acceptTypes(graph: Graph): void {
  for (const node of graph.nodes) acceptNode(viewOf(graph, node));
  for (const id of graph.inputs)
    acceptTensor(tensorOf(graph, id), arenaTypes, 'input of the model');
  for (const id of graph.outputs) {
    const tensor = tensorOf(graph, id);
    acceptTensor(tensor, arenaTypes, 'output of the model');
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

/** @throws BonsaiError 'float-model', 'unsupported-type' as `acceptTypes`, for one node */
export function acceptNode(view: NodeView): void {
  const types = typesOf(opOf(view.node));
  for (const tensor of [...view.inputs, ...view.outputs]) {
    if (tensor !== null) acceptTensor(tensor, types, at(view.node));
  }
  acceptMixture(view);
}

/** A node may mix types of which each is one that its operator takes. */
function acceptMixture(view: NodeView): void {
  const used = computedTypes(view);
  const isTaken = kernelsOf(view.node).variants.some((variant) =>
    used.every((type) => typesOf(variant).includes(type)),
  );
  if (isTaken) return;
  const message = `computes with ${used.join(' and ')} together; no kernel does`;
  throw new BonsaiError('unsupported-type', at(view.node), message, quantizeHint);
}

/** The types of an operator's constants are for its `check`, unless they are float. */
function acceptTensor(tensor: Tensor, types: readonly DType[], where: string): void {
  const { name, dtype } = tensor;
  if (types.includes(dtype)) return;
  if (!isInteger(dtype)) {
    const message = `tensor "${name}" is ${dtype}; only int8 models compile`;
    throw new BonsaiError('float-model', where, message, quantizeHint);
  }
  if (!isConstant(tensor)) {
    const message = `tensor "${name}" is ${dtype}; activations have to be ${types.join(' or ')}`;
    throw new BonsaiError('unsupported-type', where, message, quantizeHint);
  }
}
