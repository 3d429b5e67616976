/** The vectors of a check: those of a file, or seeded ones where the user brings none. */
import { allocate, isInteger, rangeOfType } from '../../compiler/ir/dtypes.js';
import { elementCount, type Module, mainGraph, statesOf } from '../../compiler/ir/graph.js';
import { evaluateGraph, initialStates } from '../../compiler/ops/evaluate.js';
import type { IoTensor, Plan } from '../../compiler/plan/types.js';
import { readVectors, type VectorPair } from './vectors.js';

const seededCount = 4;
/** For a model that remembers: the lengths of its sequences. */
const seededSequences = [12, 4] as const;
const seed = 0x5eed;

/**
 * The vectors without a file: 4 seeded inputs over the whole range of their type, with the outputs
 * of the reference evaluator; for a model that remembers two sequences. The same on every call.
 */
export function seededVectors(plan: Plan, module: Module): VectorPair[] {
  const random = xorshift32(seed);
  const graph = mainGraph(module);
  const seededInputs = () =>
    plan.inputs.map((tensor) => {
      const data = allocate(tensor.dtype, elementCount(tensor.shape));
      const next = isInteger(tensor.dtype) ? integers(random, tensor) : reals(random);
      for (let element = 0; element < data.length; element++) data[element] = next();
      return data;
    });
  const isStateful = statesOf(graph).length > 0;
  const lengths = isStateful ? seededSequences : new Array<number>(seededCount).fill(1);
  return lengths.flatMap((length) => {
    let states = initialStates(graph);
    return Array.from({ length }, (_, i): VectorPair => {
      const inputs = seededInputs();
      const evaluation = evaluateGraph(graph, inputs, states);
      states = evaluation.states;
      return { inputs, outputs: evaluation.outputs, layers: [], continues: i > 0 };
    });
  });
}

/** Over the whole range of the type. */
function integers(random: () => number, { dtype }: IoTensor): () => number {
  const [least, greatest] = rangeOfType(dtype);
  return () => least + Math.floor((random() / 2 ** 32) * (greatest - least + 1));
}

/** From −4 to 4, where most functions of a network have their bends. */
function reals(random: () => number): () => number {
  return () => (random() / 2 ** 32) * 8 - 4;
}

/** Marsaglia's xorshift (2003): uint32 values of at least 1. */
function xorshift32(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** A file of vectors, read. */
export interface VectorFile {
  readonly bytes: Uint8Array;
  readonly path: string;
}

/** The pairs of the file, or seeded ones. */
export function vectorsFor(
  file: VectorFile | undefined,
  plan: Plan,
  module: Module,
): readonly VectorPair[] {
  return file === undefined
    ? seededVectors(plan, module)
    : withOutputs(readVectors(file.bytes, file.path, plan, module.edgeTypes), module);
}

/** Where a file expects nothing of a run, the evaluator's outputs. */
function withOutputs(pairs: readonly VectorPair[], module: Module): readonly VectorPair[] {
  if (pairs.every(({ outputs }) => outputs.length > 0)) return pairs;
  const graph = mainGraph(module);
  let states = initialStates(graph);
  return pairs.map((pair) => {
    if (pair.continues !== true) states = initialStates(graph);
    const evaluation = evaluateGraph(graph, pair.inputs, states);
    states = evaluation.states;
    return pair.outputs.length > 0 ? pair : { ...pair, outputs: evaluation.outputs };
  });
}
