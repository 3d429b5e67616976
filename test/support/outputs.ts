/** Outputs of a model, to check that passes do not change them. */
import { elementCount, type Module, mainGraph, tensorOf } from '../../src/compiler/ir/graph.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { Random } from './module.js';

/** Inputs of all −128, of all 127, of a mix of these, and random ones. */
function feeds(module: Module, seed: number) {
  const graph = mainGraph(module);
  const random = new Random(seed);
  const elements = [() => -128, () => 127, () => random.pick([-128, 127]), () => random.int8(1)[0]];
  return elements.map((element) =>
    graph.inputs.map((id) =>
      Int8Array.from(
        { length: elementCount(tensorOf(graph, id).shape) },
        () => element() as number,
      ),
    ),
  );
}

/** The outputs for each of these inputs. */
export function outputsOf(module: Module, seed: number) {
  return feeds(module, seed).map((inputs) => evaluateGraph(mainGraph(module), inputs).outputs);
}
