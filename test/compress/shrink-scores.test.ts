import { expect } from 'chai';
import { elementCount, type Graph, type TensorId, tensorOf } from '../../src/compiler/ir/graph.js';
import type { Dataset } from '../../src/compress/data/dataset.js';
import { withValues } from '../../src/compress/float-graph.js';
import { makeRandom } from '../../src/compress/random.js';
import { type Answers, floatAnswers } from '../../src/compress/score.js';
import { couplingOf } from '../../src/compress/shrink/coupling.js';
import { normScores, taylorGroupScores } from '../../src/compress/shrink/scores.js';
import { loadBackend, type Tf } from '../../src/compress/tensorflow.js';
import { FloatNetwork } from '../support/float-network.js';

function samples(count: number): Dataset {
  const random = makeRandom(5);
  const shape = [4, 4, 2];
  const x = Float32Array.from({ length: count * elementCount(shape) }, () => 2 * random() - 1);
  const labels = Int32Array.from({ length: count }, (_, i) => i % 3);
  return { where: 'samples', count, shape, x, labels, classes: ['a', 'b', 'c'] };
}

/** Layers 4 and 5 wide, a sum over the first, and scores. */
function network(outputs = 3): FloatNetwork {
  const net = new FloatNetwork([4, 4, 2], 3).conv(4);
  const skip = net.last;
  net.conv(5, 1).conv(4, 1, 1, 'none').add('add', [skip], { activation: 'relu' });
  return net.depthwise().mean().dense(outputs, 'none');
}

const filled = (graph: Graph, node: number, position: number, values: readonly number[]) => {
  const id = graph.nodes[node]?.inputs[position] as TensorId;
  return withValues(graph, new Map([[id, Float32Array.from(values)]]));
};

describe('scores of groups of channels', () => {
  it('norms of filters and columns, relative to the mean of their layers', () => {
    const plain = new FloatNetwork([2]).dense(3, 'none').dense(2, 'none').graph();
    const one = filled(plain, 0, 1, [3, 4, 0, 1, -6, 8]);
    const graph = filled(one, 1, 1, [1, 1, 2, -1, 2, 0]);
    const { groups } = couplingOf(graph);
    const sums = (...parts: readonly (readonly number[])[]) =>
      [0, 1, 2].map((i) =>
        parts.reduce(
          (sum, part) => sum + (3 * (part[i] as number)) / part.reduce((a, b) => a + b),
          0,
        ),
      );
    const close = (got: Float64Array, wanted: readonly number[]) => {
      wanted.forEach((value, i) => {
        expect(got[i]).to.be.closeTo(value, 1e-9);
      });
    };
    close(normScores(graph, groups, 'l2'), sums([5, 1, 10], [Math.SQRT2, Math.sqrt(5), 2]));
    close(normScores(graph, groups, 'l1'), sums([7, 1, 14], [2, 3, 2]));
  });

  describe('by Taylor', () => {
    let tf: Tf;
    before(async () => {
      ({ tf } = await loadBackend('wasm'));
    });

    /** The root mean square over samples and outputs of the slope when a group is scaled. */
    function slopes(
      graph: Graph,
      nodes: readonly number[],
      channel: number,
      data: Dataset,
    ): number {
      const [above, below] = [1.01, 0.99].map((factor) =>
        floatAnswers(tf, scaled(graph, nodes, channel, factor), data),
      ) as [Answers, Answers];
      const squares = above.values.map((y, i) => ((y - (below.values[i] as number)) / 0.02) ** 2);
      return Math.sqrt(squares.reduce((a, b) => a + b) / squares.length);
    }

    function scaled(
      graph: Graph,
      nodes: readonly number[],
      channel: number,
      factor: number,
    ): Graph {
      const values = nodes.flatMap((node) =>
        (graph.nodes[node]?.inputs.slice(1) ?? []).map((id) => {
          const { data, shape } = tensorOf(graph, id as TensorId);
          const inner = elementCount(shape.slice(1));
          const own = (data as Float32Array).map((value, i) =>
            Math.floor(i / inner) === channel ? value * factor : value,
          );
          return [id as TensorId, own] as const;
        }),
      );
      return withValues(graph, new Map(values));
    }

    // The layers that compute channels, by node, where the first group of each family begins.
    const writers = [
      { first: 0, count: 4, nodes: [0, 2] },
      { first: 4, count: 5, nodes: [1] },
    ];
    const rows: readonly {
      readonly edge: string;
      readonly classes: number;
      readonly isLabelled: boolean;
      readonly off: number;
    }[] = [
      {
        edge: 'one output: each sample tells its own change',
        classes: 1,
        isLabelled: false,
        off: 0.01,
      },
      {
        edge: 'three outputs: random signs tell them apart',
        classes: 3,
        isLabelled: false,
        off: 0.4,
      },
      { edge: 'labels that the scores fit change nothing', classes: 3, isLabelled: true, off: 0.4 },
    ];
    for (const { edge, classes, isLabelled, off } of rows) {
      it(`are the change of the outputs when all filters of a group are scaled: ${edge}`, () => {
        const plain = samples(50);
        const labels = isLabelled ? plain.labels : null;
        const data = { ...plain, labels, classes: isLabelled ? plain.classes : null };
        const graph = network(classes).graph();
        const { groups } = couplingOf(graph);
        expect(groups).to.have.length(9);
        const tensors = tf.memory().numTensors;
        const scores = taylorGroupScores(tf, { graph, quantization: null }, groups, data, 1);
        expect(tf.memory().numTensors).to.equal(tensors);
        for (const { first, count, nodes } of writers) {
          for (let channel = 0; channel < count; channel += 1) {
            const slope = slopes(graph, nodes, channel, plain);
            expect(scores[first + channel]).to.be.closeTo(slope, off * slope + 1e-4);
          }
        }
        expect(Math.max(...scores)).to.be.above(0.02);
      });
    }

    it('of a model that is sure of its labels, as of one that is not', () => {
      const data = samples(64);
      const graph = network(3).softmax().graph();
      const open = network(3).graph();
      const of = (one: Graph) =>
        taylorGroupScores(tf, { graph: one, quantization: null }, couplingOf(one).groups, data, 1);
      // Before the softmax: there a change shows however sure the model is.
      expect([...of(graph)]).to.deep.equal([...of(open)]);
    });
  });
});
