import { expect } from 'chai';
import { type Graph, mainGraph, tensorOf, viewOf } from '../../src/compiler/ir/graph.js';
import { clamp } from '../../src/compiler/ops/arithmetic/quant.js';
import { referenceOf } from '../../src/compress/candidate.js';
import { candidateOf, checkpointOf } from '../../src/compress/candidate-state.js';
import type { Dataset } from '../../src/compress/data/dataset.js';
import { channelsAlong } from '../../src/compress/float-graph.js';
import { biasCorrected } from '../../src/compress/quantize/bias.js';
import { layerMatrix } from '../../src/compress/quantize/layer-rows.js';
import { lower, weightIntegers } from '../../src/compress/quantize/lower.js';
import { observe } from '../../src/compress/quantize/observe.js';
import { quantizationOf } from '../../src/compress/quantize/ptq.js';
import { learnedRounding, roundDefaults } from '../../src/compress/quantize/round.js';
import {
  type Quantization,
  separated,
  type WeightType,
  weightTypes,
} from '../../src/compress/quantize/scheme.js';
import { makeRandom } from '../../src/compress/random.js';
import { settingsOf } from '../../src/compress/recipe.js';
import { floatAnswers, integerAnswers, signalToNoise } from '../../src/compress/score.js';
import { quantizeStep } from '../../src/compress/steps/quantize.js';
import { roundStep } from '../../src/compress/steps/round.js';
import { loadBackend, type Tf } from '../../src/compress/tensorflow.js';
import { runnerOf } from '../../src/compress/trace.js';
import { dequantized } from '../support/dequantize.js';
import { FloatNetwork } from '../support/float-network.js';
import { growGraph } from '../support/graphs.js';
import { head, samples } from '../support/samples.js';

const options = { ...roundDefaults, iterations: 200, batch: 64, rows: 512, learningRate: 0.05 };

describe('learned rounding', () => {
  let tf: Tf;
  before(async () => {
    ({ tf } = await loadBackend('wasm'));
  });

  const scalesOf = (graph: Graph, weights: WeightType, count = 40) => {
    const data = samples(count, tensorOf(graph, 0).shape.slice(1));
    const seen = observe(tf, runnerOf(tf, graph), data);
    return { data, quantization: quantizationOf(graph, seen, { calibration: 'min-max', weights }) };
  };
  const network = () =>
    new FloatNetwork([6, 6, 2], 7).conv(6).depthwise(3, 2).conv(8, 1).dense(4, 'none').graph();

  for (const weights of ['int8', 'int4', 'int3', 'int2', 'ternary', 'binary'] as const) {
    it(`${weights}: weights are multiples of their scales, next to what they were`, async () => {
      const graph = network();
      const { data, quantization } = scalesOf(graph, weights);
      const start = { graph, masks: new Map(), quantization };
      const few = { ...options, iterations: 10 };
      const { candidate, layers } = await learnedRounding(tf, start, graph, data, few);
      expect(layers.map(({ name }) => name)).to.deep.equal(
        graph.nodes.filter(({ inputs }) => inputs.length > 1).map(({ name }) => name),
      );
      for (const { nearest, learned } of layers) expect(learned).to.be.at.most(nearest);
      for (const [id, quant] of quantization.weights) {
        const after = tensorOf(candidate.graph, id);
        const integers = weightIntegers(after, quant);
        const { min, max } = weightTypes[weights];
        const step = weights === 'binary' ? 2 : 1;
        const was = tensorOf(graph, id).data as Float32Array;
        const channelOf = channelsAlong(after.shape, quant.axis);
        (after.data as Float32Array).forEach((value, i) => {
          const scale = quant.scales[channelOf(i)] as number;
          expect(value).to.equal(Math.fround(scale * (integers[i] as number)));
          const place = clamp((was[i] as number) / scale, min, max);
          expect(Math.abs(place - (integers[i] as number))).to.be.at.most(step + 1e-6);
        });
      }
    });
  }

  it('int2: samples that it has not seen keep more of the signal', async () => {
    const graph = network();
    const { data, quantization } = scalesOf(graph, 'int2', 120);
    const start = { graph, masks: new Map(), quantization };
    const { candidate } = await learnedRounding(tf, start, graph, data, options);
    const snrDb = (rounded: Graph) => {
      const integer = mainGraph(lower(head, rounded, quantization));
      return signalToNoise(wanted, integerAnswers(tf, integer, other).values);
    };
    const other = samples(60, [6, 6, 2], 9);
    const wanted = floatAnswers(tf, graph, other).values;
    expect(snrDb(candidate.graph)).to.be.above(snrDb(graph) + 1);
    const corrected = await biasCorrected(tf, candidate.graph, quantization, data, {
      reference: graph,
    });
    expect(snrDb(corrected)).to.be.above(snrDb(await biasCorrected(tf, graph, quantization, data)));
  });

  it('pruned weights stay zero', async () => {
    const graph = network();
    const id = graph.nodes[0]?.inputs[1] as number;
    const own = tensorOf(graph, id).data as Float32Array;
    own.forEach((_, i) => {
      if (i % 3 === 0) own[i] = 0;
    });
    const { data, quantization } = scalesOf(graph, 'int4');
    const start = { graph, masks: new Map(), quantization };
    const { candidate } = await learnedRounding(tf, start, graph, data, options);
    const after = tensorOf(candidate.graph, id).data as Float32Array;
    expect(after.filter((value, i) => i % 3 === 0 && value !== 0)).to.have.length(0);
    expect(after.some((value) => value !== 0)).to.equal(true);
  });

  it('gives the same bits again', async () => {
    const graph = network();
    const { data, quantization } = scalesOf(graph, 'int4');
    const start = { graph, masks: new Map(), quantization };
    const few = { ...options, iterations: 10 };
    const [first, again] = [
      await learnedRounding(tf, start, graph, data, few),
      await learnedRounding(tf, start, graph, data, few),
    ];
    expect(again.layers).to.deep.equal(first?.layers);
  });

  it('leaves no tensors behind', async () => {
    const graph = network();
    const { data, quantization } = scalesOf(graph, 'int4');
    const before = tf.memory().numTensors;
    const start = { graph, masks: new Map(), quantization };
    await learnedRounding(tf, start, graph, data, { ...options, iterations: 2 });
    expect(tf.memory().numTensors).to.equal(before);
  });
});

describe('layers as products of matrices', () => {
  for (const op of ['conv2d', 'depthwise_conv2d', 'fully_connected']) {
    it(`${op}: rows times weights are the sums of the trace, any stride, padding and group`, async () => {
      const { tf } = await loadBackend('wasm');
      for (let seed = 1; seed <= 20; seed += 1) {
        const graph = dequantized(growGraph({ ops: [op], seed }));
        const node = graph.nodes.find((one) => one.op === op);
        if (node === undefined) continue;
        const plain = { ...node, attrs: { ...node.attrs, activation: 'none' } };
        const view = viewOf(graph, plain);
        const input = view.inputs[0];
        const weights = view.inputs[1]?.data as Float32Array;
        const random = makeRandom(seed);
        const x = Float32Array.from(
          { length: input?.shape.reduce((a, b) => a * b, 1) ?? 0 },
          random,
        );
        const one = {
          ...graph,
          nodes: [plain],
          inputs: [node.inputs[0] as number],
          outputs: node.outputs,
        };
        const [wanted] = runnerOf(tf, one).run([tf.tensor(x, [...(input?.shape ?? [])])]);
        const sums = wanted?.dataSync() as Float32Array;
        const matrix = layerMatrix(view as never);
        const { groups, depth, outputs, positions, weightAt } = matrix;
        const bias = view.inputs[2]?.data as Float32Array | undefined;
        const row = new Float32Array(groups * depth);
        for (let position = 0; position < positions; position += 1) {
          row.fill(0);
          matrix.read(x, position, row, 0, depth);
          for (let channel = 0; channel < groups * outputs; channel += 1) {
            const group = Math.floor(channel / outputs);
            let sum = bias?.[channel] ?? 0;
            for (let k = 0; k < depth; k += 1) {
              const at = weightAt[(group * depth + k) * outputs + (channel % outputs)] as number;
              sum += (row[group * depth + k] as number) * (weights[at] as number);
            }
            const got = sums[position * groups * outputs + channel] as number;
            expect(got, `seed ${seed}, ${position}, ${channel}`).to.be.closeTo(
              sum,
              1e-3 * Math.max(1, Math.abs(sum)),
            );
          }
        }
      }
    });
  }
});

describe('the steps quantize and round', () => {
  it('int3: rounding starts from biases in float, and corrects them after', async () => {
    const { tf } = await loadBackend('wasm');
    const graph = new FloatNetwork([6, 6, 2], 7)
      .conv(6)
      .depthwise(3, 2)
      .conv(8, 1)
      .dense(4, 'none');
    const original = separated(graph.graph());
    const [calibration, validation, test] = [1, 2, 3].map((seed) =>
      samples(120, [6, 6, 2], seed),
    ) as [Dataset, Dataset, Dataset];
    const data = { train: calibration, calibration, validation };
    const surroundings = { tf, head, original, data, costOf: null, seed: 1 };
    const keeper = { resumed: null, save: () => {} };
    const none = () => {};
    const start = { graph: original, masks: new Map(), quantization: null };
    const quantize = settingsOf({ step: 'quantize', weights: 'int3', equalize: false });
    const { candidate } = await quantizeStep.run(start, quantize, surroundings, none, keeper);
    expect(candidate.unrounded?.size, 'corrected biases').to.equal(4);
    expect(referenceOf(candidate)).to.deep.equal(original);
    const round = settingsOf({ step: 'round', iterations: 200, learningRate: 0.05 });
    const { candidate: made } = await roundStep.run(candidate, round, surroundings, none, keeper);
    expect(referenceOf(made)).to.deep.equal(original);
    expect(candidateOf(checkpointOf(made, {}))).to.deep.equal(made);
    const wanted = floatAnswers(tf, original, test).values;
    const [before, after] = [candidate, made].map((one) => {
      const integer = mainGraph(lower(head, one.graph, one.quantization as Quantization));
      return signalToNoise(wanted, integerAnswers(tf, integer, test).values);
    });
    expect(after).to.be.above(before as number);
  });
});
