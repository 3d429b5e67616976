/** Plans: kernels, steps, memory, ports. */
import { expect } from 'chai';
import fc from 'fast-check';
import { loadTarget } from '../../src/boards/target/index.js';
import { analyse } from '../../src/compiler/analysis/index.js';
import {
  type DType,
  type Module,
  mainGraph,
  type TensorData,
  type TensorId,
  tensorOf,
  viewOf,
} from '../../src/compiler/ir/graph.js';
import type { Feature } from '../../src/compiler/ir/op.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { opOf } from '../../src/compiler/ops/index.js';
import { runPasses } from '../../src/compiler/passes/index.js';
import { acceptGraph } from '../../src/compiler/plan/choose/accept.js';
import { makePlan } from '../../src/compiler/plan/index.js';
import { type CompileOptions, noKernel, type Plan } from '../../src/compiler/plan/types.js';
import { BonsaiError, refusalOf } from '../../src/errors.js';
import { expectSameBitsOnBoard } from '../support/board.js';
import { perTensorQuant, Random, randomInputs } from '../support/module.js';
import { buildNetwork, NetworkBuilder, networks } from '../support/networks.js';
import { runs } from '../support/runs.js';

const target = {
  name: 'test',
  features: new Set<Feature>(),
  costs: {},
  costUnit: 'cycles' as const,
  flashBytes: null,
  ramBytes: null,
};
const defaults: CompileOptions = {
  optimize: 'balanced',
  rounding: 'tflm',
  faithful: false,
  keepInput: false,
  xip: 'model',
};

function planOf(module: Module, options: Partial<CompileOptions> = {}): Plan {
  return makePlan(module, analyse(mainGraph(module)), target, { ...defaults, ...options }).plan;
}

/** The module after passes, and its plan. */
function compile(source: Module, options: Partial<CompileOptions>) {
  const module = runPasses(source, { faithful: options.faithful ?? false });
  return { module, plan: planOf(module, options) };
}

/**
 * Runs a plan as generated code would: all activations in one arena, evaluated step by step. What a
 * step may not rely on (scratch, outputs that are not in place) is filled with rubbish first.
 */
function execute(
  module: Module,
  plan: Plan,
  inputs: readonly TensorData[],
  observe: (tensor: TensorId, data: Int8Array) => void = () => {},
) {
  const graph = mainGraph(module);
  const arena = new Int8Array(plan.arenaBytes).fill(85);
  const places = new Map(plan.placements.map((placement) => [placement.tensor, placement]));
  const memory = (id: TensorId): Int8Array => {
    const { offset, bytes } = places.get(id) as Plan['placements'][number];
    return arena.subarray(offset, offset + bytes);
  };
  const port = (p: Plan['inputs'][number]) => arena.subarray(p.offset, p.offset + p.bytes);
  plan.inputs.forEach((p, i) => {
    port(p).set(inputs[i] as Int8Array);
  });
  for (const step of plan.steps) {
    const node = graph.nodes[step.node];
    if (node === undefined) throw new RangeError(`step ${step.index} has no node`);
    const offsetOf = (id: TensorId | null | undefined) =>
      id == null ? -1 : places.get(id)?.offset;
    if (step.kernel === noKernel) {
      expect(offsetOf(node.outputs[0])).to.equal(offsetOf(node.inputs[0]));
    } else {
      const { from = -1, to = -1, bytes: moved = 0 } = step.move ?? {};
      arena.copyWithin(to, from, from + moved);
      const { offset = 0, bytes = 0 } = step.scratch ?? {};
      arena.fill(85, offset, offset + bytes);
      const inputs = node.inputs.flatMap((id) => {
        const place = id === null ? undefined : places.get(id);
        return place === undefined
          ? []
          : [place.offset === from ? { ...place, offset: to } : place];
      });
      for (const id of node.outputs) {
        const output = places.get(id) as Plan['placements'][number];
        if (inputs.every((input) => apart(input, output))) memory(id).fill(85);
      }
      const values = node.inputs.map((id) => {
        if (id === null) return null;
        const { offset, bytes } = inputs.find(({ tensor }) => tensor === id) ?? {};
        return offset === undefined
          ? tensorOf(graph, id).data
          : arena.slice(offset, offset + (bytes ?? 0));
      });
      opOf(node)
        .evaluate(viewOf(graph, node), values)
        .forEach((data, position) => {
          memory(node.outputs[position] as TensorId).set(data as Int8Array);
        });
    }
    for (const id of node.outputs) observe(id, memory(id));
  }
  return {
    outputs: plan.outputs.map((p) => port(p).slice()),
    inputs: plan.inputs.map((p) => port(p).slice()),
  };
}

describe('plan, executed in its arena', () => {
  const options = fc.record({ faithful: fc.boolean(), keepInput: fc.boolean() });
  it('gives the bits of the evaluator', () => {
    fc.assert(
      fc.property(networks, options, ({ layers, seed }, option) => {
        const source = buildNetwork(layers, seed);
        const { module, plan } = compile(source, option);
        const inputs = randomInputs(source, seed);
        const reference = evaluateGraph(mainGraph(module), inputs);
        const result = execute(module, plan, inputs, (id, data) => {
          expect(data).to.deep.equal(reference.tensors.get(id));
        });
        expect(result.outputs).to.deep.equal(reference.outputs);
        expect(result.outputs).to.deep.equal(evaluateGraph(mainGraph(source), inputs).outputs);
        if (option.keepInput) expect(result.inputs).to.deep.equal(inputs);
        expect(plan.arenaBytes).to.be.at.least(plan.arenaLowerBoundBytes);
        for (const { offset } of plan.placements) expect(offset % plan.arenaAlign).to.equal(0);
        if (option.faithful) {
          expect(plan.steps.map(({ ops }) => ops)).to.deep.equal(
            mainGraph(source).nodes.map(({ ops }) => ops),
          );
        }
        expect(JSON.parse(JSON.stringify(plan))).to.deep.equal(plan);
      }),
      { numRuns: runs(300) },
    );
  });
});

function apart(a: Plan['placements'][number], b: Plan['placements'][number]): boolean {
  return a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset;
}

interface MemoryRow {
  readonly edge: string;
  readonly build: (b: NetworkBuilder, x: TensorId) => readonly TensorId[];
  readonly options?: Partial<CompileOptions>;
  readonly steps: number;
  readonly bytes: number;
}

/** Plus another number for each channel: no function of one element, which would become a look-up. */
const shifted = (b: NetworkBuilder, x: TensorId) => b.add(x, b.values([4], perTensorQuant(1, 0)));

/** x is [1, 4, 4, 4]: 64 bytes. */
const memoryRows: readonly MemoryRow[] = [
  {
    edge: 'an activation overwrites its input',
    build: (b, x) => [b.node('relu', [x])],
    steps: 1,
    bytes: 64,
  },
  {
    edge: 'but not one to be kept',
    build: (b, x) => [b.node('relu', [x])],
    options: { keepInput: true },
    steps: 1,
    bytes: 128,
  },
  {
    edge: 'nor one that is an output too',
    build: (b, x) => {
      const y = b.node('relu', [x]);
      return [y, b.node('relu6', [y])];
    },
    steps: 2,
    bytes: 128,
  },
  {
    edge: 'nor one that is read later',
    build: (b, x) => [b.add(x, shifted(b, b.node('relu', [x])))],
    steps: 3,
    bytes: 128,
  },
  {
    edge: 'nor a tensor that lives on under another shape',
    build: (b, x) => {
      const y = b.node('relu', [x]);
      const flat = b.reshape(y, [64]);
      return [b.add(shifted(b, y), b.reshape(flat, [1, 4, 4, 4]))];
    },
    steps: 3,
    bytes: 128,
  },
  {
    edge: 'a sum overwrites whichever operand dies',
    build: (b, x) => {
      const y = b.node('hard_swish', [x]);
      return [y, b.add(y, shifted(b, y))];
    },
    steps: 3,
    bytes: 128,
  },
  {
    edge: 'a sum of a tensor and itself',
    build: (b, x) => [b.add(x, x)],
    steps: 1,
    bytes: 64,
  },
  {
    edge: 'a sum with an operand that is too small to overwrite, read last',
    build: (b, x) => [b.add(b.values([1], perTensorQuant(1, 0)), x)],
    steps: 1,
    bytes: 64,
  },
  {
    edge: 'a reshape is its input',
    build: (b, x) => [b.reshape(b.conv2d(x, 4), [64])],
    steps: 1,
    bytes: 64,
  },
  {
    edge: 'faithful: it is a step without code',
    build: (b, x) => [b.reshape(b.conv2d(x, 4), [64])],
    options: { faithful: true },
    steps: 2,
    bytes: 64,
  },
  {
    edge: 'a reshape of an input that is kept',
    build: (b, x) => [b.reshape(x, [64])],
    options: { keepInput: true },
    steps: 0,
    bytes: 64,
  },
  {
    edge: 'a reshape of a constant has to be copied',
    build: (b, x) => [b.reshape(b.values([4], perTensorQuant(1, 0)), [2, 2]), b.node('relu', [x])],
    steps: 2,
    bytes: 68,
  },
  { edge: 'a model that returns its input', build: (_, x) => [x], steps: 0, bytes: 64 },
  {
    edge: 'two outputs that are one tensor',
    build: (b, x) => {
      const y = b.node('relu', [x]);
      return [y, y];
    },
    steps: 1,
    bytes: 64,
  },
  {
    edge: 'a result that nobody reads needs memory while it is computed',
    build: (b, x) => {
      b.conv2d(x, 8);
      return [b.node('relu', [x])];
    },
    options: { faithful: true },
    steps: 2,
    bytes: 192,
  },
  {
    edge: 'sizes are rounded up to words',
    build: (b, x) => [b.dense(x, 3)],
    options: { keepInput: true },
    steps: 1,
    bytes: 68,
  },
];

function build(make: MemoryRow['build'], name?: string): Module {
  const b = new NetworkBuilder(new Random(3));
  return b.module(make(b, b.input([1, 4, 4, 4], perTensorQuant(0.1, -20), name)));
}

describe('plan: memory', () => {
  for (const { edge, build: make, options = {}, steps, bytes } of memoryRows) {
    it(edge, () => {
      const { plan } = compile(build(make), options);
      expect(plan.steps).to.have.length(steps);
      expect(plan.arenaBytes).to.equal(bytes);
      expect(plan.arenaLowerBoundBytes).to.equal(bytes);
    });
  }

  it('a kernel that needs much scratch is left out where RAM is short', () => {
    const b = new NetworkBuilder();
    const module = b.module([b.dense(b.input([1, 640]), 128)]);
    const dsp = { ...target, features: new Set<Feature>(['mul32', 'dsp']) };
    const facts = analyse(mainGraph(module));
    const arenaOf = (options: Partial<CompileOptions>) =>
      makePlan(module, facts, dsp, { ...defaults, ...options }).plan.arenaBytes;
    expect(arenaOf({})).to.be.above(1000);
    expect(arenaOf({ maxRam: 5000 })).to.be.at.most(768);
  });

  it('an input is moved where that keeps outputs from drifting', () => {
    const b = new NetworkBuilder(new Random(4));
    let x = b.input([1, 25, 5, 64]);
    for (let i = 0; i < 4; i++) x = b.conv2d(b.depthwise(x, { pad: 1 }), 64);
    const { module, plan } = compile(b.module([x]), {});
    expect(plan.steps.filter(({ move }) => move !== null)).to.have.length.within(1, 2);
    expect(plan.arenaBytes).to.be.below(9000);
    const inputs = randomInputs(module, 1);
    const reference = evaluateGraph(mainGraph(module), inputs);
    expect(execute(module, plan, inputs).outputs).to.deep.equal(reference.outputs);
  });

  it('two inputs that nothing reads do not share memory: both are written before the run', () => {
    const b = new NetworkBuilder();
    const inputs = [b.input([8]), b.input([8]), b.input([8])];
    const { plan } = compile(b.module([b.node('relu', [inputs[0] ?? 0])]), {});
    expect(new Set(plan.inputs.map(({ offset }) => offset)).size).to.equal(3);
  });

  const budgets: readonly (readonly [edge: string, Partial<CompileOptions>])[] = [
    ['as balanced has them', {}],
    ['for size', { optimize: 'size' }],
    ['within a budget', { maxFlash: 150_000 }],
    ['within a budget that nothing meets', { optimize: 'size', maxFlash: 10 }],
  ];
  for (const [edge, options] of budgets) {
    it(`plans 1000 steps into the least arena, ${edge}`, () => {
      const b = new NetworkBuilder();
      let x = b.input([1, 4, 4, 4]);
      for (let i = 0; i < 1000; i++) {
        x =
          i % 3 === 2
            ? b.node('mul', [x, b.conv2d(x, 4)], { activation: 'none' })
            : b.conv2d(x, 4, { pad: i % 2, kernel: 1 + 2 * (i % 2) });
      }
      const module = b.module([x]);
      const plan = planOf(module, options);
      expect(plan.steps).to.have.length(1333);
      expect(plan.arenaBytes).to.equal(plan.arenaLowerBoundBytes);
    });
  }
});

describe('plan: where weights lie', () => {
  const rp2040 = loadTarget('rp2040');
  /** A row of 300 by 99 channels: about 30 KB of weights. */
  const row = (channels = 99) => {
    const b = new NetworkBuilder(new Random(9));
    return b.module([b.dense(b.input([1, 300]), channels)]);
  };
  const regionsOf = (options: Partial<CompileOptions>, module = row()) => {
    const facts = analyse(mainGraph(module));
    const { plan } = makePlan(module, facts, rp2040, { ...defaults, ...options });
    return new Set(plan.steps.flatMap(({ regions }) => regions));
  };
  const part = { maxRam: 25_000 };
  const rows: [edge: string, options: Partial<CompileOptions>, regions: string[]][] = [
    ['all in RAM, where there is room', {}, ['sram']],
    ['a row that RAM does not hold: a part of it', part, ['sram', 'flash']],
    ['a part of each half of it', { ...part, cores: 2 }, ['sram', 'flash']],
    ['in flash, where nothing misses', { xip: 'ideal' }, ['flash']],
  ];
  for (const [edge, options, regions] of rows) {
    it(edge, () => expect([...regionsOf(options)]).to.have.members(regions));
  }

  /** A third of the weights of a row of 300 by 203 channels: about 45 KB. */
  const sparse = () => {
    const module = row(203);
    const [graph] = module.graphs;
    const tensors = graph?.tensors.map((tensor) =>
      tensor.data instanceof Int8Array && tensor.shape.length === 2
        ? { ...tensor, data: tensor.data.map((weight, i) => (i % 3 === 0 ? weight || 3 : 0)) }
        : tensor,
    );
    return { ...module, graphs: [{ ...graph, tensors }] } as Module;
  };

  it('a row of which zeros are skipped lies in both where RAM does not hold it', async () => {
    const planned = { ...part, optimize: 'speed', planned: true } as const;
    const kernels = await expectSameBitsOnBoard([sparse()], 'rp2040', planned);
    expect(kernels).to.deep.equal(['swar/sparse_fully_connected']);
    expect([...regionsOf(planned, sparse())]).to.have.members(['sram', 'flash']);
  });

  it('a row in pieces gives the bits of the evaluator', async () => {
    const all = [part, { ...part, optimize: 'speed' }, { ...part, cores: 2 }] as const;
    for (const options of all) {
      const kernels = await expectSameBitsOnBoard([row()], 'rp2040', { ...options, planned: true });
      expect(kernels).to.deep.equal(['portable/fully_connected']);
    }
  });
});

describe('plan: steps', () => {
  const planned = () =>
    compile(
      build((b, x) => {
        const padded = b.node('pad', [x], { pads: [0, 0, 1, 1, 1, 1, 0, 0] });
        const y = b.node('relu', [b.conv2d(padded, 2, { kernel: 3 })]);
        return [b.dense(b.reshape(y, [1, 32]), 5)];
      }),
      {},
    ).plan;

  it('name the heaviest operator first and every source operator', () => {
    const rows = planned().steps.map(({ index, op, ops, name, macs }) => [
      index,
      op,
      ops,
      name,
      macs,
    ]);
    expect(rows).to.deep.equal([
      [0, 'conv2d+pad+relu', [0, 1, 2], 'conv2d_1', 16 * 2 * 36],
      [1, 'fully_connected', [4], 'fully_connected_4', 5 * 32],
    ]);
  });

  it('of a reshape has no kernel, and says that it needs none', () => {
    const { plan } = compile(
      build((b, x) => [b.reshape(x, [64])]),
      { faithful: true, cores: 2 },
    );
    expect(plan.steps[0]).to.deep.include({
      ...{ kernel: noKernel, why: 'its output is its input', cores: 1, dense: null },
      ...{ alternatives: [], regions: [], scratch: null, move: null },
    });
  });

  it('come with what computes them, and tell their scratch', () => {
    const b = new NetworkBuilder();
    const module = b.module([b.dense(b.reshape(b.input([1, 8, 1, 80]), [1, 640]), 128)]);
    const facts = analyse(mainGraph(module));
    const dsp = { ...target, features: new Set<Feature>(['mul32', 'dsp']) };
    const options = { ...defaults, faithful: true };
    const { plan, implementations } = makePlan(module, facts, dsp, options);
    const names = implementations.map((one) => one?.variant.template ?? noKernel);
    expect(plan.steps.map(({ kernel }) => kernel)).to.deep.equal(names);
    expect(names[0]).to.equal(noKernel);
    const needed = implementations[1]?.parts[0]?.kernel.scratchBytes;
    expect(needed).to.be.above(0);
    expect(plan.steps.map(({ scratch }) => scratch?.bytes)).to.deep.equal([undefined, needed]);
  });

  it('of a layer without a bias', () => {
    const { kernel, writes } = planOf(build((b, x) => [b.dense(x, 3, { bias: false })]))
      .steps[0] as Plan['steps'][number];
    expect(kernel).to.equal('portable/fully_connected');
    expect(writes).to.have.length(1);
  });

  it('has the kernel that is asked for by its name, and others have theirs', () => {
    const module = build((b, x) => [b.conv2d(b.conv2d(x, 4), 4)]);
    const kernelsOf = (options: Partial<CompileOptions>) =>
      planOf(module, options).steps.map(({ kernel }) => kernel);
    const [usual = ''] = kernelsOf({});
    const other = 'portable/conv2d';
    expect(kernelsOf({})).to.deep.equal([usual, usual]);
    expect(usual).to.not.equal(other);
    const kernels = [['conv2d_1', other]] as const;
    expect(kernelsOf({ kernels })).to.deep.equal([usual, other]);
  });

  it('read and write what is in the arena', () => {
    const plan = planned();
    const [first, second] = plan.steps;
    expect(first?.reads).to.deep.equal(plan.inputs.map(({ tensor }) => tensor));
    expect(second?.reads).to.deep.equal(first?.writes);
    expect(second?.writes).to.deep.equal(plan.outputs.map(({ tensor }) => tensor));
  });

  it('say why a kernel was chosen', () => {
    const [first, second] = planned().steps;
    expect([first?.kernel, second?.kernel]).to.deep.equal([
      'portable/conv2d',
      'portable/fully_connected',
    ]);
    expect(first?.alternatives.map(({ kernel, form }) => [kernel, form])).to.deep.equal([
      ['portable/conv2d', 'dense'],
    ]);
    expect(first?.why).to.match(/^about \d+ cycles, \d+ B; the only one that applies$/);
  });

  it('sum up to the model', () => {
    expect(planned().model).to.deep.include({
      macs: 1312,
      liveMacs: 1312,
      parameters: 72 + 2 + 160 + 5,
    });
  });
});

describe('plan: ports', () => {
  const rows = [
    { edge: 'punctuation', names: ['serving_default_x:0'], want: ['serving_default_x_0'] },
    { edge: 'no letters', names: ['', '//', '7'], want: ['t', 't_2', 't_7'] },
    { edge: 'keywords', names: ['int', 'default'], want: ['t_int', 't_default'] },
    {
      edge: 'the same once sanitised',
      names: ['a/b', 'a_b', 'a.b'],
      want: ['a_b', 'a_b_2', 'a_b_3'],
    },
    { edge: 'the same in capitals', names: ['Image', 'image'], want: ['Image', 'image_2'] },
    { edge: 'a number that is taken', names: ['a', 'a_2', 'a'], want: ['a', 'a_2', 'a_3'] },
    { edge: 'reserved: leading underscores', names: ['__x__'], want: ['x'] },
  ];
  for (const { edge, names, want } of rows) {
    it(`identifiers: ${edge}`, () => {
      const b = new NetworkBuilder();
      const inputs = names.map((name) => b.input([1, 4], perTensorQuant(0.5, 3), name));
      const plan = planOf(b.module([b.node('relu', [inputs[0] ?? 0])]));
      expect(plan.inputs.map(({ identifier }) => identifier)).to.deep.equal(want);
      expect(plan.inputs.map(({ name }) => name)).to.deep.equal(names);
    });
  }

  it('an input and an output of one name differ', () => {
    const plan = planOf(build((_, x) => [x], 'x'));
    expect(plan.inputs[0]).to.deep.include({ name: 'x', identifier: 'x', bytes: 64 });
    expect(plan.outputs[0]).to.deep.include({ name: 'x', identifier: 'x_2', bytes: 64 });
    expect(plan.outputs[0]?.offset).to.equal(plan.inputs[0]?.offset);
  });
});

describe('plan refuses', () => {
  const retyped = (from: number, dtype: DType): Module => {
    const module = build((b, x) => [b.dense(x, 2)]);
    const graph = mainGraph(module);
    const tensors = graph.tensors.map((t, id) => (id === from ? { ...t, dtype } : t));
    return { ...module, graphs: [{ ...graph, tensors }] };
  };
  const constant = (): Module => {
    const b = new NetworkBuilder();
    return b.module([b.values([4], perTensorQuant(1, 0))]);
  };
  const floatConstant = (): Module => {
    const module = constant();
    const tensors = mainGraph(module).tensors.map((t) => ({ ...t, dtype: 'float32' as const }));
    return { ...module, graphs: [{ ...mainGraph(module), tensors }] };
  };
  const rows = [
    {
      edge: 'integer weights under a float input',
      module: retyped(0, 'float32'),
      code: 'float-model',
      where: /fully_connected/,
      says: 'tensor "constant_1" is int8, but it computes in float32',
    },
    {
      edge: 'float weights',
      module: retyped(1, 'float16'),
      code: 'float-model',
      where: /fully_connected/,
      says: 'tensor "constant_1" is float16; it computes with int8 or int16',
    },
    {
      edge: 'a float output',
      module: retyped(3, 'float32'),
      code: 'unsupported-type',
      where: /fully_connected/,
      says: 'computes with int8 and float32 together; no kernel does',
    },
    {
      edge: 'uint8',
      module: retyped(0, 'uint8'),
      code: 'unsupported-type',
      where: /fully_connected/,
      says: 'tensor "input_0" is uint8; activations have to be int8',
    },
    {
      edge: 'a layer from int8 to int16',
      module: retyped(3, 'int16'),
      code: 'unsupported-type',
      where: /fully/,
      says: 'computes with int8 and int16 together; no kernel does',
    },
    {
      edge: 'a constant float output',
      module: floatConstant(),
      code: 'bad-graph',
      where: /^output of the model$/,
      says: '"constant_0" is a constant: it does not depend on any input',
    },
    {
      edge: 'a constant output',
      module: constant(),
      code: 'bad-graph',
      where: /^output of the model$/,
      says: '"constant_0" is a constant: it does not depend on any input',
    },
  ];
  it('float16 with a hint at the one layer, or at all', () => {
    const hintOf = (dtypes: (dtype: DType) => DType) => {
      const graph = mainGraph(build((b, x) => [b.dense(x, 2)]));
      const tensors = graph.tensors.map((t) => ({ ...t, dtype: dtypes(t.dtype) }));
      return refusalOf(() => acceptGraph({ ...graph, tensors }))?.hint;
    };
    expect(hintOf(() => 'float16')).to.match(/^bonsaic quantize/);
    const weights = mainGraph(retyped(1, 'float16'));
    expect(refusalOf(() => acceptGraph(weights))?.hint).to.match(/leaves a layer in float32/);
  });

  it('more constants than 64 MiB, counted once, computed tensors apart', () => {
    const sized = (bytes: number) => {
      const graph = mainGraph(build((b, x) => [b.dense(x, 2)]));
      const [node] = graph.nodes;
      const tensors = graph.tensors.map((t, id) => (id === 1 ? { ...t, shape: [bytes] } : t));
      return { ...graph, tensors, nodes: [node, node].flatMap((one) => one ?? []) };
    };
    const bias = 2 * 4;
    expect(refusalOf(() => acceptGraph(sized(2 ** 26 - bias)))).to.equal(null);
    const error = refusalOf(() => acceptGraph(sized(2 ** 26 - bias + 1)));
    expect([error?.code, error?.message]).to.deep.equal([
      'too-large',
      'has 67108865 bytes of weights and tables; C text is written of 67108864 at most',
    ]);
  });

  for (const { edge, module, code, where, says } of rows) {
    it(edge, () => {
      let caught: unknown;
      try {
        planOf(module);
      } catch (error) {
        caught = error;
      }
      expect(caught).to.be.instanceOf(BonsaiError);
      const { code: found, where: place, hint } = caught as BonsaiError;
      expect(found).to.equal(code);
      expect(place).to.match(where);
      expect((caught as BonsaiError).message).to.include(says);
      expect(hint).to.have.length.above(10);
    });
  }
});
