/** Halves of steps: together they are the step, and they do not meet in memory. */
import { expect } from 'chai';
import { analyse } from '../../src/analysis/index.js';
import { byteCount, mainGraph, type TensorData, viewOf } from '../../src/ir/graph.js';
import { evaluateGraph } from '../../src/ops/evaluate.js';
import { opOf } from '../../src/ops/index.js';
import { candidatesFor, onTwoCores } from '../../src/plan/choose/candidates.js';
import { accessesOf, conflictOf, halvesOf, memoryOf } from '../../src/plan/schedule/parts.js';
import { sharedLayer, sharedOps } from '../support/halves.js';
import { GraphBuilder, perTensorQuant, randomInputs } from '../support/module.js';
import { NetworkBuilder } from '../support/networks.js';
import { contextOf, defaults } from '../support/plan.js';

const seeds = Array.from({ length: 150 }, (_, seed) => seed + 1);
const context = contextOf({ target: 'host', options: defaults });

describe('halves', () => {
  for (const op of sharedOps) {
    it(`of ${op} are the node: its bits, within what is proved of it`, () => {
      let halved = 0;
      for (const seed of seeds) {
        const module = sharedLayer(op, seed);
        const graph = mainGraph(module);
        const [node] = graph.nodes;
        if (node === undefined || graph.nodes.length > 1) continue;
        const view = viewOf(graph, node);
        const halves = halvesOf(view, { ...context, facts: analyse(graph) });
        if (halves === null) continue;
        halved += 1;
        const inputs = randomInputs(module, seed);
        const { outputs, tensors } = evaluateGraph(graph, inputs);
        const [whole] = outputs;
        const parts = halves.map((half) => {
          const operands = half.view.inputs.map((tensor, i) => {
            if (tensor === null || tensor.data !== null) return tensor?.data ?? null;
            const begin = half.inputBytes[i] ?? 0;
            expect(begin % 4, `seed ${seed}: alignment`).to.equal(0);
            const data = tensors.get(node.inputs[i] ?? -1) as TensorData;
            return data.subarray(begin, begin + byteCount(tensor)) as TensorData;
          });
          const [output] = opOf(half.view.node).evaluate(half.view, operands);
          const { min, max } = half.context.facts.range(half.view.outputs[0] as never);
          const channels = min.length;
          for (const [i, value] of (output as Int8Array).entries()) {
            const [low = 0, high = 0] = [min[i % channels], max[i % channels]];
            expect(value, `seed ${seed}: range`).to.be.within(low, high);
          }
          expect(half.context.facts.accumulator(half.view).min.length).to.equal(channels);
          return { output: Array.from(output as Int8Array), begin: half.outputBytes };
        });
        const [first, second] = parts;
        expect(second?.begin, `seed ${seed}`).to.equal(first?.output.length);
        const joined = parts.flatMap(({ output }) => output);
        expect(joined, `seed ${seed}`).to.deep.equal(Array.from(whole as Int8Array));
      }
      expect(halved).to.be.above(seeds.length / 4);
    });
  }

  const quant = perTensorQuant(0.02, 3);
  const build = (make: (b: NetworkBuilder) => number) => {
    const b = new NetworkBuilder();
    const graph = mainGraph(b.module([make(b)]));
    return viewOf(graph, graph.nodes[0] as never);
  };
  const rows: readonly {
    edge: string;
    view: ReturnType<typeof build>;
    /** Leads at which the output may lie on the input. */
    leads: readonly number[];
  }[] = [
    {
      edge: '1x1, as many channels: in place',
      view: build((b) => b.conv2d(b.input([1, 5, 5, 4], quant), 4)),
      leads: [0],
    },
    {
      edge: '1x1 to fewer channels: the second half would write over pixels of the first',
      view: build((b) => b.conv2d(b.input([1, 5, 5, 8], quant), 4)),
      leads: [],
    },
    {
      edge: 'windows share rows of the input',
      view: build((b) => b.depthwise(b.input([1, 6, 5, 8], quant), { pad: 1 })),
      leads: [],
    },
    {
      edge: 'stride 2, windows of one row',
      view: build((b) => b.conv2d(b.input([1, 8, 4, 4], quant), 4, { stride: 2 })),
      leads: [],
    },
    {
      edge: 'both halves of a fully connected layer read all of the input',
      view: build((b) => b.dense(b.input([1, 16], quant), 16)),
      leads: [],
    },
  ];
  for (const { edge, view, leads } of rows) {
    it(`share memory with the input only where they cannot meet: ${edge}`, () => {
      const both = onTwoCores(candidatesFor(view, context), context).implementations.filter(
        ({ parts }) => parts.length > 1,
      );
      expect(both).to.not.have.length(0);
      for (const implementation of both) {
        const { overlaps, scratchBytes } = memoryOf(implementation);
        expect(overlaps.map(({ lead }) => lead)).to.deep.equal(leads);
        const bytes = byteCount(view.inputs[0] as never);
        const meets = (lead: number) => {
          const inputs = view.inputs.map((_, i) => (i === 0 ? bytes : null));
          const places = { inputs, output: bytes - lead, scratch: 8 * bytes };
          const [first, second] = accessesOf(implementation, places);
          return first !== undefined && second !== undefined && conflictOf(first, second) !== null;
        };
        const output = byteCount(view.outputs[0] as never);
        expect(leads.map(meets), 'at its lead').to.deep.equal(leads.map(() => false));
        expect([output, -bytes].map(meets), 'apart').to.deep.equal([false, false]);
        expect([4, -4].every(meets), 'near by').to.equal(true);
        expect(scratchBytes % 4).to.equal(0);
      }
    });
  }

  it('are not of several images, nor of rows that begin at no word', () => {
    const halves = (shape: readonly number[]) => {
      const b = new GraphBuilder();
      const x = b.input(shape, quant);
      const w = b.constant(
        new Int8Array(9 * (shape[3] ?? 1)),
        [1, 3, 3, shape[3] ?? 1],
        perTensorQuant(0.02, 0),
      );
      const pads = { padTop: 1, padBottom: 1, padLeft: 1, padRight: 1 };
      const strides = { strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 };
      const attrs = { ...pads, ...strides, depthMultiplier: 1, activation: 'none' };
      const y = b.node('depthwise_conv2d', [x, w, null], { ...attrs, rounding: 'double' });
      const graph = mainGraph(b.module([y]));
      return halvesOf(viewOf(graph, graph.nodes[0] as never), context);
    };
    expect(halves([1, 4, 4, 4])?.length).to.equal(2);
    expect(halves([2, 4, 4, 4])).to.equal(null);
    expect(halves([1, 3, 3, 3])).to.equal(null);
    expect(halves([1, 1, 4, 4])).to.equal(null);
  });

  const span = (begin: number, end: number) => ({ begin, end });
  const meetings = [
    { edge: 'both write', a: [[], [span(0, 8)]], b: [[], [span(7, 9)]], at: span(7, 8) },
    { edge: 'the second reads', a: [[], [span(4, 8)]], b: [[span(0, 5)], []], at: span(4, 5) },
    { edge: 'the first reads', a: [[span(0, 5)], []], b: [[], [span(4, 8)]], at: span(4, 5) },
    { edge: 'both read', a: [[span(0, 8)], []], b: [[span(0, 8)], []], at: null },
    { edge: 'side by side', a: [[], [span(0, 8)]], b: [[span(8, 9)], [span(9, 10)]], at: null },
  ] as const;
  for (const { edge, a, b, at } of meetings) {
    it(`${at === null ? 'do not meet' : 'meet'} where ${edge}`, () => {
      const [first, second] = [a, b].map(([reads, writes]) => ({ reads, writes }));
      if (first === undefined || second === undefined) return expect.fail('two');
      expect(conflictOf(first, second)).to.deep.equal(at);
    });
  }
});
