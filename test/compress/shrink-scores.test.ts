import { expect } from 'chai';
import type { Dataset } from '../../src/compress/data/dataset.js';
import { withValues } from '../../src/compress/float-graph.js';
import { makeRandom } from '../../src/compress/random.js';
import { floatAnswers } from '../../src/compress/score.js';
import { couplingOf } from '../../src/compress/shrink/coupling.js';
import {
  normScores,
  perLayer,
  scaleScores,
  taylorGroupScores,
} from '../../src/compress/shrink/scores.js';
import { loadBackend, type Tf } from '../../src/compress/tensorflow.js';
import { trainDefaults } from '../../src/compress/train/loop.js';
import { elementCount, type Graph, type TensorId, tensorOf } from '../../src/ir/graph.js';
import { FloatNetwork } from '../support/float-network.js';

function samples(count: number): Dataset {
  const random = makeRandom(5);
  const shape = [4, 4, 2];
  const x = Float32Array.from({ length: count * elementCount(shape) }, () => 2 * random() - 1);
  const labels = Int32Array.from({ length: count }, (_, i) => i % 3);
  return { where: 'samples', count, shape, x, labels, classes: ['a', 'b', 'c'] };
}

/** Layers 4 and 5 wide, a sum over the first, and the scores of three classes. */
function network(): FloatNetwork {
  const net = new FloatNetwork([4, 4, 2], 3).conv(4);
  const skip = net.last;
  net.conv(5, 1).conv(4, 1, 1, 'none').add('add', [skip], { activation: 'relu' });
  return net.depthwise().mean().dense(3, 'none');
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

  it('factors of batch normalization where they are, else none', () => {
    const net = new FloatNetwork([4, 4, 2]).conv(3);
    const data = Float32Array.of(0.5, -2, 0);
    const rest = { name: 'gamma', dtype: 'float32' as const, quant: null, source: null };
    const gamma = net.tensors.push({ ...rest, shape: [3], data }) - 1;
    const graph = net.add('mul', [gamma], { activation: 'none' }).conv(2).graph();
    expect([...(scaleScores(graph, couplingOf(graph).groups) ?? [])]).to.deep.equal([0.5, 2, 0]);
    const without = network().graph();
    expect(scaleScores(without, couplingOf(without).groups)).to.equal(null);
  });

  it('per layer, the mean is 1, and a layer of zeros stays 0', () => {
    const { groups } = couplingOf(network().graph());
    const relative = perLayer(groups, Float64Array.of(2, 2, 4, 8, 0, 0, 0, 0, 0));
    expect([...relative]).to.deep.equal([0.5, 0.5, 1, 2, 0, 0, 0, 0, 0]);
  });

  describe('by Taylor', () => {
    let tf: Tf;
    before(async () => {
      ({ tf } = await loadBackend('wasm'));
    });

    it('are the slope of the loss when all filters of a group are scaled', () => {
      const data = samples(6);
      const graph = network().graph();
      const { groups } = couplingOf(graph);
      expect(groups).to.have.length(9);
      const options = { ...trainDefaults, batch: 6, teacherShare: 0 };
      const start = { graph, quantization: null };
      const scores = taylorGroupScores(tf, start, groups, data, null, options);
      // The layers that compute channels: by node, where the first group of each family begins.
      const writers = [
        { first: 0, nodes: [0, 2] },
        { first: 4, nodes: [1] },
      ];
      for (const { first, nodes } of writers) {
        for (let channel = 0; channel < (first === 0 ? 4 : 5); channel += 1) {
          const slope =
            (loss(scaled(graph, nodes, channel, 1.01), data) -
              loss(scaled(graph, nodes, channel, 0.99), data)) /
            0.02;
          expect(scores[first + channel]).to.be.closeTo(Math.abs(slope), 2e-3);
        }
      }
      expect(Math.max(...scores)).to.be.above(0.02);
    });

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

    /** Mean cross-entropy. */
    function loss(graph: Graph, data: Dataset): number {
      const { size, values } = floatAnswers(tf, graph, data);
      let sum = 0;
      for (let sample = 0; sample < data.count; sample += 1) {
        const own = values.subarray(sample * size, (sample + 1) * size);
        const total = own.reduce((all, value) => all + Math.exp(value), 0);
        sum += Math.log(total) - (own[data.labels?.[sample] ?? 0] as number);
      }
      return sum / data.count;
    }

    it('are a mean over batches: small ones tell samples apart, and no tensor is left behind', () => {
      const data = samples(6);
      const graph = network().graph();
      const { groups } = couplingOf(graph);
      const start = { graph, quantization: null };
      const tensors = tf.memory().numTensors;
      const of = (batch: number) =>
        taylorGroupScores(tf, start, groups, data, null, {
          ...trainDefaults,
          teacherShare: 0,
          batch,
        });
      const [one, all] = [of(1), of(6)];
      expect(tf.memory().numTensors).to.equal(tensors);
      one.forEach((score, i) => {
        expect(score).to.be.at.least((all[i] as number) - 1e-6);
      });
      expect(one.some((score, i) => score > 1.2 * (all[i] as number))).to.equal(true);
    });
  });
});
