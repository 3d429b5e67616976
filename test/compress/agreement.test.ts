import { expect } from 'chai';
import { importModel } from '../../src/compiler/formats/index.js';
import { writeTflite } from '../../src/compiler/formats/tflite/write.js';
import { mainGraph, type TensorId, tensorOf } from '../../src/compiler/ir/graph.js';
import { typesOf } from '../../src/compiler/ir/op.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { opOf } from '../../src/compiler/ops/index.js';
import type { Candidate } from '../../src/compress/candidate.js';
import type { Dataset } from '../../src/compress/data/dataset.js';
import { integerRunner } from '../../src/compress/integer.js';
import { agreementOf } from '../../src/compress/quantize/agreement.js';
import { fakeQuantizer } from '../../src/compress/quantize/fake.js';
import type { Integers } from '../../src/compress/quantize/lower.js';
import { lower } from '../../src/compress/quantize/lower.js';
import { observe } from '../../src/compress/quantize/observe.js';
import { quantizationOf } from '../../src/compress/quantize/ptq.js';
import {
  type ActivationQuant,
  type Quantization,
  separated,
  type WeightType,
  widenedQuant,
  widenedTensors,
} from '../../src/compress/quantize/scheme.js';
import { type TypeOptions, withTypes } from '../../src/compress/quantize/types.js';
import { makeRandom } from '../../src/compress/random.js';
import { quantizedSamples } from '../../src/compress/score.js';
import { loadBackend, type Tf, type TfTensor } from '../../src/compress/tensorflow.js';
import { constantOf, type Hooks, runnerOf } from '../../src/compress/trace.js';
import { train, trainDefaults } from '../../src/compress/train/loop.js';
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
  function candidateOf(
    network: FloatNetwork,
    options: TypeOptions = { activations: 'int8' },
  ): Candidate {
    const random = makeRandom(3);
    const { graph, types } = withTypes(separated(network.graph()), options);
    for (const { data: values, shape } of graph.tensors) {
      if (values !== null && shape.length === 1) {
        (values as Float32Array).set(Array.from(values as Float32Array, () => random() - 0.5));
      }
    }
    const seen = observe(tf, runnerOf(tf, graph), data);
    const weights = { calibration: 'min-max', weights: 'int8' } as const;
    return {
      graph,
      masks: new Map(),
      quantization: quantizationOf(graph, seen, { ...weights, types }),
    };
  }
  const integerOf = (network: FloatNetwork, { graph, quantization }: Candidate) => {
    const { graphs: _, ...head } = network.module();
    return lower(head, graph, quantization as NonNullable<typeof quantization>);
  };

  const narrow = { activations: 'int8' } as const;
  const wide = { activations: 'int16' } as const;
  const layers = (...names: readonly string[]) =>
    Object.fromEntries(names.map((name) => [name, wide]));
  const mixed = (...names: readonly string[]): TypeOptions => {
    return { activations: 'int8', layers: layers(...names) };
  };
  const hasWideKernels = ({ nodes }: FloatNetwork) =>
    nodes.every((node) => typesOf(opOf(node)).includes('int16'));
  const chain = () => image().conv(4).maxPool().conv(5).dense(3, 'none').softmax();
  const rows: readonly (readonly [edge: string, network: FloatNetwork, types: TypeOptions])[] = [
    ...networks.map(([edge, network]) => [edge, network, { activations: 'int8' }] as const),
    // Sums of int16 products reach 2^24 where those of int8 do not.
    ...networks.flatMap(([edge, network]) =>
      hasWideKernels(network) ? [[`int16, ${edge}`, network, wide] as const] : [],
    ),
    ['the first layer in int16', chain(), mixed('conv2d_0')],
    ['maxima between int16 and int8', chain(), mixed('conv2d_0', 'max_pool2d_1')],
    ['the last layers in int16', chain(), mixed('fully_connected_4', 'softmax_5')],
    ['an int16 layer between others', chain(), mixed('conv2d_2')],
    ['int8 in an int16 model', chain(), { ...wide, layers: { conv2d_2: { activations: 'int8' } } }],
    ['a sum of both types', joined('add'), mixed('conv2d_1')],
    ['a sum in int16 of int8', joined('add'), mixed('add_2')],
    [
      'a concatenation of both types',
      joined('concatenation', { axis: 3, activation: 'none' }),
      mixed('conv2d_1'),
    ],
  ];
  for (const [edge, network, types] of rows) {
    it(`have the same bits: ${edge}`, () => {
      const candidate = candidateOf(network, types);
      const integer = mainGraph(integerOf(network, candidate));
      for (const layer of agreementOf(tf, candidate, integer, data)) {
        expect(layer.elements).to.be.above(data.count);
        expect(layer, layer.name).to.include({ differing: 0, most: 0 });
      }
    });
  }

  const trainings: readonly (readonly [WeightType, TypeOptions])[] = [
    ...(['int4', 'int3', 'int2', 'ternary', 'binary'] as const).map(
      (type) => [type, narrow] as const,
    ),
    ['int8', wide],
    ['int8', mixed('conv2d_0')],
    ['int4', mixed('fully_connected_4')],
  ];
  for (const [weights, options] of trainings) {
    const names = Object.keys(options.layers ?? {}).join();
    it(`have the same bits, ${weights} weights, ${options.activations} ${names}, trained`, async () => {
      const network = squaresNetwork();
      const task = squares(64, 1);
      const { graph, types } = withTypes(separated(network.graph()), options);
      const seen = observe(tf, runnerOf(tf, graph), task);
      const quantization = quantizationOf(graph, seen, { calibration: 'min-max', weights, types });
      const training = { ...trainDefaults, epochs: 2, batch: 16, learningRate: 0.01 };
      const start = { graph, masks: new Map(), quantization };
      const trained = await train(tf, start, { data: task, options: training });
      const integer = mainGraph(integerOf(network, trained));
      const differing = agreementOf(tf, trained, integer, task).map((layer) => layer.differing);
      expect(differing).to.deep.equal(integer.nodes.map(() => 0));
      expect([...types.values()].includes('int16')).to.equal(options !== narrow);
      // int8 still becomes int16 without a loss.
      const { activations } = trained.quantization as Quantization;
      const widened = widenedTensors(graph, (id) => activations.get(id)?.type ?? 'int8');
      for (const [to, from] of widened) {
        const narrow = activations.get(from) as ActivationQuant;
        expect(narrow.scale).not.to.equal(quantization.activations.get(from)?.scale);
        expect(activations.get(to)).to.deep.equal(widenedQuant(narrow));
      }
    });
  }

  const files: readonly TypeOptions[] = [{ activations: 'int8' }, wide, mixed('conv2d_2')];
  for (const types of files) {
    const names = Object.keys(types.layers ?? {}).join();
    it(`agree with evaluate on the written file, ${types.activations} ${names}`, () => {
      const network = image().conv(4).maxPool().conv(6, 3, 2).mean().dense(3, 'none').softmax();
      const candidate = candidateOf(network, types);
      const file = writeTflite(integerOf(network, candidate));
      const read = mainGraph(importModel(file, { name: 'm', where: 'm', rounding: 'tflm' }));
      const own = mainGraph(integerOf(network, candidate));
      const agreeing = agreementOf(tf, candidate, own, data);
      expect(agreeing.every(({ differing }) => differing === 0)).to.equal(true);
      for (let sample = 0; sample < 8; sample += 1) {
        const input = quantizedSamples(own, data, sample, 1)[0] as Integers;
        const [wanted] = evaluateGraph(own, [input]).outputs;
        expect(evaluateGraph(read, [input]).outputs[0]).to.deep.equal(wanted);
        const device = integerRunner(tf, own)
          .run([input], 1)
          .get(own.outputs[0] ?? 0);
        expect(device).to.deep.equal(wanted);
      }
    });
  }

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
