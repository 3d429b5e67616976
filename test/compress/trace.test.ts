import { expect } from 'chai';
import {
  elementCount,
  type Graph,
  type Module,
  mainGraph,
  type Tensor,
} from '../../src/compiler/ir/graph.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { operators } from '../../src/compiler/ops/index.js';
import { type ScalarOperator, scalars } from '../../src/compiler/ops/scalar.js';
import { rebatched } from '../../src/compress/float-graph.js';
import { traced } from '../../src/compress/ops/expression.js';
import { tracedOperators } from '../../src/compress/ops/index.js';
import { loadBackend, type Tf, type TfTensor } from '../../src/compress/tensorflow.js';
import { runnerOf, Walk } from '../../src/compress/trace.js';
import { dequantized, trainedOps } from '../support/dequantize.js';
import { FloatNetwork } from '../support/float-network.js';
import { growGraph } from '../support/graphs.js';
import { Random, randomInputs } from '../support/module.js';

const seeds = Array.from({ length: 12 }, (_, i) => i + 1);

/** Real numbers of a tensor's integers. */
function real({ quant }: Tensor, integers: ArrayLike<number>): Float32Array {
  const [scale = 1, zeroPoint = 0] = [quant?.scales[0], quant?.zeroPoints[0]];
  return Float32Array.from(integers, (q) => (q - zeroPoint) * scale);
}

/** TFLM's relu6 ignores the output's scale, so that its integers stand for other numbers. */
function rescaling(module: Module): Module {
  const graph = mainGraph(module);
  const nodes = graph.nodes.map((node) =>
    node.op === 'relu6' ? { ...node, attrs: { algorithm: 'rescale' } } : node,
  );
  return { ...module, graphs: [{ ...graph, nodes }] };
}

const tensor = (graph: Graph, id: number | undefined) => graph.tensors[id ?? 0] as Tensor;

describe('traces of operators', () => {
  let tf: Tf;
  before(async () => {
    ({ tf } = await loadBackend('wasm'));
  });

  const run = (graph: Graph, inputs: readonly TfTensor[]) =>
    tf.tidy(() => runnerOf(tf, graph).run(inputs)[0]?.dataSync()) as Float32Array;

  it('exist for every operator', () => {
    const trained = [...operators.values()].filter(
      ({ changesState, internal }) => !changesState && !internal,
    );
    expect([...tracedOperators].sort()).to.deep.equal(trained.map(({ name }) => name).sort());
  });

  for (const op of trainedOps) {
    it(`${op}: the trace is what evaluate rounds`, () => {
      for (const seed of seeds) {
        const module = rescaling(growGraph({ ops: [op], seed }));
        const integer = mainGraph(module);
        const graph = dequantized(module);
        const inputs = randomInputs(module, seed);
        const [output] = evaluateGraph(integer, inputs).outputs;
        const target = tensor(integer, integer.outputs[0]);
        const given = integer.inputs.map((id, i) =>
          tf.tensor(real(tensor(integer, id), inputs[i] as Int8Array), [
            ...tensor(integer, id).shape,
          ]),
        );
        const got = run(graph, given);
        const wanted = real(target, output as Int8Array);
        const [least = 0, most = 0] = real(target, [-128, 127]);
        const step = target.quant?.scales[0] ?? 1;
        expect(got.length, `seed ${seed}`).to.equal(wanted.length);
        got.forEach((value, i) => {
          const inRange = Math.min(most, Math.max(least, value));
          const error = Math.abs(inRange - (wanted[i] as number)) / step;
          // Sums and products round twice; look-ups by fixed point are coarser.
          expect(error, `seed ${seed}, element ${i}: ${value}, ${wanted[i]}`).to.be.below(1.6);
        });
      }
    });
  }

  for (const op of trainedOps) {
    it(`${op}: gradients agree with differences`, () => {
      let checked = 0;
      for (const seed of seeds.slice(0, 4)) {
        checked += checkGradients(tf, dequantized(growGraph({ ops: [op], seed })), seed);
      }
      expect(checked, 'elements compared').to.be.above(10);
    });
  }

  for (const [op, attrs, slope] of [
    ['elu', {}, 1],
    ['leaky_relu', { alpha: 0.25 }, 0.25],
    ['relu', {}, 0],
  ] as const) {
    it(`${op}: the gradient at 0 is that below it`, () => {
      const { f } = (scalars.get(op) as ScalarOperator).functionOf(attrs);
      const [at] = tf.tidy(() =>
        tf
          .grad((x) => traced(tf, f, { x }))(tf.tensor([0]))
          .dataSync(),
      ) as unknown as readonly number[];
      expect(at).to.equal(slope);
    });
  }

  it('a batch gives what its samples give one by one', () => {
    let batched = 0;
    for (const op of trainedOps) {
      for (const seed of seeds.slice(0, 6)) {
        const graph = dequantized(growGraph({ ops: [op], seed }));
        const [, ...shape] = tensor(graph, graph.inputs[0]).shape;
        const random = new Random(seed);
        const x = Float32Array.from(
          { length: 3 * elementCount(shape) },
          () => random.integer(-99, 99) / 33,
        );
        batched += rebatched(graph, 3) === null ? 0 : 1;
        const size = x.length / 3;
        const whole = run(graph, [tf.tensor(x, [3, ...shape])]);
        const parts = [0, 1, 2].flatMap((i) => [
          ...run(graph, [tf.tensor(x.slice(i * size, (i + 1) * size), [1, ...shape])]),
        ]);
        expect(whole.length, `${op}, seed ${seed}`).to.equal(parts.length);
        whole.forEach((value, i) => {
          const close = 1e-4 * Math.max(1, Math.abs(parts[i] as number));
          expect(value, `${op}, seed ${seed}, element ${i}`).to.be.closeTo(
            parts[i] as number,
            close,
          );
        });
      }
    }
    // Operators that mix samples (a transpose of the batch, a mean over it) run one by one.
    expect(batched).to.be.above(90);
  });

  for (const [edge, shape] of [
    ['samples together', [1, 12]],
    ['one by one', [4, 16]],
  ] as const) {
    it(`a walk gives each node's bits of a run, and keeps nothing: ${edge}`, () => {
      const network = new FloatNetwork([4, 4, 2], 7).conv(4);
      const isApart = shape[0] === 1;
      const graph = (isApart ? network.dense(12) : network.add('reshape', [], { shape })).graph();
      expect(rebatched(graph, 3) !== null).to.equal(isApart);
      const elements = Float32Array.from({ length: 96 }, (_, i) => Math.sin(i));
      const before = tf.memory().numTensors;
      const walk = new Walk(tf, graph, [tf.tensor(elements, [3, 4, 4, 2])]);
      graph.nodes.forEach(({ outputs }, index) => {
        walk.advance(index, {});
        const [got, wanted] = tf.tidy(() => {
          const x = tf.tensor(elements, [3, 4, 4, 2]);
          const [whole] = runnerOf(tf, { ...graph, outputs }).run([x]);
          return [walk.peek({}), whole as TfTensor].map((one) => [...one.dataSync()]);
        }) as unknown as [number[], number[]];
        expect(got, `node ${index}`).to.deep.equal(wanted);
      });
      walk.dispose();
      expect(tf.memory().numTensors).to.equal(before);
    });
  }
});

/** Compares the gradients of a weighted sum of the outputs; returns how many elements. */
function checkGradients(tf: Tf, graph: Graph, seed: number): number {
  const random = new Random(seed);
  const parameters = graph.nodes
    .flatMap(({ inputs }) => inputs)
    .filter((id): id is number => id !== null && graph.tensors[id]?.data !== null);
  const leaves = [...graph.inputs, ...new Set(parameters)];
  const values = leaves.map((id) => {
    const { data, shape } = tensor(graph, id);
    const own = data === null ? null : Float32Array.from(data as Float32Array);
    return (
      own ??
      Float32Array.from({ length: elementCount(shape) }, () => random.integer(-999, 999) / 400)
    );
  });
  const runner = runnerOf(tf, graph);
  const count = elementCount(tensor(graph, graph.outputs[0]).shape);
  const weights = Float32Array.from({ length: count }, () => random.integer(-9, 9) / 9);
  const loss = (...given: TfTensor[]) => {
    const constants = new Map(leaves.map((id, i) => [id, given[i] as TfTensor]));
    const [output] = runner.run(given.slice(0, graph.inputs.length), {
      parameter: (id) => constants.get(id) ?? null,
    });
    return tf.sum(tf.mul(tf.reshape(output as TfTensor, [count]), tf.tensor1d(weights)));
  };
  const tensors = () =>
    leaves.map((id, i) => tf.tensor(values[i] as Float32Array, [...tensor(graph, id).shape]));
  const gradients = tf.tidy(() =>
    tf
      .grads(loss as never)(tensors())
      .map((gradient) => gradient.dataSync() as Float32Array),
  );
  const at = (leaf: number, element: number, step: number): number => {
    const own = values[leaf] as Float32Array;
    const kept = own[element] as number;
    own[element] = kept + step;
    const [value = 0] = tf.tidy(() => loss(...tensors()).dataSync());
    own[element] = kept;
    return value;
  };
  let compared = 0;
  leaves.forEach((_, leaf) => {
    const own = values[leaf] as Float32Array;
    for (let probe = 0; probe < Math.min(own.length, 8); probe += 1) {
      const element = random.integer(0, own.length - 1);
      const size = Math.max(1, Math.abs(own[element] as number));
      const slope = (h: number) => (at(leaf, element, h) - at(leaf, element, -h)) / (2 * h);
      const [coarse, fine] = [slope(0.02 * size), slope(0.01 * size)];
      const tolerance = 0.02 * Math.max(1, Math.abs(fine));
      // A kink between the two points: neither difference is the slope.
      if (Math.abs(coarse - fine) > tolerance / 2) continue;
      const gradient = gradients[leaf]?.[element];
      expect(gradient, `seed ${seed}, leaf ${leaf}, element ${element}`).to.be.closeTo(
        fine,
        tolerance,
      );
      compared += 1;
    }
  });
  return compared;
}
