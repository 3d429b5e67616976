/** Models of layers: what is imported predicts what TensorFlow.js predicts. */
import * as tfl from '@tensorflow/tfjs-layers';
import { expect } from 'chai';
import { importModel } from '../../src/compiler/formats/index.js';
import { loadBackend, type Tf } from '../../src/compress/tensorflow.js';
import { Random } from '../support/module.js';
import { difference, imported, inputsFor, mainGraph, run, saved } from './tfjs.js';

const L = tfl.layers;
type Maker = () => tfl.LayersModel;
type Row = readonly [edge: string, make: Maker, ops?: readonly string[]];

const sequential =
  (inputShape: number[], ...given: tfl.layers.Layer[]): Maker =>
  () =>
    tfl.sequential({ layers: [L.inputLayer({ inputShape }), ...given] });

const paddings = ['same', 'valid'] as const;
const images = [
  [8, 8, 3],
  [7, 9, 2],
] as const;
const strides = [1, 2, 3] as const;

function* grid(): Iterable<Row> {
  for (const shape of images) {
    for (const padding of paddings) {
      for (const s of strides) {
        const name = `[${shape}] ${padding} stride ${s}`;
        const one =
          (layer: () => tfl.layers.Layer): Maker =>
          () =>
            sequential([...shape], layer())();
        const rows: readonly (readonly [string, () => tfl.layers.Layer, string[]])[] = [
          [
            'Conv2D 3×3',
            () => L.conv2d({ filters: 4, kernelSize: 3, strides: s, padding }),
            ['conv2d'],
          ],
          [
            'Conv2D 2×5',
            () => L.conv2d({ filters: 3, kernelSize: [2, 5], strides: s, padding, useBias: false }),
            ['conv2d'],
          ],
          [
            'DepthwiseConv2D 3×3',
            () => L.depthwiseConv2d({ kernelSize: 3, strides: s, padding }),
            ['depthwise_conv2d'],
          ],
          [
            'DepthwiseConv2D of multiplier 2',
            () =>
              L.depthwiseConv2d({
                kernelSize: 4,
                strides: s,
                padding,
                depthMultiplier: 2,
                activation: 'relu',
              }),
            ['depthwise_conv2d'],
          ],
          [
            'SeparableConv2D',
            () =>
              L.separableConv2d({
                filters: 5,
                kernelSize: 3,
                strides: s,
                padding,
                depthMultiplier: 2,
              }),
            ['depthwise_conv2d', 'conv2d'],
          ],
          [
            'MaxPooling2D',
            () => L.maxPooling2d({ poolSize: 3, strides: s, padding }),
            ['max_pool2d'],
          ],
          [
            'AveragePooling2D 2×3',
            () => L.averagePooling2d({ poolSize: [2, 3], strides: s, padding }),
            ['average_pool2d'],
          ],
        ];
        for (const [kind, layer, ops] of rows) yield [`${kind} ${name}`, one(layer), ops];
      }
    }
  }
  for (const padding of paddings) {
    for (const s of strides) {
      for (const length of [10, 11]) {
        const input = [length, 3];
        const name = `[${input}] ${padding} stride ${s}`;
        yield [
          `Conv1D ${name}`,
          () =>
            sequential(
              input,
              L.conv1d({ filters: 4, kernelSize: 3, strides: s, padding, activation: 'relu' }),
            )(),
          ['reshape', 'conv2d', 'reshape'],
        ];
        yield [
          `MaxPooling1D ${name}`,
          () => sequential(input, L.maxPooling1d({ poolSize: 3, strides: s, padding }))(),
        ];
        yield [
          `AveragePooling1D ${name}`,
          () => sequential(input, L.averagePooling1d({ poolSize: 2, strides: s, padding }))(),
        ];
      }
    }
  }
}

const conv = (options: object = {}) => L.conv2d({ filters: 4, kernelSize: 3, ...options });
const bn = (options: object = {}) => L.batchNormalization(options);

const rows: readonly Row[] = [
  ...grid(),
  ['Conv2D dilated', sequential([9, 9, 2], conv({ dilationRate: 2 })), ['conv2d']],
  [
    'Conv2D dilated, same',
    sequential([9, 8, 2], conv({ dilationRate: [2, 3], padding: 'same' })),
    ['conv2d'],
  ],
  ['Dense', sequential([7], L.dense({ units: 3 })), ['fully_connected']],
  [
    'Dense without a bias',
    sequential([7], L.dense({ units: 3, useBias: false, activation: 'relu' })),
    ['fully_connected'],
  ],
  [
    'Dense on the last axis of three',
    sequential([4, 7], L.dense({ units: 3 })),
    ['fully_connected'],
  ],
  [
    'Dense on images',
    sequential([2, 3, 4], L.dense({ units: 2, activation: 'tanh' })),
    ['fully_connected', 'tanh'],
  ],
  ...['relu', 'relu6', 'sigmoid', 'tanh', 'softmax', 'linear', 'swish'].map(
    (activation): Row => [
      `Activation ${activation}`,
      sequential([6], L.dense({ units: 5 }), L.activation({ activation: activation as 'relu' })),
    ],
  ),
  ['an activation at the input', sequential([6], L.activation({ activation: 'relu' })), ['relu']],
  ['ReLU', sequential([6], L.reLU()), ['relu']],
  [
    'ReLU of at most 6',
    sequential([6], L.dense({ units: 4 }), L.reLU({ maxValue: 6 })),
    ['fully_connected'],
  ],
  ['LeakyReLU', sequential([6], L.leakyReLU({ alpha: 0.2 })), ['leaky_relu']],
  ['LeakyReLU by default', sequential([6], L.leakyReLU()), ['leaky_relu']],
  ['Softmax', sequential([6], L.softmax()), ['softmax']],
  ['Softmax of images', sequential([2, 3, 4], L.softmax({ axis: -1 })), ['softmax']],
  [
    'normalization is folded into Conv2D',
    sequential([6, 6, 2], conv(), bn(), L.reLU()),
    ['conv2d'],
  ],
  [
    'into Conv2D without a bias',
    sequential([6, 6, 2], conv({ useBias: false }), bn(), L.reLU({ maxValue: 6 })),
    ['conv2d'],
  ],
  [
    'into DepthwiseConv2D of multiplier 3',
    sequential([6, 6, 2], L.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 3 }), bn()),
    ['depthwise_conv2d'],
  ],
  ['into Dense', sequential([5], L.dense({ units: 3 }), bn()), ['fully_connected']],
  [
    'into Conv1D, through its reshapes',
    sequential(
      [8, 2],
      L.conv1d({ filters: 3, kernelSize: 3 }),
      bn(),
      L.reLU(),
      L.conv1d({ filters: 2, kernelSize: 2 }),
      bn(),
    ),
    ['reshape', 'conv2d', 'conv2d', 'reshape'],
  ],
  ['twice', sequential([6, 6, 2], conv(), bn(), bn()), ['conv2d']],
  [
    'not after an activation',
    sequential([6, 6, 2], conv({ activation: 'relu' }), bn()),
    ['conv2d', 'mul', 'add'],
  ],
  ['not at the input', sequential([6, 6, 2], bn(), conv()), ['mul', 'add', 'conv2d']],
  [
    'not into a pool; its activation is',
    sequential([6, 6, 2], conv(), L.maxPooling2d({ poolSize: 2 }), bn(), L.reLU()),
    ['conv2d', 'max_pool2d', 'mul', 'add'],
  ],
  [
    'without scale and center',
    sequential([6, 6, 2], bn({ scale: false, center: false, epsilon: 0.1 })),
    ['mul', 'add'],
  ],
  ['GlobalAveragePooling2D', sequential([5, 4, 3], L.globalAveragePooling2d({})), ['mean']],
  [
    'GlobalMaxPooling2D',
    sequential([5, 4, 3], L.globalMaxPooling2d({})),
    ['max_pool2d', 'reshape'],
  ],
  ['GlobalAveragePooling1D', sequential([5, 3], L.globalAveragePooling1d({})), ['mean']],
  ['GlobalMaxPooling1D', sequential([5, 3], L.globalMaxPooling1d({}))],
  [
    'Flatten',
    sequential([3, 2, 2], L.flatten(), L.dense({ units: 2 })),
    ['reshape', 'fully_connected'],
  ],
  ['Reshape with −1', sequential([3, 4], L.reshape({ targetShape: [2, -1, 2] })), ['reshape']],
  [
    'reshapes become one',
    sequential(
      [3, 4],
      L.reshape({ targetShape: [2, 6] }),
      L.flatten(),
      L.reshape({ targetShape: [4, 3] }),
    ),
    ['reshape'],
  ],
  [
    'a reshape and back is nothing',
    sequential(
      [3, 4],
      L.reLU(),
      L.reshape({ targetShape: [12] }),
      L.reshape({ targetShape: [3, 4] }),
    ),
    ['relu'],
  ],
  ['Permute', sequential([3, 4, 2], L.permute({ dims: [3, 1, 2] })), ['transpose']],
  [
    'Dropout and noise are nothing',
    sequential(
      [6],
      L.dropout({ rate: 0.5 }),
      L.gaussianNoise({ stddev: 1 }),
      L.gaussianDropout({ rate: 0.5 }),
      L.alphaDropout({ rate: 0.5 }),
      L.dense({ units: 2 }),
    ),
    ['fully_connected'],
  ],
  [
    'ZeroPadding2D by sides',
    sequential(
      [3, 4, 2],
      L.zeroPadding2d({
        padding: [
          [1, 0],
          [2, 3],
        ],
      }),
    ),
    ['pad'],
  ],
  ['ZeroPadding2D by one number', sequential([3, 4, 2], L.zeroPadding2d({ padding: 2 })), ['pad']],
  [
    'Cropping2D',
    sequential(
      [6, 7, 2],
      L.cropping2D({
        cropping: [
          [1, 0],
          [2, 3],
        ],
      }),
    ),
    ['strided_slice'],
  ],
  [
    'UpSampling2D',
    sequential([3, 2, 2], L.upSampling2d({ size: [2, 3] })),
    ['resize_nearest_neighbor'],
  ],
  ['Rescaling', sequential([3, 2, 2], L.rescaling({ scale: 0.5, offset: -1 })), ['mul', 'add']],
  [
    'a model inside of a model',
    () =>
      tfl.sequential({
        layers: [
          tfl.sequential({ layers: [L.inputLayer({ inputShape: [4] }), L.dense({ units: 3 })] }),
          L.dense({ units: 2 }),
        ],
      }),
    ['fully_connected', 'fully_connected'],
  ],
  [
    'the first layer has the shape',
    () => tfl.sequential({ layers: [L.dense({ units: 3, inputShape: [4] })] }),
    ['fully_connected'],
  ],
  [
    'branches: Add, Multiply, Concatenate',
    () => {
      const x = tfl.input({ shape: [6, 6, 3] });
      const a = L.conv2d({ filters: 4, kernelSize: 3, padding: 'same' }).apply(
        x,
      ) as tfl.SymbolicTensor;
      const b = L.conv2d({ filters: 4, kernelSize: 1 }).apply(x) as tfl.SymbolicTensor;
      const x4 = L.conv2d({ filters: 4, kernelSize: 2, padding: 'same' }).apply(
        x,
      ) as tfl.SymbolicTensor;
      const sum = L.reLU().apply(L.add().apply([a, b, x4])) as tfl.SymbolicTensor;
      const product = L.multiply().apply([sum, b]) as tfl.SymbolicTensor;
      const all = L.concatenate().apply([product, a]) as tfl.SymbolicTensor;
      return tfl.model({ inputs: x, outputs: all });
    },
    ['conv2d', 'conv2d', 'conv2d', 'add', 'add', 'mul', 'concatenation'],
  ],
  [
    'a residual: normalization that two read is folded, its activation is not',
    () => {
      const x = tfl.input({ shape: [4, 4, 3] });
      const a = bn().apply(conv({ filters: 3, padding: 'same' }).apply(x)) as tfl.SymbolicTensor;
      const b = L.reLU().apply(a) as tfl.SymbolicTensor;
      return tfl.model({ inputs: x, outputs: L.add().apply([a, b]) as tfl.SymbolicTensor });
    },
    ['conv2d', 'relu', 'add'],
  ],
  [
    'a layer that is called twice',
    () => {
      const x = tfl.input({ shape: [4] });
      const layer = L.dense({ units: 4 });
      const y = layer.apply(layer.apply(x)) as tfl.SymbolicTensor;
      return tfl.model({ inputs: x, outputs: y });
    },
    ['fully_connected', 'fully_connected'],
  ],
  [
    'two inputs and two outputs',
    () => {
      const a = tfl.input({ shape: [4], name: 'left' });
      const b = tfl.input({ shape: [3], name: 'right' });
      const c = L.concatenate().apply([b, a]) as tfl.SymbolicTensor;
      const d = L.dense({ units: 2, activation: 'relu' }).apply(c) as tfl.SymbolicTensor;
      const e = L.dense({ units: 3 }).apply(d) as tfl.SymbolicTensor;
      return tfl.model({ inputs: [a, b], outputs: [e, d] });
    },
    ['concatenation', 'fully_connected', 'fully_connected'],
  ],
  [
    'a model as a layer of another',
    () => {
      const inner = tfl.input({ shape: [4] });
      const part = tfl.model({
        inputs: inner,
        outputs: L.dense({ units: 4 }).apply(inner) as tfl.SymbolicTensor,
        name: 'part',
      });
      const x = tfl.input({ shape: [4] });
      const y = part.apply(L.reLU().apply(x)) as tfl.SymbolicTensor;
      return tfl.model({
        inputs: x,
        outputs: L.dense({ units: 2 }).apply(y) as tfl.SymbolicTensor,
      });
    },
    ['relu', 'fully_connected', 'fully_connected'],
  ],
];

describe('models of layers of TensorFlow.js', () => {
  let tf: Tf;
  before(async () => {
    ({ tf } = await loadBackend('wasm'));
  });

  /** Random weights, with variances above zero. */
  function randomize(model: tfl.LayersModel, seed: number): void {
    const random = new Random(seed);
    const weights = model.weights.map(({ shape, originalName }) => {
      const size = shape.reduce<number>((product, extent) => product * (extent ?? 1), 1);
      const [low, high] = /variance/.test(originalName) ? [50, 400] : [-200, 200];
      return tf.tensor(
        Float32Array.from({ length: size }, () => random.integer(low, high) / 200),
        shape as number[],
      );
    });
    model.setWeights(weights as never);
  }

  rows.forEach(([edge, make, ops], i) => {
    it(edge, async () => {
      const model = make();
      randomize(model, i + 1);
      const graph = mainGraph(imported(await saved(model)));
      if (ops !== undefined) expect(graph.nodes.map(({ op }) => op)).to.deep.equal(ops);
      for (const batch of [1, 3]) {
        const inputs = inputsFor(tf, graph, batch, i + 1);
        const outputs = run(tf, graph, inputs);
        const predicted = model.predict(inputs as never) as never;
        const wanted = [predicted].flat() as typeof outputs;
        expect(outputs.length).to.equal(wanted.length);
        outputs.forEach((output, o) => {
          expect(difference(output, wanted[o] as never), `output ${o}`).to.be.below(1e-5);
        });
      }
      model.dispose();
    });
  });

  it('numbers the outputs where there are several', async () => {
    const x = tfl.input({ shape: [4] });
    const [a, b] = [L.reLU().apply(x), L.activation({ activation: 'tanh' }).apply(x)];
    const names = async (outputs: unknown) =>
      imported(await saved(tfl.model({ inputs: x, outputs: outputs as never }))).outputNames;
    expect(await names(a)).to.deep.equal(['output']);
    expect(await names([a, b])).to.deep.equal(['output_0', 'output_1']);
  });

  it('rounds as TFLM or as desktop TFLite, which XNNPACK leaves float layers to', async () => {
    const { json, files } = await saved(sequential([4], L.softmax())());
    const algorithms = (['tflm', 'tflite-portable', 'xnnpack'] as const).map((rounding) => {
      const beside = (name: string) => files.get(name) as Uint8Array;
      const module = importModel(json, { name: 'm', where: 'm.json', rounding, beside });
      return mainGraph(module).nodes[0]?.attrs.algorithm;
    });
    expect(algorithms).to.deep.equal(['fixed', 'table', 'table']);
  });

  it('Rescaling without a scale and an offset changes nothing', async () => {
    const { json, files } = await saved(sequential([4], L.rescaling({ scale: 3, offset: 5 }))());
    const text = Buffer.from(json)
      .toString()
      .replace(/"(scale|offset)":\d,?/g, '')
      .replaceAll(',}', '}');
    const graph = mainGraph(imported({ json: Buffer.from(text), files }));
    const [x] = inputsFor(tf, graph, 2, 1);
    const [output] = run(tf, graph, [x as never]);
    expect(difference(output as never, x as never)).to.equal(0);
  });

  it('an old Sequential model is a list of layers', async () => {
    const { json, files } = await saved(sequential([4], L.reLU(), L.dense({ units: 2 }))());
    const model = JSON.parse(Buffer.from(json).toString());
    const topology = model.modelTopology.model_config ?? model.modelTopology;
    topology.config = topology.config.layers;
    const graph = mainGraph(imported({ json: Buffer.from(JSON.stringify(model)), files }));
    expect(graph.nodes.map(({ op }) => op)).to.deep.equal(['relu', 'fully_connected']);
  });

  for (const [edge, size, dilation, strides] of [
    ['causal', 3, 1, 1],
    ['causal with a stride', 3, 1, 2],
    ['causal and dilated', 2, 3, 1],
  ] as const) {
    it(`Conv1D ${edge}: zeros in front, which TensorFlow.js itself does not compute`, async () => {
      const before = (size - 1) * dilation;
      const options = { filters: 2, kernelSize: size, dilationRate: dilation, strides };
      const model = sequential([9 + before, 2], L.conv1d(options))();
      randomize(model, 1);
      const { json, files } = await saved(model);
      const text = Buffer.from(json).toString();
      const causal = text
        .replace('"padding":"valid"', '"padding":"causal"')
        .replace(`[null,${9 + before},2]`, '[null,9,2]');
      const graph = mainGraph(imported({ json: Buffer.from(causal), files }));
      const [x] = inputsFor(tf, graph, 2, 1);
      const padded = tf.pad(x as never, [
        [0, 0],
        [before, 0],
        [0, 0],
      ]);
      const [output] = run(tf, graph, [x as never]);
      expect(difference(output as never, model.predict(padded) as never)).to.be.below(1e-5);
    });
  }
});
