/** Accessors and checks of a node's operands. */
import { BonsaiError } from '../../../errors.js';
import { at, type DType, type NodeView, type Tensor } from '../../ir/graph.js';

/** A required input. @throws BonsaiError 'bad-graph' when it is absent */
export function inputOf(view: NodeView<object>, position: number): Tensor {
  const tensor = view.inputs[position];
  if (tensor == null) {
    throw new BonsaiError(
      'bad-graph',
      at(view.node),
      `has no input ${position}`,
      'convert the model again',
    );
  }
  return tensor;
}

/** An output. @throws BonsaiError 'bad-graph' when it is absent */
export function outputOf(view: NodeView<object>, position = 0): Tensor {
  const tensor = view.outputs[position];
  if (tensor === undefined) {
    throw new BonsaiError(
      'bad-graph',
      at(view.node),
      `has no output ${position}`,
      'convert the model again',
    );
  }
  return tensor;
}

/**
 * Refuses operands, constants included, of other types.
 *
 * @throws BonsaiError 'unsupported-type'
 */
export function requireTypes(view: NodeView<object>, types: readonly DType[]): void {
  const other = [...view.inputs, ...view.outputs].find(
    (tensor) => tensor !== null && !types.includes(tensor.dtype),
  );
  if (other == null) return;
  const supported = types.length === 1 ? `only ${types[0]} is` : `${listOf(types)} are`;
  throw new BonsaiError(
    'unsupported-type',
    at(view.node),
    `tensor "${other.name}" is ${other.dtype}; ${supported} supported`,
    quantizeHint(other.dtype),
  );
}

/** Refuses operands that are not int8. @throws BonsaiError 'unsupported-type' */
export function requireInt8(view: NodeView<object>): void {
  requireTypes(view, ['int8']);
}

/**
 * Refuses operands of other types, and operands of several types.
 *
 * @returns the type of all operands
 * @throws BonsaiError 'unsupported-type'
 */
export function requireOneType(view: NodeView<object>, types: readonly DType[]): DType {
  requireTypes(view, types);
  const { dtype } = outputOf(view);
  const other = [...view.inputs, ...view.outputs].find(
    (tensor) => tensor !== null && tensor.dtype !== dtype,
  );
  if (other == null) return dtype;
  throw new BonsaiError(
    'unsupported-type',
    at(view.node),
    `tensor "${other.name}" is ${other.dtype}, "${outputOf(view).name}" is ${dtype}`,
    `give all operands one type: quantize the model with ${other.dtype} or ${dtype} throughout`,
  );
}

/** ['int8', 'int16', 'bool'] → 'int8, int16 and bool'. */
function listOf(words: readonly string[]): string {
  return `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}

/** The hint for a tensor of a type that the operator does not take. */
export function quantizeHint(dtype: DType): string {
  const full = 'quantize the model fully to int8';
  switch (dtype) {
    case 'int8':
      return 'keep the layer in float32 when the model is quantized: it has no kernel of int8';
    case 'int16':
      return `${full} (supported_ops = TFLITE_BUILTINS_INT8): the operator has no kernel of int16 here`;
    case 'uint8':
      return `${full} with TensorFlow 2, from the float model: uint8 networks have no kernels here`;
    case 'int32':
    case 'int64':
    case 'bool':
      return `compute it in the application: the operator has no kernel of ${dtype} here`;
    default:
      return `${full} (inference_input_type = inference_output_type = int8)`;
  }
}
