/** Inputs and outputs as the user sees them. */
import { cNames } from '../ir/c-names.js';
import { quantizedTypes } from '../ir/dtypes.js';
import {
  byteCount,
  type Module,
  mainGraph,
  type Tensor,
  type TensorId,
  tensorOf,
} from '../ir/graph.js';
import { perTensor } from '../ops/arithmetic/quant.js';
import type { IoTensor, Placement, Plan } from './types.js';

/** The model's inputs and outputs; `placements` holds each of them. */
export function ioTensors(
  module: Module,
  placements: ReadonlyMap<TensorId, Placement>,
): Pick<Plan, 'inputs' | 'outputs'> {
  const graph = mainGraph(module);
  // One name space: a tensor that is both input and output has two names.
  const names = [...module.inputNames, ...module.outputNames];
  const identifiers = cNames(names, 't');
  const all = [...graph.inputs, ...graph.outputs].map((id, i): IoTensor => {
    const tensor = tensorOf(graph, id);
    return {
      name: names[i] ?? tensor.name,
      identifier: identifiers[i] ?? tensor.name,
      tensor: id,
      dtype: tensor.dtype,
      shape: tensor.shape,
      ...ioQuant(tensor),
      offset: placements.get(id)?.offset ?? 0,
      bytes: byteCount(tensor),
    };
  });
  const inputs = graph.inputs.length;
  return { inputs: all.slice(0, inputs), outputs: all.slice(inputs) };
}

/** Scale and zero point; 1 and 0 for types whose elements stand for themselves. */
export function ioQuant(tensor: Tensor): Pick<IoTensor, 'scale' | 'zeroPoint'> {
  if (!quantizedTypes.includes(tensor.dtype)) return { scale: 1, zeroPoint: 0 };
  return perTensor(tensor, tensor.name);
}
