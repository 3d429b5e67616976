import { expect } from 'chai';
import type { Candidate } from '../../src/compress/candidate.js';
import type { Dataset } from '../../src/compress/data/dataset.js';
import { agreementOf } from '../../src/compress/quantize/agreement.js';
import { fakeQuantizer } from '../../src/compress/quantize/fake.js';
import { lower } from '../../src/compress/quantize/lower.js';
import { observe } from '../../src/compress/quantize/observe.js';
import { quantizationOf } from '../../src/compress/quantize/ptq.js';
import { separated, type WeightType } from '../../src/compress/quantize/scheme.js';
import { makeRandom } from '../../src/compress/random.js';
import { quantizedSamples } from '../../src/compress/score.js';
import { loadBackend, type Tf, type TfTensor } from '../../src/compress/tensorflow.js';
import { constantOf, type Hooks, runnerOf } from '../../src/compress/trace.js';
import { train, trainDefaults } from '../../src/compress/train/loop.js';
import { importModel } from '../../src/import/index.js';
import { mainGraph, type TensorId, tensorOf } from '../../src/ir/graph.js';
import { evaluateGraph } from '../../src/ops/evaluate.js';
import { writeTflite } from '../../src/write/tflite.js';
import { FloatNetwork } from '../support/float-network.js';
import { squares, squaresNetwork } from '../support/squares.js';

describe('the trained graph and the int8 graph', () => {
  let tf: Tf;
  before(async () => {
    ({ tf } = await loadBackend('wasm'));
  });

  const window = { kernelH: 2, kernelW: 2, strideH: 2, strideW: 2 };
  const pads = { padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 };
  const image = (seed = 1) => new FloatNetwork([8, 8, 2], seed);
  /** A sum, or another operator, of a layer's output and what the layer read. */
  function joined(op: string, attrs: object = { activation: 'none' }): FloatNetwork {
    const network = image().conv(3, 3, 1, 'none');
    const before = network.last;
    network.conv(3);
    return network.add(op, [before], { rounding: 'double', algorithm: 'scalar', ...attrs });
  }
  const networks: readonly (readonly [edge: string, network: FloatNetwork])[] = [
    ['convolutions with ReLU', image().conv(4).conv(5, 3, 2)],
    ['ReLU6', image().conv(4, 3, 1, 'relu6').conv(5, 3, 2, 'relu6')],
    ['without activation', image().conv(4, 3, 1, 'none').conv(5, 3, 2, 'none')],
    ['depthwise', image().conv(4).depthwise().depthwise(3, 2)],
    ['maxima, reshape and fully connected', image().conv(4).maxPool().dense(7).dense(3, 'none')],
    [
      'averages',
      image()
        .conv(4)
        .add('average_pool2d', [], { ...window, ...pads, activation: 'none' }),
    ],
    ['mean', image().conv(4).mean().dense(3, 'none')],
    ['softmax', image().conv(4).mean().dense(3, 'none').softmax()],
    ['logistic', image().conv(2, 3, 1, 'none').add('logistic', [], {})],
    ['tanh', image().conv(2, 3, 1, 'none').add('tanh', [], {})],
    ['hard swish', image().conv(2, 3, 1, 'none').add('hard_swish', [], {})],
    ['leaky ReLU', image().conv(2, 3, 1, 'none').add('leaky_relu', [], { alpha: 0.1 })],
    ['ReLU as an operator', image().conv(2, 3, 1, 'none').add('relu', [], {})],
    ['a sum with ReLU', joined('add', { activation: 'relu' })],
    ['a difference', joined('sub')],
    ['a product', joined('mul')],
    ['a concatenation', joined('concatenation', { axis: 3, activation: 'none' })],
    [
      'padding',
      image()
        .conv(2)
        .add('pad', [], { pads: [0, 0, 1, 2, 0, 1, 0, 0] })
        .conv(3),
    ],
  ];

  const data: Dataset = { ...squares(96, 4), ...samples(96, 128) };
  function samples(count: number, size: number) {
    const random = makeRandom(7);
    const x = Float32Array.from({ length: count * size }, () => random() * 2 - 0.7);
    return { count, shape: [8, 8, 2], x, labels: null, classes: null };
  }

  /** Biases that matter, and scales that no ratio of small numbers has. */
  function candidateOf(network: FloatNetwork, type: WeightType = 'int8'): Candidate {
    const random = makeRandom(3);
    const graph = separated(network.graph());
    for (const { data: values, shape } of graph.tensors) {
      if (values !== null && shape.length === 1) {
        (values as Float32Array).set(Array.from(values as Float32Array, () => random() - 0.5));
      }
    }
    const seen = observe(tf, runnerOf(tf, graph), data);
    const quantization = quantizationOf(graph, seen, { calibration: 'min-max', weights: type });
    return { graph, masks: new Map(), quantization };
  }
  const integerOf = (network: FloatNetwork, { graph, quantization }: Candidate) => {
    const { graphs: _, ...head } = network.module();
    return lower(head, graph, quantization as NonNullable<typeof quantization>);
  };

  for (const [edge, network] of networks) {
    it(`have the same bits: ${edge}`, () => {
      const candidate = candidateOf(network);
      const integer = mainGraph(integerOf(network, candidate));
      for (const layer of agreementOf(tf, candidate, integer, data)) {
        expect(layer.elements).to.be.above(data.count);
        expect(layer, layer.name).to.include({ differing: 0, most: 0 });
      }
    });
  }

  const types = ['int4', 'int3', 'int2', 'ternary', 'binary'] as const;
  for (const type of types) {
    it(`have the same bits with ${type} weights, trained`, async () => {
      const network = squaresNetwork();
      const task = squares(64, 1);
      const graph = separated(network.graph());
      const seen = observe(tf, runnerOf(tf, graph), task);
      const quantization = quantizationOf(graph, seen, { calibration: 'min-max', weights: type });
      const options = { ...trainDefaults, epochs: 2, batch: 16, learningRate: 0.01 };
      const start = { graph, masks: new Map(), quantization };
      const trained = await train(tf, start, { data: task, options });
      const integer = mainGraph(integerOf(network, trained));
      const differing = agreementOf(tf, trained, integer, task).map((layer) => layer.differing);
      expect(differing).to.deep.equal(integer.nodes.map(() => 0));
    });
  }

  it('agree with evaluate on the written file', () => {
    const network = image().conv(4).maxPool().conv(6, 3, 2).mean().dense(3, 'none').softmax();
    const candidate = candidateOf(network);
    const file = writeTflite(integerOf(network, candidate));
    const read = mainGraph(importModel(file, { name: 'm', where: 'm', rounding: 'tflm' }));
    const own = mainGraph(integerOf(network, candidate));
    const agreeing = agreementOf(tf, candidate, own, data);
    expect(agreeing.every(({ differing }) => differing === 0)).to.equal(true);
    for (let sample = 0; sample < 8; sample += 1) {
      const input = quantizedSamples(own, data, sample, 1);
      const [wanted] = evaluateGraph(own, [input]).outputs;
      expect(evaluateGraph(read, [input]).outputs[0]).to.deep.equal(wanted);
    }
  });

  it('a difference is listed by layer', () => {
    const network = image().conv(4).dense(3, 'none');
    const candidate = candidateOf(network);
    const integer = mainGraph(integerOf(network, candidate));
    const bias = integer.nodes[0]?.inputs[2] as TensorId;
    const tensors = integer.tensors.map((tensor, id) =>
      id === bias ? { ...tensor, data: (tensor.data as Int32Array).map((b) => b + 3000) } : tensor,
    );
    const layers = agreementOf(tf, candidate, { ...integer, tensors }, data);
    expect(layers[0]?.differing).to.be.above(100);
    expect(layers[0]?.most).to.be.above(1);
    expect(layers.map(({ op }) => op)).to.deep.equal(['conv2d', 'reshape', 'fully_connected']);
  });

  it('computes a layer whose weights have no scales in float32', () => {
    const graph = separated(new FloatNetwork([6], 3).dense(5).dense(4, 'none').graph());
    const x = Float32Array.from({ length: 48 }, (_, i) => Math.sin(i));
    const data: Dataset = { where: 'sine', count: 8, shape: [6], x, labels: null, classes: null };
    const seen = observe(tf, runnerOf(tf, graph), data);
    const all = quantizationOf(graph, seen, { calibration: 'min-max', weights: 'ternary' });
    const [first] = all.weights.keys();
    const some = new Map([...all.weights].filter(([id]) => id !== first));
    const quantizer = fakeQuantizer(tf, graph, { activations: new Map(), weights: some });
    const outputOf = (hooks: Hooks) => {
      const values = new Map<number, number[]>();
      const computed = (id: number, value: TfTensor) => {
        values.set(id, [...value.dataSync()]);
        return value;
      };
      const input = tf.tensor(x, [8, 6]);
      runnerOf(tf, graph).run([input], { ...hooks, computed });
      return graph.nodes.map(({ outputs: [id = -1] }) => values.get(id));
    };
    tf.tidy(() => {
      const [float, fake] = [
        outputOf({}),
        outputOf(quantizer.hooks((id) => constantOf(tf, tensorOf(graph, id)))),
      ];
      expect(fake[0]).to.deep.equal(float[0]);
      expect(fake[1]).not.to.deep.equal(float[1]);
    });
    const { graphs: _, ...head } = new FloatNetwork([6]).module();
    expect(() => lower(head, graph, { ...all, weights: some })).to.throw(/have no scales/);
  });
});
