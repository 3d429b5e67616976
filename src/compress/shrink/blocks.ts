/** Residual blocks of a float graph: what a sum adds to the tensor that it passes on. */
import { type Graph, type Node, type TensorId, tensorOf } from '../../compiler/ir/graph.js';
import { renumber } from '../../compiler/passes/drop-unused-tensors.js';
import { removeDeadNodes } from '../../compiler/passes/remove-dead-nodes.js';
import type { Candidate } from '../candidate.js';
import type { Dataset } from '../data/dataset.js';
import { weighted } from '../float-graph.js';
import { eachOutputChange } from '../prune/scores.js';
import type { Tf } from '../tensorflow.js';
import { sizesOf } from './families.js';

export interface Block {
  /** Output of the sum. */
  readonly sum: TensorId;
  /** Operand of the sum that stays. */
  readonly kept: TensorId;
  /** Weights and bias of the layer that ends the branch. */
  readonly last: readonly TensorId[];
  /** MACs that go with the branch. */
  readonly macs: number;
}

/**
 * The branches that can go: a layer ends them, and the graph goes on with the other operand of the
 * sum. Where both operands are branches, the one with more MACs.
 */
export function blocksOf(graph: Graph): readonly Block[] {
  const all = sizesOf(graph).macs;
  return graph.nodes.flatMap((node) => {
    const [sum = -1] = node.outputs;
    if (node.op !== 'add' || graph.outputs.includes(sum)) return [];
    const candidates = [0, 1].flatMap((position) => {
      const [branch, kept] = [node.inputs[position], node.inputs[1 - position]] as TensorId[];
      const layer = graph.nodes.find(({ outputs }) => outputs[0] === branch);
      const isAlike = String(shapeOf(graph, kept)) === String(shapeOf(graph, sum));
      const isComputed = tensorOf(graph, kept as TensorId).data === null;
      if (layer === undefined || !weighted.has(layer.op) || !isAlike || !isComputed) return [];
      const last = layer.inputs.slice(1).filter((id) => id !== null);
      const block = { sum, kept: kept as TensorId, last, macs: 0 };
      return [{ ...block, macs: all - sizesOf(bypassed(graph, block)).macs }];
    });
    const [best] = candidates.toSorted((a, b) => b.macs - a.macs);
    return best !== undefined && best.macs > 0 ? [best] : [];
  });
}

const shapeOf = (graph: Graph, id: TensorId | undefined) => tensorOf(graph, id as TensorId).shape;

/**
 * The candidate without these branches. Tensors that nothing reads any more go as well, so that
 * others have new ids. Where a branch computes zeros, every output is as it was.
 *
 * @param blocks of `blocksOf(graph)`
 */
export function withoutBlocks(candidate: Candidate, blocks: readonly Block[]): Candidate {
  const { masks, quantization, unrounded } = candidate;
  // From the end, since a block may keep what an earlier sum passes on.
  const fromEnd = candidate.graph.nodes.toReversed().flatMap(({ outputs: [output] }) => {
    return blocks.filter(({ sum }) => sum === output);
  });
  const bare = fromEnd.reduce(bypassed, candidate.graph);
  const { graph, ids } = renumber(bare);
  const moved = <T>(map: ReadonlyMap<TensorId, T>): ReadonlyMap<TensorId, T> =>
    new Map(
      [...map].flatMap(([id, value]) => {
        const now = ids.get(id);
        return now === undefined ? [] : [[now, value] as const];
      }),
    );
  return {
    graph,
    masks: moved(masks),
    quantization:
      quantization === null
        ? null
        : { activations: moved(quantization.activations), weights: moved(quantization.weights) },
    ...(unrounded === undefined ? {} : { unrounded: moved(unrounded) }),
  };
}

/** The operators of activations that an `add` may have. */
const activationNodes: ReadonlyMap<unknown, Pick<Node, 'op' | 'attrs'>> = new Map([
  ['relu', { op: 'relu', attrs: {} }],
  ['relu6', { op: 'relu6', attrs: { algorithm: 'clamp' } }],
  ['relu_n1_to_1', { op: 'relu_n1_to_1', attrs: {} }],
]);

/** The sum becomes its activation, which goes as well where the kept operand has it already. */
function bypassed(graph: Graph, { sum, kept }: Block): Graph {
  const wanted = graph.nodes.find(({ outputs }) => outputs[0] === sum)?.attrs.activation;
  const activation = activationNodes.get(wanted);
  const producer = graph.nodes.find(({ outputs }) => outputs.includes(kept));
  if (activation === undefined || producer?.attrs.activation === wanted) {
    return removeDeadNodes(aliased(graph, sum, kept));
  }
  const nodes = graph.nodes.map((node) =>
    node.outputs[0] === sum ? { ...node, ...activation, inputs: [kept] } : node,
  );
  const alone = removeDeadNodes({ ...graph, nodes });
  const readers = alone.nodes.filter(({ inputs }) => inputs.includes(kept));
  // A layer that nothing else reads can have the activation itself.
  if (producer?.attrs.activation !== 'none' || readers.length > 1) return alone;
  const taken = alone.nodes.map((node) =>
    node === producer ? { ...node, attrs: { ...node.attrs, activation: wanted as string } } : node,
  );
  return aliased({ ...alone, nodes: taken }, sum, kept);
}

/** The graph without the node of `sum`, whose readers read `kept`. */
function aliased(graph: Graph, sum: TensorId, kept: TensorId): Graph {
  const nodes = graph.nodes
    .filter(({ outputs }) => outputs[0] !== sum)
    .map((node) => ({ ...node, inputs: node.inputs.map((id) => (id === sum ? kept : id)) }));
  return { ...graph, nodes };
}

/**
 * How much the outputs change without each branch, to first order: the root mean square over
 * samples and outputs of their slopes when the layer that ends the branch is scaled.
 */
export function taylorBlockScores(
  tf: Tf,
  candidate: Pick<Candidate, 'graph' | 'quantization'>,
  blocks: readonly Block[],
  data: Dataset,
  seed: number,
): Float64Array {
  const ids = [...new Set(blocks.flatMap(({ last }) => last))];
  const scores = new Float64Array(blocks.length);
  if (ids.length === 0) return scores;
  eachOutputChange(tf, candidate, ids, data, seed, (changes) => {
    blocks.forEach(({ last }, i) => {
      const sum = last.reduce(
        (all, id) => all + (changes.get(id) as Float32Array).reduce((a, b) => a + b, 0),
        0,
      );
      scores[i] = (scores[i] as number) + sum * sum;
    });
  });
  return scores.map(Math.sqrt);
}
