import { expect } from 'chai';
import fc from 'fast-check';
import { analyse } from '../../src/compiler/analysis/index.js';
import {
  elementCount,
  isInteger,
  type Module,
  mainGraph,
  type Node,
  type NodeView,
  type Tensor,
  tensorOf,
  viewOf,
} from '../../src/compiler/ir/graph.js';
import type { ChannelBounds } from '../../src/compiler/ir/op.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import type { Window } from '../../src/compiler/ops/shape/window.js';
import { graphSeeds, growGraph } from '../support/graphs.js';
import { Random } from '../support/module.js';
import { moduleOf } from '../support/operator.js';
import { runs } from '../support/runs.js';

/** Inputs at either end, at both in turn, and random. */
function* feeds(module: Module, seed: number) {
  const random = new Random(seed);
  const graph = mainGraph(module);
  const fed = (element: () => number) =>
    graph.inputs.map((id) => {
      const count = elementCount(tensorOf(graph, id).shape);
      return Int8Array.from({ length: count }, element);
    });
  yield fed(() => -128);
  yield fed(() => 127);
  yield fed(() => random.pick([-128, 127]));
  yield fed(() => random.integer(-128, 127));
}

describe('ranges', () => {
  it('hold every value of random graphs of all operators', () => {
    fc.assert(
      fc.property(graphSeeds, (graphSeed) => {
        const module = growGraph(graphSeed);
        const graph = mainGraph(module);
        const facts = analyse(graph);
        for (const inputs of feeds(module, graphSeed.seed)) {
          for (const [id, data] of evaluateGraph(graph, inputs).tensors) {
            const tensor = tensorOf(graph, id);
            // Bounds are integers.
            if (!isInteger(tensor.dtype)) continue;
            const { min, max } = facts.range(tensor);
            expect(min).to.have.length(tensor.shape.at(-1) ?? 1);
            for (const [i, element] of data.entries()) {
              const channel = i % min.length;
              const [low, high] = [min[channel] as number, max[channel] as number];
              if (element < low || element > high) {
                expect.fail(`${tensor.name}[${i}] is ${element}, not ${low} to ${high}`);
              }
            }
          }
        }
      }),
      { numRuns: runs(400) },
    );
  });

  it('of elements that move are found without the others of a large input', () => {
    // 2^34 elements are more than an array can hold; a damaged file may state as many.
    const graph = mainGraph(
      moduleOf('resize_nearest_neighbor', {
        edge: 'a large input',
        inputs: [{ shape: [1, 2 ** 31, 4, 2] }],
        shapes: [[1, 1, 3, 2]],
        attrs: { alignCorners: false, halfPixelCenters: true },
      }),
    );
    const [output] = viewOf(graph, graph.nodes[0] as Node).outputs;
    const { min, max } = analyse(graph).range(output as Tensor);
    expect([[...min], [...max]]).to.deep.equal([
      [-128, -128],
      [127, 127],
    ]);
  });

  const seeds = Array.from({ length: 300 }, (_, seed) => seed + 1);
  for (const op of ['conv2d', 'depthwise_conv2d', 'fully_connected']) {
    it(`of ${op}'s accumulators are those of its worst positions, no wider and no tighter`, () => {
      for (const seed of seeds) {
        const graph = mainGraph(growGraph({ ops: [op], seed }));
        const node = graph.nodes.at(-1);
        if (node?.op !== op) continue;
        const view = viewOf(graph, node);
        expect(analyse(graph).accumulator(view), `seed ${seed}`).to.eql(worstPositions(view));
      }
    });
  }
});

/** Bounds of Σ (x − zero point)·w + bias by walking every position, each input −128 or 127. */
function worstPositions(view: NodeView): ChannelBounds {
  const { attrs, outputs } = view as unknown as NodeView<Window & { depthMultiplier?: number }>;
  const [input, weights, bias] = view.inputs as readonly [Tensor, Tensor, Tensor | null];
  const isImage = input.shape.length === 4 && weights.shape.length === 4;
  const [, inH = 1, inW = 1, inC = 1] = isImage ? input.shape : [1, 1, 1, weights.shape[1]];
  const [, outH = 1, outW = 1, outC = 1] = isImage
    ? (outputs[0]?.shape ?? [])
    : [1, 1, 1, weights.shape[0]];
  const [, kernelH = 1, kernelW = 1] = isImage ? weights.shape : [];
  const each = attrs.depthMultiplier;
  const zeroPoint = input.quant?.zeroPoints[0] ?? 0;
  const min = new Int32Array(outC).fill(2 ** 31 - 1);
  const max = new Int32Array(outC).fill(-(2 ** 31));
  for (let oy = 0; oy < outH; oy++) {
    for (let ox = 0; ox < outW; ox++) {
      for (let o = 0; o < outC; o++) {
        let [low, high] = [Number(bias?.data?.[o] ?? 0), Number(bias?.data?.[o] ?? 0)];
        for (let tap = 0; tap < kernelH * kernelW; tap++) {
          const [ky, kx] = [Math.floor(tap / kernelW), tap % kernelW];
          const iy = isImage ? oy * attrs.strideH - attrs.padTop + ky * attrs.dilationH : 0;
          const ix = isImage ? ox * attrs.strideW - attrs.padLeft + kx * attrs.dilationW : 0;
          if (iy < 0 || iy >= inH || ix < 0 || ix >= inW) continue;
          const places =
            each === undefined
              ? Array.from({ length: inC }, (_, c) => (o * kernelH * kernelW + tap) * inC + c)
              : [tap * outC + o];
          for (const place of places) {
            const weight = Number(weights.data?.[place]);
            const products = [-128, 127].map((x) => (x - zeroPoint) * weight);
            low += Math.min(...products);
            high += Math.max(...products);
          }
        }
        min[o] = Math.min(min[o] as number, low);
        max[o] = Math.max(max[o] as number, high);
      }
    }
  }
  return { min, max };
}
