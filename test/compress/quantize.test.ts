import { expect } from 'chai';
import { checkModule } from '../../src/compiler/ir/check.js';
import {
  type Graph,
  type Module,
  mainGraph,
  type Node,
  type TensorId,
  viewOf,
} from '../../src/compiler/ir/graph.js';
import { operators, opOf } from '../../src/compiler/ops/index.js';
import type { Dataset } from '../../src/compress/data/dataset.js';
import { checkDataset } from '../../src/compress/data/dataset.js';
import { weighted } from '../../src/compress/float-graph.js';
import { calibrated, calibrationMethods } from '../../src/compress/quantize/calibrate.js';
import { lower } from '../../src/compress/quantize/lower.js';
import type { Histogram } from '../../src/compress/quantize/observe.js';
import {
  activationQuant,
  activationQuants,
  type Quantization,
  rangeOf,
  separated,
  type WeightQuant,
  weightQuant,
} from '../../src/compress/quantize/scheme.js';
import { makeRandom } from '../../src/compress/random.js';
import { dequantized, quantizedOps, trainedOps } from '../support/dequantize.js';
import { FloatNetwork } from '../support/float-network.js';
import { growGraph } from '../support/graphs.js';
import { GraphBuilder, perTensorQuant } from '../support/module.js';

describe('integers for activations', () => {
  const rows = [
    ['a range around zero', { min: -1, max: 1 }, 2 / 255, -0.5],
    ['a ReLU: zero is the least integer', { min: 0, max: 6 }, 6 / 255, -128],
    ['all negative: zero is the largest', { min: -6, max: -1 }, 6 / 255, 127],
    ['all positive: 0 is included', { min: 2, max: 4 }, 4 / 255, -128],
    ['nothing but zero: any scale', { min: 0, max: 0 }, 1, -128],
  ] as const;
  for (const [edge, range, scale, zeroPoint] of rows) {
    it(edge, () => {
      const quant = activationQuant(range);
      expect(quant.scale).to.equal(Math.fround(scale));
      expect(quant.zeroPoint).to.be.closeTo(zeroPoint, 0.5);
    });
  }

  it('zero is always an integer, and the range is covered but for half a step', () => {
    for (let i = 0; i < 500; i += 1) {
      const range = { min: Math.sin(i * 7) * 9, max: Math.sin(i * 7) * 9 + i / 10 };
      const quant = activationQuant(range);
      const covered = rangeOf(quant);
      expect(Number.isInteger(quant.zeroPoint)).to.equal(true);
      expect(covered.min).to.be.at.most(Math.min(0, range.min) + 0.51 * quant.scale);
      expect(covered.max).to.be.at.least(Math.max(0, range.max) - 0.51 * quant.scale);
    }
  });
});

describe('calibration', () => {
  const histogram = (counts: readonly number[], min: number, max: number): Histogram => ({
    min,
    max,
    counts: Float64Array.from(counts),
  });
  // 2046 bins of a bell, and one value far away.
  const outlier = histogram(
    Array.from({ length: 2048 }, (_, i) =>
      i === 2047 ? 1 : Math.round(1e5 * Math.exp(-(((i - 200) / 60) ** 2))),
    ),
    0,
    100,
  );

  it('min-max keeps the outlier, each other method gives it up', () => {
    for (const method of calibrationMethods) {
      const { min, max } = calibrated(outlier, method);
      expect(min, method).to.be.at.least(0);
      if (method === 'min-max') expect(max).to.equal(100);
      else expect(max, method).to.be.within(13, 60);
    }
  });

  it('values that are spread evenly keep their range with every method', () => {
    const even = histogram(new Array(2048).fill(10), -2, 2);
    for (const method of calibrationMethods) {
      const { min, max } = calibrated(even, method);
      expect(max, method).to.be.above(1.95);
      expect(min, method).to.be.below(-1.95);
    }
  });

  it('few values are not cut off, though most bins are empty', () => {
    const few = histogram(
      Array.from({ length: 2048 }, (_, i) => (i % 37 === 0 ? 1 : 0)),
      -4,
      4,
    );
    for (const method of calibrationMethods) {
      expect(calibrated(few, method).max, method).to.be.above(3.6);
    }
  });

  it('300 values of a bell fill bins unevenly by chance, for which no method cuts them off', () => {
    for (let seed = 1; seed <= 8; seed += 1) {
      const random = makeRandom(seed);
      const values = Array.from({ length: 300 }, () => {
        return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
      });
      const [min, max] = [Math.min(...values), Math.max(...values)];
      const counts = new Array<number>(2048).fill(0);
      for (const value of values) {
        const bin = Math.min(2047, Math.floor(((value - min) * 2048) / (max - min)));
        counts[bin] = (counts[bin] ?? 0) + 1;
      }
      for (const method of calibrationMethods) {
        const got = calibrated(histogram(counts, min, max), method);
        expect(got.max / max, `${method}, seed ${seed}`).to.be.above(0.9);
      }
    }
  });

  it('one value only is a range of no width', () => {
    for (const method of calibrationMethods) {
      const { min, max } = calibrated(histogram([5], 3, 3), method);
      expect([min, max].every(Number.isFinite), method).to.equal(true);
    }
  });
});

describe('weights as integers', () => {
  const weights = (data: readonly number[], shape: readonly number[]) => ({
    shape,
    data: Float32Array.from(data),
  });

  it('have a scale for each channel along the axis', () => {
    const { scales } = weightQuant(weights([1, 8, 2, -4], [2, 2]), 1, 'int8');
    expect(scales).to.deep.equal([Math.fround(2 / 127), Math.fround(8 / 127)]);
  });

  it('with zeros only take the scale of other channels, so that the bias fits', () => {
    const { scales } = weightQuant(weights([0, 0, 2, -4], [2, 2]), 0, 'int4');
    expect(scales).to.deep.equal([Math.fround(4 / 7), Math.fround(4 / 7)]);
  });

  it('as signs have the mean magnitude', () => {
    expect(weightQuant(weights([1, -3, 2, 2], [4]), null, 'binary').scales).to.deep.equal([2]);
  });
});

describe('lowering', () => {
  /** The scales of an int8 graph, as quantization of its float twin. */
  function scalesOf(graph: Graph): Quantization {
    const weights = new Map<TensorId, WeightQuant>();
    for (const { op, inputs } of graph.nodes) {
      const id = inputs[1] ?? null;
      if (!weighted.has(op) || id === null) continue;
      const { scales = [], axis = null } = graph.tensors[id]?.quant ?? {};
      weights.set(id, { type: 'int8', scales, axis });
    }
    const activations = new Map(
      graph.tensors.flatMap(({ quant, dtype }, id) => {
        if (weights.has(id) || dtype !== 'int8' || quant === null) return [];
        return [
          [
            id,
            { type: 'int8', scale: quant.scales[0] ?? 1, zeroPoint: quant.zeroPoints[0] ?? 0 },
          ] as const,
        ];
      }),
    );
    return { activations, weights };
  }

  const headOf = ({ graphs: _, ...head }: Module) => head;

  it('gives back the integers of every operator, from the numbers they stand for', () => {
    for (const op of trainedOps) {
      for (let seed = 1; seed <= 8; seed += 1) {
        const module = growGraph({ ops: [op], seed });
        const graph = mainGraph(module);
        const again = mainGraph(lower(headOf(module), dequantized(module), scalesOf(graph)));
        const used = new Set(graph.nodes.flatMap(({ inputs, outputs }) => [...inputs, ...outputs]));
        graph.tensors.forEach(({ dtype, data }, id) => {
          if (!used.has(id)) return;
          expect(again.tensors[id]?.dtype, `${op}, seed ${seed}, tensor ${id}`).to.equal(dtype);
          expect(again.tensors[id]?.data, `${op}, seed ${seed}, tensor ${id}`).to.deep.equal(data);
        });
      }
    }
  });

  it('with scales of our own passes every operator’s check', () => {
    for (const op of quantizedOps) {
      for (let seed = 1; seed <= 8; seed += 1) {
        const module = growGraph({ ops: [op, 'concatenation'], seed });
        const graph = separated(dequantized(module));
        const ranges = new Map(graph.tensors.map((_, id) => [id, { min: -2, max: 3 }]));
        const { weights } = scalesOf(mainGraph(module));
        const activations = activationQuants(graph, ranges);
        const lowered = lower(headOf(module), graph, { activations, weights });
        checkModule(lowered, operators, 'lower');
        const made = mainGraph(lowered);
        for (const node of made.nodes) opOf(node).check(viewOf(made, node));
      }
    }
  });

  it('gives what CUMSUM sums the zero point 0, since its int8 kernel begins with an element 0', () => {
    const b = new GraphBuilder();
    const attrs = { axis: 1, exclusive: false, reverse: false };
    const quant = perTensorQuant(1 / 256, -128);
    const share = b.node('softmax', [b.input([1, 4])], { beta: 1, algorithm: 'fixed' }, { quant });
    const sums = [b.node('cumsum', [b.input([1, 4])], attrs), b.node('cumsum', [share], attrs)];
    const graph = separated(dequantized(b.module(sums)));
    const ranges = new Map(graph.tensors.map((_, id) => [id, { min: 0, max: 3 }]));
    const quants = activationQuants(graph, ranges);
    const summed = graph.nodes.filter(({ op }) => op === 'cumsum').map(({ inputs: [id] }) => id);
    const zeroPoints = summed.map((id) => Math.abs(quants.get(id ?? -1)?.zeroPoint ?? 99));
    expect(zeroPoints).to.deep.equal([0, 0]);
  });

  /** Weights whose every channel has the scale 0.5. */
  const halves = ({ tensors }: Graph, id: TensorId): WeightQuant => {
    const scales = Array.from({ length: tensors[id]?.shape[0] ?? 1 }, () => 0.5);
    return { type: 'int8', scales, axis: 0 };
  };

  const sharedConstants: readonly (readonly [edge: string, graph: () => Graph])[] = [
    [
      'a bias that a sum adds too, as an unrolled LSTM has',
      () => {
        const network = new FloatNetwork([3]).dense(4, 'none');
        const bias = network.nodes[0]?.inputs[2] as TensorId;
        return network.add('add', [bias], { activation: 'none', rounding: 'double' }).graph();
      },
    ],
    [
      'one bias of two layers whose inputs have other scales',
      () => {
        const network = new FloatNetwork([4]).dense(4, 'none').dense(4, 'none');
        const [first, second] = network.nodes;
        const inputs = [...(second?.inputs.slice(0, 2) ?? []), first?.inputs[2] ?? null];
        network.nodes[1] = { ...(second as Node), inputs };
        return network.graph();
      },
    ],
    [
      'weights that a sum adds too',
      () => {
        const network = new FloatNetwork([1]).dense(4, 'none');
        const weights = network.nodes[0]?.inputs[1] as TensorId;
        return network.add('add', [weights], { activation: 'none', rounding: 'double' }).graph();
      },
    ],
  ];
  for (const [edge, make] of sharedConstants) {
    it(`gives each reader integers of its own: ${edge}`, () => {
      const graph = separated(make());
      const ranges = new Map(
        graph.tensors.flatMap(({ data }, id) =>
          data === null ? [[id, { min: -1 - id, max: 3 }] as const] : [],
        ),
      );
      const weights = new Map(
        graph.nodes.flatMap(({ op, inputs: [, id] }) =>
          weighted.has(op) && id != null ? [[id, halves(graph, id)] as const] : [],
        ),
      );
      const activations = activationQuants(graph, ranges);
      const head = {
        name: 'shared',
        sha256: '0'.repeat(64),
        inputNames: ['x'],
        outputNames: ['y'],
      };
      const made = lower(head, graph, { activations, weights });
      checkModule(made, operators, 'lower');
      const lowered = mainGraph(made);
      for (const node of lowered.nodes) {
        const [input, second, bias] = viewOf(lowered, node).inputs;
        opOf(node).check(viewOf(lowered, node));
        if (!weighted.has(node.op)) continue;
        const scale = (input?.quant?.scales[0] ?? 0) * (second?.quant?.scales[0] ?? 0);
        expect(bias?.quant?.scales[0]).to.equal(Math.fround(scale));
      }
    });
  }

  it('gives a concatenation of tanh and other values a scale that fits both', () => {
    const b = new GraphBuilder();
    const x = b.input([1, 4], perTensorQuant(1 / 128, 0));
    const squashed = b.node(
      'tanh',
      [x],
      { algorithm: 'fixed' },
      { quant: perTensorQuant(1 / 128, 0) },
    );
    const joined = b.node('concatenation', [x, squashed], { axis: 1, activation: 'none' });
    const graph = separated(dequantized(b.module([joined])));
    expect(graph.nodes.map(({ op }) => op)).to.deep.equal(['tanh', 'quantize', 'concatenation']);
    const ranges = new Map(graph.tensors.map((_, id) => [id, { min: -10, max: 10 }]));
    const quants = activationQuants(graph, ranges);
    expect(quants.get(squashed)).to.deep.equal({ type: 'int8', scale: 1 / 128, zeroPoint: 0 });
    expect(quants.get(joined)?.scale).to.equal(Math.fround(20 / 255));
  });
});

describe('data that nothing can be learned from', () => {
  const data = (x: readonly number[], labels: readonly number[] | null = null): Dataset => ({
    where: 'd.npz',
    count: x.length / 2,
    shape: [2],
    x: Float32Array.from(x),
    labels: labels && Int32Array.from(labels),
    classes: labels && ['a', 'b'],
  });
  const rows: readonly (readonly [edge: string, data: Dataset, message: RegExp | null])[] = [
    ['no samples', data([]), /no samples/],
    ['NaN in the second sample', data([1, 2, Number.NaN, 4]), /sample 1 has the element NaN/],
    ['infinity', data([1, 2, 3, Number.POSITIVE_INFINITY]), /Infinity/],
    ['the same sample twice', data([1, 2, 1, 2]), /same values/],
    ['a label beyond the classes', data([1, 2, 3, 4], [0, 2]), /label 2; there are 2 classes/],
    ['a negative label', data([1, 2, 3, 4], [-1, 0]), /label -1/],
    ['one sample is no constant', data([1, 1]), null],
    ['labels in range', data([1, 2, 3, 4], [1, 0]), null],
  ];
  for (const [edge, samples, message] of rows) {
    it(edge, () => {
      const check = () => checkDataset(samples);
      if (message === null) check();
      else expect(check).to.throw(message);
    });
  }
});
