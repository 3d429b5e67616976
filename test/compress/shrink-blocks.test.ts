import { expect } from 'chai';
import { checkModule } from '../../src/compiler/ir/check.js';
import { elementCount, type Graph, type TensorId, tensorOf } from '../../src/compiler/ir/graph.js';
import { operators } from '../../src/compiler/ops/index.js';
import { parametersOf, withValues } from '../../src/compress/float-graph.js';
import { makeRandom } from '../../src/compress/random.js';
import { blocksOf, taylorBlockScores, withoutBlocks } from '../../src/compress/shrink/blocks.js';
import { sizesOf } from '../../src/compress/shrink/families.js';
import { shrinkTo } from '../../src/compress/shrink/shrink-to.js';
import { type Scoring, shrinkWithBlocks } from '../../src/compress/shrink/with-blocks.js';
import { elementsOf, loadBackend, type Tf, type TfTensor } from '../../src/compress/tensorflow.js';
import { runnerOf } from '../../src/compress/trace.js';
import { FloatNetwork } from '../support/float-network.js';

/** A block with the input of its sum as it is, or through a layer. */
function block(net: FloatNetwork, isProjected: boolean, activation: string): void {
  const skip = net.last;
  net.conv(5, 3).conv(4, 3, 1, 'none');
  const branch = net.last;
  net.last = skip;
  if (isProjected) net.conv(4, 1, 1, 'none');
  net.add('add', [branch], { activation });
}

/** Three blocks of 4 channels behind a layer, and the scores of three classes. */
function network(first: string, second: string, start = 'relu', isReadAgain = false): FloatNetwork {
  const net = new FloatNetwork([4, 4, 2], 7).conv(4, 3, 1, start);
  const from = net.last;
  block(net, false, first);
  if (isReadAgain) net.add('sub', [from], { activation: 'relu' });
  block(net, true, second);
  block(net, false, 'relu');
  return net.mean().dense(3, 'none');
}

const parameters = (graph: Graph) =>
  new Map(
    parametersOf(graph)
      .toSorted((a, b) => a - b)
      .map((id) => [id, tensorOf(graph, id).data as Float32Array]),
  );

describe('residual blocks', () => {
  let tf: Tf;
  before(async () => {
    ({ tf } = await loadBackend('wasm'));
  });

  const outputs = (graph: Graph) => {
    const random = makeRandom(3);
    const shape = [2, 4, 4, 2];
    const x = Float32Array.from({ length: elementCount(shape) }, () => 2 * random() - 1);
    return elementsOf(tf, () => runnerOf(tf, graph).run([tf.tensor(x, shape)])[0] as TfTensor);
  };

  interface ShapeRow {
    readonly edge: string;
    readonly first: string;
    readonly second: string;
    readonly start?: string;
    readonly isReadAgain?: boolean;
  }
  const shapes: readonly ShapeRow[] = [
    { edge: 'each ends in relu', first: 'relu', second: 'relu' },
    { edge: 'sums without an activation', first: 'none', second: 'none' },
    { edge: 'another activation than the kept side has', first: 'relu6', second: 'relu_n1_to_1' },
    {
      edge: 'a kept layer without an activation that only the branch and the sum read',
      first: 'relu',
      second: 'relu',
      start: 'none',
    },
    {
      edge: 'a kept layer without an activation that another node reads',
      first: 'relu',
      second: 'relu',
      start: 'none',
      isReadAgain: true,
    },
  ];
  for (const { edge, first, second, start, isReadAgain } of shapes) {
    it(`all outputs stay where the branches that go compute zeros: ${edge}`, () => {
      const net = network(first, second, start, isReadAgain);
      const blocks = blocksOf(net.graph());
      expect(blocks.map(({ macs }) => macs)).to.deep.equal([5760, 5760, 5760]);
      for (let chosen = 1; chosen < 8; chosen += 1) {
        const removed = blocks.filter((_, i) => ((chosen >> i) & 1) === 1);
        const zeros = removed.flatMap(({ last }) => last);
        const graph = withValues(
          net.graph(),
          new Map(
            zeros.map((id) => [id, new Float32Array(tensorOf(net.graph(), id).data?.length ?? 0)]),
          ),
        );
        const masks = new Map(
          parametersOf(graph).map((id) => [
            id,
            Uint8Array.from(tensorOf(graph, id).data as Float32Array, (v) => Number(v > 0)),
          ]),
        );
        // In any order.
        const made = withoutBlocks(
          { graph, masks, quantization: null, unrounded: parameters(graph) },
          removed.toReversed(),
        );
        checkModule({ ...net.module(), graphs: [made.graph] }, operators, 'blocks');
        expect(outputs(made.graph)).to.deep.equal(outputs(graph));
        const macs = sizesOf(graph).macs - 5760 * removed.length;
        expect(sizesOf(made.graph).macs).to.equal(macs);
        expect(made.unrounded).to.deep.equal(parameters(made.graph));
        // Nothing is left behind, and what is left kept its masks.
        expect([...made.masks.keys()].sort()).to.deep.equal([...parametersOf(made.graph)].sort());
        for (const [id, mask] of made.masks) {
          const values = tensorOf(made.graph, id).data as Float32Array;
          expect([...mask]).to.deep.equal(Array.from(values, (v) => Number(v > 0)));
        }
        const read = new Set(
          made.graph.nodes.flatMap(({ inputs, outputs: own }) => [...inputs, ...own]),
        );
        expect(made.graph.tensors).to.have.length(read.size + 1 - Number(read.has(0)));
      }
    });
  }

  it('an activation that the kept layer can have needs no operator', () => {
    const graph = network('relu', 'relu').graph();
    const start = { graph, masks: new Map(), quantization: null };
    const made = withoutBlocks(start, blocksOf(graph)).graph;
    expect(made.nodes.map(({ op }) => op)).to.deep.equal([
      'conv2d',
      'conv2d',
      'mean',
      'fully_connected',
    ]);
    expect(made.nodes[1]?.attrs.activation).to.equal('relu');
  });

  it('sums whose output ends the graph, or to which no layer adds, are none', () => {
    const last = new FloatNetwork([4, 4, 2]).conv(4);
    block(last, false, 'relu');
    expect(blocksOf(last.graph())).to.deep.equal([]);
    const pooled = new FloatNetwork([4, 4, 2]).conv(4);
    const skip = pooled.last;
    pooled.add('relu', [], {}).add('add', [skip], { activation: 'none' }).mean().dense(2);
    expect(blocksOf(pooled.graph())).to.deep.equal([]);
  });

  it('score by how much the outputs change when the end of the branch is scaled', () => {
    const graph = network('relu', 'relu').graph();
    const blocks = blocksOf(graph);
    const random = makeRandom(5);
    const x = Float32Array.from({ length: 64 * 32 }, () => 2 * random() - 1);
    const data = { where: 'x', count: 64, shape: [4, 4, 2], x, labels: null, classes: null };
    const scores = taylorBlockScores(tf, { graph, quantization: null }, blocks, data, 1);
    const scaled = (last: readonly TensorId[], factor: number) => {
      const own = (id: TensorId) =>
        (tensorOf(graph, id).data as Float32Array).map((value) => value * factor);
      return withValues(graph, new Map(last.map((id) => [id, own(id)])));
    };
    const outputs = (of: Graph) =>
      elementsOf(tf, () => runnerOf(tf, of).run([tf.tensor(x, [64, 4, 4, 2])])[0] as TfTensor);
    blocks.forEach(({ last }, i) => {
      const [above, below] = [outputs(scaled(last, 1.01)), outputs(scaled(last, 0.99))];
      const squares = above.map((y, k) => ((y - (below[k] as number)) / 0.02) ** 2);
      const slope = Math.sqrt(squares.reduce((a, b) => a + b) / squares.length);
      expect(scores[i]).to.be.closeTo(slope, 0.3 * slope);
    });
    expect(Math.max(...scores)).to.be.above(0.05);
  });
});

describe('shrinking with blocks', () => {
  const start = () => ({
    graph: network('relu', 'relu').graph(),
    masks: new Map(),
    quantization: null,
  });
  const options = { multiple: 1, least: 1 } as const;
  /** Every channel matters alike; blocks as a row says. */
  const scoring = (ofBlocks: readonly number[]): Scoring => ({
    groups: (_, groups) => groups.map(() => 1),
    blocks: (_, blocks) => {
      const all = blocksOf(start().graph).length;
      // What is left of the scores, by how many went: the first ones go first here.
      return ofBlocks.slice(all - blocks.length);
    },
  });
  const rows = [
    { edge: 'dear ones stay', blocks: [99, 99, 99], macs: 0.5, gone: 0 },
    {
      edge: 'a cheap one goes, and channels make up the rest',
      blocks: [0.1, 99, 99],
      macs: 0.5,
      gone: 1,
    },
    { edge: 'all go where channels would cost more', blocks: [0.1, 0.1, 0.1], macs: 0.12, gone: 3 },
    { edge: 'none goes where the goal is met already', blocks: [0, 0, 0], macs: 1, gone: 0 },
    { edge: 'out of reach for channels alone', blocks: [50, 60, 70], macs: 0.02, gone: 3 },
  ] as const;
  for (const { edge, blocks, macs, gone } of rows) {
    it(edge, () => {
      const made = shrinkWithBlocks(start(), { macs }, scoring(blocks), options);
      expect(made.blocks).to.equal(gone);
      expect(made.isMet).to.equal(true);
      const all = sizesOf(start().graph).macs;
      expect(sizesOf(made.candidate.graph).macs).to.be.within(0, macs * all);
      const ofBlocks = blocks.slice(0, gone).reduce<number>((a, b) => a + b, 0);
      expect(made.harm).to.be.at.least(ofBlocks);
      const plain = shrinkTo(
        start(),
        { macs },
        { ...options, scores: new Float64Array(99).fill(1) },
      );
      if (plain.isMet) expect(made.harm).to.be.at.most(plain.harm);
    });
  }
});
