/** Refuses models that the integer kernels cannot run, before anything is planned. */
import { BonsaiError } from '../../../errors.js';
import { arenaTypes } from '../../ir/dtypes.js';
import {
  at,
  byteCount,
  type DType,
  type Graph,
  isConstant,
  isInteger,
  type Node,
  type NodeView,
  type Tensor,
  tensorOf,
  viewOf,
} from '../../ir/graph.js';
import { computedTypes, typesOf } from '../../ir/op.js';
import { kernelsOf } from '../../kernels/index.js';
import { opOf } from '../../ops/index.js';
import { quantizeHint as hintForType } from '../../ops/shape/operands.js';

const quantizeHint =
  'bonsaic quantize MODEL --data SAMPLES makes a float model int8, and so does TensorFlow: ' +
  'converter.optimizations = [tf.lite.Optimize.DEFAULT], a representative_dataset, ' +
  'target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8], ' +
  'inference_input_type = inference_output_type = tf.int8';

/** Of weights and tables: more than any board's flash, and less than the C text of them may have. */
const mostConstantBytes = 2 ** 26;

/**
 * @throws BonsaiError 'too-large' for more constants than C text is written of, 'float-model' if a
 *   node computes in float (hybrid models included) and its operator does not, 'unsupported-type' if
 *   an activation has another type that its operator does not take, or types that no kernel takes
 *   together, 'bad-graph' if an output is constant
 */
export function acceptGraph(graph: Graph): void {
  acceptSize(graph);
  for (const node of graph.nodes) acceptNode(graph, node);
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

function acceptSize(graph: Graph): void {
  const used = new Set(graph.nodes.flatMap(({ inputs }) => inputs));
  const constants = [...used].map((id) => (id === null ? undefined : graph.tensors[id]));
  const bytes = constants.reduce((sum, one) => sum + (one?.data ? byteCount(one) : 0), 0);
  if (bytes <= mostConstantBytes) return;
  const message = `has ${bytes} bytes of weights and tables; C text is written of ${mostConstantBytes} at most`;
  const hint = 'no board has room for so many: use a smaller model';
  throw new BonsaiError('too-large', 'model', message, hint);
}

/** @throws BonsaiError 'float-model', 'unsupported-type' as `acceptGraph`, for one node */
export function acceptNode(graph: Graph, node: Node): void {
  const view = viewOf(graph, node);
  const types = typesOf(opOf(node));
  for (const tensor of [...view.inputs, ...view.outputs]) {
    if (tensor === null || types.includes(tensor.dtype)) continue;
    if (!isInteger(tensor.dtype)) throw floatError(graph, node, tensor);
    acceptTensor(tensor, types, at(node));
  }
  refuseHybrid(view);
  acceptMixture(view);
}

/** Integer weights under activations of float32: TFLM has no kernels of them. */
function refuseHybrid({ node, inputs }: NodeView): void {
  const integer = inputs.find((tensor) => tensor?.data != null && tensor.quant !== null);
  if (integer == null || !inputs.some(isComputedReal)) return;
  const message = `tensor "${integer.name}" is ${integer.dtype}, but it computes in float32`;
  throw new BonsaiError('float-model', at(node), message, quantizeHint);
}

const isComputedReal = (tensor: Tensor | null) =>
  tensor?.data === null && tensor.dtype === 'float32';

/** In a model that is quantized elsewhere, the converter had a reason to leave a layer in float. */
function floatError(graph: Graph, node: Node, { name, dtype }: Tensor): BonsaiError {
  const types = typesOf(opOf(node)).filter(isInteger);
  const message = `tensor "${name}" is ${dtype}; it computes with ${types.join(' or ')}`;
  const isQuantized = graph.nodes.some(({ outputs }) =>
    outputs.some((id) => ['int8', 'int16'].includes(tensorOf(graph, id).dtype)),
  );
  return new BonsaiError('float-model', at(node), message, isQuantized ? islandHint : quantizeHint);
}

const islandHint =
  'TFLite leaves a layer in float32 that it has no integer kernel for: replace it, or compute it ' +
  'in the application';

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

/** The types of an operator's constants are for its `check`. */
function acceptTensor(tensor: Tensor, types: readonly DType[], where: string): void {
  const { name, dtype } = tensor;
  if (types.includes(dtype)) return;
  if (!isConstant(tensor)) {
    const message = `tensor "${name}" is ${dtype}; activations have to be ${types.join(' or ')}`;
    throw new BonsaiError('unsupported-type', where, message, hintForType(dtype));
  }
}
