/** What the header, the source and the firmware's glue have in common: the interface of a model. */
import { elementCount, type Module } from '../ir/graph.js';
import type { IoTensor, Plan } from '../plan/types.js';
import { float, integer, offset, string, wrap } from './c.js';
import { boundsContext, elementsContext } from './elements.js';
import { isLabelled } from './labels.js';
import type { Context } from './templates.js';

/** `labels`: class names for the output with that number of elements. */
export interface ProgramOptions {
  readonly labels?: readonly string[];
}

/** Values for the templates of the header, the source and the firmware's glue. */
export function interfaceContext(
  module: Module,
  plan: Plan,
  options: ProgramOptions = {},
): Context {
  const { labels = [] } = options;
  const contextOf =
    (upper: string) =>
    (tensor: IoTensor, index: number): Context => ({
      index: String(index),
      macro: `${upper}_${index}`,
      name: string(tensor.name),
      shape: `[${tensor.shape.join(',')}]`,
      dims: tensor.shape.map((extent, axis) => ({ axis: String(axis), extent: integer(extent) })),
      rank: integer(tensor.shape.length),
      count: integer(elementCount(tensor.shape)),
      bytes: integer(tensor.bytes),
      offset: offset(tensor.offset),
      dtype: tensor.dtype,
      ...boundsContext(tensor),
      scale: float(tensor.scale),
      zero_point: integer(tensor.zeroPoint),
      labelled: isLabelled(tensor, labels),
      labels: wrap(
        labels.map((label) => `${string(label)},`),
        96,
        '    ',
      ).replaceAll('\n', ' \\\n'),
    });
  const upper = module.name.toUpperCase();
  return {
    model: module.name,
    MODEL: upper,
    target: plan.target,
    sha256: module.sha256,
    arena_bytes: integer(plan.arenaBytes),
    arena_align: integer(plan.arenaAlign),
    state_bytes: integer(plan.stateBytes),
    has_states: plan.stateBytes > 0,
    steps: integer(plan.steps.length),
    inputs: plan.inputs.map(contextOf(`${upper}_INPUT`)),
    outputs: plan.outputs.map(contextOf(`${upper}_OUTPUT`)),
    input_count: integer(plan.inputs.length),
    output_count: integer(plan.outputs.length),
    input_kept: plan.options.keepInput,
    ...elementsContext(plan),
  };
}
