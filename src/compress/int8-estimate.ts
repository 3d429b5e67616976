/** What a float model would take as plain int8, before there are samples: ranges do not change that. */

import { allocate, elementCount, type Module, mainGraph, tensorOf } from '../compiler/ir/graph.js';
import { evaluateGraph } from '../compiler/ops/evaluate.js';
import { BonsaiError } from '../errors.js';
import type { Cost, CostOf } from './cost.js';
import { floatGraph } from './float-graph.js';
import { lower } from './quantize/lower.js';
import type { Observation } from './quantize/observe.js';
import { quantizationOf } from './quantize/ptq.js';
import { separated } from './quantize/scheme.js';
import { makeRandom } from './random.js';

/** Whether the model computes in float32 throughout, so that quantize takes it. */
export function isFloat(module: Module): boolean {
  const graph = mainGraph(module);
  return [...graph.inputs, ...graph.outputs].every((id) => tensorOf(graph, id).dtype === 'float32');
}

/** The estimates of the int8 model; null for a model that compression does not take. */
export function int8Estimate(module: Module, costOf: CostOf): Cost | null {
  try {
    const { graphs: _, ...head } = module;
    const graph = separated(floatGraph(module));
    const random = makeRandom(1);
    const inputs = graph.inputs.map((id) => {
      const { shape } = tensorOf(graph, id);
      const data = allocate('float32', elementCount(shape));
      for (let i = 0; i < data.length; i++) data[i] = 2 * random() - 1;
      return data;
    });
    const observation: Observation = new Map(
      [...evaluateGraph(graph, inputs).tensors].map(([id, values]) => [id, rangeOf(values)]),
    );
    const quantization = quantizationOf(graph, observation, {
      calibration: 'min-max',
      weights: 'int8',
    });
    return costOf(lower(head, graph, quantization));
  } catch (error) {
    if (error instanceof BonsaiError) return null;
    throw error;
  }
}

function rangeOf(values: Iterable<number | bigint>) {
  let [min, max] = [0, 0];
  for (const value of values) {
    min = Math.min(min, Number(value));
    max = Math.max(max, Number(value));
  }
  return { min, max, counts: new Float64Array() };
}
