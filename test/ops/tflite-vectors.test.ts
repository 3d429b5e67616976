/** Layers with weights as Python's interpreter computes them on x86 without delegates: --rounding tflite. */
import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { importModel } from '../../src/compiler/formats/index.js';
import { writeTflite } from '../../src/compiler/formats/tflite/write.js';
import { type Attrs, mainGraph, viewOf } from '../../src/compiler/ir/graph.js';
import { roundings } from '../../src/compiler/ir/rounding.js';
import { outputStage } from '../../src/compiler/ops/arithmetic/accumulation.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { runPasses } from '../../src/compiler/passes/index.js';
import { GraphBuilder, perTensorQuant, Random, randomInputs } from '../support/module.js';
import { skip } from '../support/skip.js';
import { pythonWith, runtimeOutputs } from '../support/tflite-runtimes.js';

const window = {
  ...{ strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 },
  ...{ padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 },
};

type Op = 'conv2d' | 'depthwise_conv2d' | 'fully_connected';

/** A layer whose outputs are as often below the zero point as above, and reach halves. */
function layer(op: Op, outputs: number, activation: string, seed: number) {
  const random = new Random(seed);
  const b = new GraphBuilder();
  const inputs = op === 'depthwise_conv2d' ? outputs : 6;
  const x = b.input(
    op === 'fully_connected' ? [5, inputs] : [1, 6, 6, inputs],
    perTensorQuant(0.5, -3),
  );
  const shapes = {
    conv2d: [outputs, 2, 2, inputs],
    depthwise_conv2d: [1, 2, 2, outputs],
    fully_connected: [outputs, inputs],
  };
  const shape = shapes[op];
  const weights = random.int8(
    shape.reduce((p, q) => p * q),
    -127,
    127,
  );
  const scale = 0.002 + 0.0001 * random.integer(0, 50);
  const operands = [
    x,
    b.constant(weights, shape, perTensorQuant(scale, 0)),
    b.constant(random.int32(outputs, -999, 999), [outputs], perTensorQuant(0.5 * scale, 0)),
  ];
  const own: Record<Op, Attrs> = {
    conv2d: window,
    depthwise_conv2d: { ...window, depthMultiplier: 1 },
    fully_connected: { keepDims: false },
  };
  const quant = perTensorQuant(0.4, 4);
  const y = b.node(op, operands, { ...own[op], activation, rounding: 'double' }, { quant });
  return b.module([y]);
}

const read = (file: Uint8Array, rounding: (typeof roundings)[number]) =>
  mainGraph(importModel(file, { name: 'm', where: 'm', rounding }));

describe('--rounding tflite', () => {
  const rows: readonly (readonly [edge: string, op: Op, outputs: number, wanted: string[]])[] = [
    ['products of matrices', 'conv2d', 3, ['double', 'upward', 'single', 'float']],
    ['dense layers', 'fully_connected', 3, ['double', 'upward', 'single', 'float']],
    [
      'fewer channels than a vector',
      'depthwise_conv2d',
      7,
      ['double', 'double', 'double', 'float'],
    ],
    ['whole vectors of channels', 'depthwise_conv2d', 16, ['double', 'upward', 'upward', 'float']],
  ];
  for (const [edge, op, outputs, wanted] of rows) {
    it(`what each rounding means for ${edge}`, () => {
      const file = writeTflite(layer(op, outputs, 'none', 1));
      expect(roundings.map((one) => read(file, one).nodes[0]?.attrs.rounding)).to.deep.equal(
        wanted,
      );
      const clamped = writeTflite(layer(op, outputs, 'relu', 1));
      const own = read(clamped, 'tflite').nodes[0]?.attrs.rounding;
      expect(own, 'a ReLU clamps what differs').to.equal('double');
    });
  }

  it('a ReLU that a pass fuses makes it that of TFLM, which kernels know', () => {
    const module = layer('conv2d', 3, 'none', 1);
    const graph = mainGraph(module);
    const [output = -1] = graph.outputs;
    const b = { ...(graph.tensors[output] as (typeof graph.tensors)[number]), name: 'clamped' };
    const relu = { op: 'relu', name: 'relu', inputs: [output], outputs: [graph.tensors.length] };
    const nodes = [...graph.nodes, { ...relu, attrs: {}, ops: [1], fused: [] }];
    const all = { ...graph, nodes, tensors: [...graph.tensors, b], outputs: relu.outputs };
    const file = writeTflite({ ...module, graphs: [all] });
    const imported = importModel(file, { name: 'm', where: 'm', rounding: 'tflite' });
    const [node, ...rest] = mainGraph(runPasses(imported, { faithful: false })).nodes;
    expect(rest).to.deep.equal([]);
    expect([node?.attrs.activation, node?.attrs.rounding]).to.deep.equal(['relu', 'double']);
  });

  it('the channels behind the last whole vector round as TFLM does, unless a ReLU clamps them', () => {
    const of = (op: Op, activation: string, rounding: (typeof roundings)[number]) => {
      const graph = read(writeTflite(layer(op, 12, activation, 1)), rounding);
      const [node] = graph.nodes;
      return [node?.attrs.rounding, node?.attrs.upwardChannels];
    };
    expect(of('depthwise_conv2d', 'none', 'tflite')).to.deep.equal(['upward', 8]);
    expect(of('depthwise_conv2d', 'relu6', 'tflite')).to.deep.equal(['double', undefined]);
    expect(of('conv2d', 'none', 'tflite')).to.deep.equal(['upward', undefined]);
    expect(of('depthwise_conv2d', 'none', 'xnnpack')).to.deep.equal(['float', undefined]);
  });

  it('the constants that kernels get give the bits of the definition', () => {
    const found = { nudged: 0, double: 0, single: 0, upward: 0, float: 0, bent: 0 };
    for (let seed = 1; seed <= 30; seed += 1) {
      const op = (['conv2d', 'depthwise_conv2d', 'fully_connected'] as const)[seed % 3] as Op;
      const graph = read(writeTflite(layer(op, 8, 'none', seed)), 'tflite');
      const [node] = graph.nodes;
      if (node === undefined) throw new Error('no node');
      found[outputStage(viewOf(graph, node) as never, 8, 'per-channel').rounding] += 1;
    }
    expect([found.upward, found.float]).to.deep.equal([0, 0]);
    expect(found.nudged, JSON.stringify(found)).to.be.above(15);
  });

  it("every element is that of Python's interpreter on this processor", function () {
    this.timeout(60_000);
    const info = existsSync('/proc/cpuinfo') ? readFileSync('/proc/cpuinfo', 'utf8') : '';
    if (!/\bavx2\b/.test(info)) skip(this, 'the processor has no AVX2');
    const python = pythonWith(this, 'ai_edge_litert');
    const jobs = (['conv2d', 'fully_connected', 'depthwise_conv2d'] as const).flatMap((op) =>
      Array.from({ length: 12 }, (_, i) => {
        const outputs = op === 'depthwise_conv2d' ? [8, 5, 20][i % 3] : [3, 8, 17][i % 3];
        const module = layer(op, outputs ?? 8, i % 4 === 3 ? 'relu' : 'none', i + 1);
        const inputs = randomInputs(module, i + 1) as readonly Int8Array[];
        return { op, file: writeTflite(module), inputs, outputs: 1 };
      }),
    );
    const answers = runtimeOutputs(python, 'builtin', jobs);
    let ties = 0;
    jobs.forEach(({ op, file, inputs }, i) => {
      const [answer] = answers[i] as readonly Int8Array[];
      const [own, portable] = (['tflite', 'tflm'] as const).map(
        (rounding) => evaluateGraph(read(file, rounding), inputs).outputs[0] as Int8Array,
      );
      expect([...(own as Int8Array)], `${op} ${i + 1}`).to.deep.equal([...(answer ?? [])]);
      ties += (own as Int8Array).filter((value, k) => value !== portable?.[k]).length;
    });
    expect(ties, 'elements that tflm rounds otherwise').to.be.above(5);
  });
});
