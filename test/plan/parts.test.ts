/** Halves of steps: together they are the step, and they do not meet in memory. */
import { expect } from 'chai';
import { analyse } from '../../src/compiler/analysis/index.js';
import {
  byteCount,
  mainGraph,
  type NodeView,
  type Tensor,
  type TensorData,
  viewOf,
} from '../../src/compiler/ir/graph.js';
import type { ChannelBounds, Facts } from '../../src/compiler/ir/op.js';
import type { MatchedKernel, Overlap } from '../../src/compiler/kernels/variant.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { opOf } from '../../src/compiler/ops/index.js';
import { candidatesFor, onTwoCores } from '../../src/compiler/plan/choose/candidates.js';
import { requireApart } from '../../src/compiler/plan/schedule/apart.js';
import {
  accessesOf,
  conflictOf,
  halvesOf,
  type Implementation,
  memoryOf,
  type Part,
  type Portion,
  scratchOffsets,
} from '../../src/compiler/plan/schedule/parts.js';
import type { Placement } from '../../src/compiler/plan/types.js';
import { InternalError } from '../../src/errors.js';
import { sharedLayer, sharedOps } from '../support/halves.js';
import { GraphBuilder, perTensorQuant, randomInputs } from '../support/module.js';
import { NetworkBuilder } from '../support/networks.js';
import { contextOf, defaults } from '../support/plan.js';
import { runs } from '../support/runs.js';

const seeds = Array.from({ length: runs(150) }, (_, seed) => seed + 1);
const context = contextOf({ target: 'host', options: defaults });

/** What is proved of a half is what is proved of its channels, and of all channels of its input. */
function expectPieces(half: Portion, whole: NodeView, facts: Facts): void {
  const output = whole.outputs[0] as Tensor;
  const channels = half.view.outputs[0]?.shape.at(-1) ?? 1;
  const first = channels < (output.shape.at(-1) ?? 1) ? half.outputBytes : 0;
  const piece = ({ min, max }: ChannelBounds) => ({
    min: min.slice(first, first + channels),
    max: max.slice(first, first + channels),
  });
  const own = half.context.facts;
  expect(own.range(half.view.outputs[0] as Tensor)).to.deep.equal(piece(facts.range(output)));
  expect(own.accumulator(half.view)).to.deep.equal(piece(facts.accumulator(whole)));
  const [input] = half.view.inputs as readonly Tensor[];
  expect(own.range(input as Tensor)).to.deep.equal(facts.range(whole.inputs[0] as Tensor));
}

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
        const facts = analyse(graph);
        const halves = halvesOf(view, { ...context, facts });
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
          expectPieces(half, view, facts);
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

  it('exclude several images, and rows that do not begin at a word', () => {
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

interface MadeUpPart {
  /** First byte and bytes of its piece of each input. */
  readonly inputs?: readonly (readonly [begin: number, bytes: number])[];
  readonly outputBytes?: number;
  readonly scratchBytes?: number;
  readonly overlaps?: readonly Overlap[];
}

/** A kernel with these halves, of outputs of 4 bytes. */
function implementationOf(...parts: readonly MadeUpPart[]): Implementation {
  const tensor = (bytes: number): Tensor => ({
    ...{ name: 'x', dtype: 'int8', shape: [bytes], quant: null, data: null, source: null },
  });
  const node = {
    ...{ op: 'relu', name: 'x', inputs: [0], outputs: [1], attrs: {}, ops: [0], fused: [] },
  };
  return {
    variant: { template: 'made/up', needs: [] },
    parts: parts.map(({ inputs = [[0, 8]], outputBytes = 0, scratchBytes = 0, overlaps }): Part => {
      const kernel: MatchedKernel = {
        ...{ scratchBytes, work: () => ({}), calls: () => [], outlines: () => [] },
        ...(overlaps === undefined ? {} : { overlaps }),
      };
      const view: NodeView = {
        ...{ node, attrs: {}, outputs: [tensor(4)] },
        inputs: inputs.map(([, bytes]) => tensor(bytes)),
      };
      return { view, context, kernel, outputBytes, inputBytes: inputs.map(([begin]) => begin) };
    }),
  };
}

describe('halves: where the output may lie on the input', () => {
  const from = (lead: number): Overlap => ({ input: 0, lead, exact: false });
  const at = (lead: number): Overlap => ({ input: 0, lead, exact: true });
  /** Inputs of 40 bytes, side by side; outputs that begin at 0 and at `second`. */
  const apart = (second: number, first: readonly Overlap[], other = first) =>
    implementationOf(
      { inputs: [[0, 40]], overlaps: first },
      { inputs: [[40, 40]], outputBytes: second, overlaps: other },
    );
  /** Inputs with `shared` bytes in common. */
  const common = (shared: number) =>
    implementationOf(
      { inputs: [[0, 40]], overlaps: [from(-99)] },
      { inputs: [[40 - shared, 40]], outputBytes: 40, overlaps: [from(-99)] },
    );
  // The lead is the second output's begin less the first input's end; of each half it is that plus
  // the begin of its input less that of its output.
  const rows: [edge: string, implementation: Implementation, leads: number[]][] = [
    ['as large: in place', apart(40, [from(0)]), [0]],
    ['but not for kernels that need a byte', apart(40, [from(1)]), []],
    ['twice as large: 40 ahead for the first half, 0 for the second', apart(80, [from(0)]), [40]],
    ['which a kernel that needs a byte misses', apart(80, [from(1)]), []],
    ['even if that of the first half does not', apart(80, [from(40)], [from(1)]), []],
    ['and takes where the second needs none', apart(80, [from(40)], [from(0)]), [40]],
    ['half as large: 20 behind for the first half', apart(20, [from(-20)]), [-20]],
    ['which one that allows 19 misses', apart(20, [from(-19)]), []],
    ['exactly in place', apart(40, [at(0)]), [0]],
    ['exactly elsewhere: never', apart(40, [at(-4)]), []],
    ['exactly in place, but twice as large: the first half is 40 ahead', apart(80, [at(0)]), []],
    ['exactly there in each half', apart(80, [at(40)], [at(0)]), [40]],
    ['the second half’s kernel shares nothing', apart(40, [from(0)], []), []],
    ['nor does the first’s', apart(40, [], [from(0)]), []],
    ['another input', apart(40, [from(0)], [{ ...from(0), input: 1 }]), []],
    ['inputs side by side', common(0), [0]],
    ['a byte in common: the second half would overwrite it', common(1), []],
  ];
  for (const [edge, implementation, leads] of rows) {
    it(edge, () => {
      const overlaps = leads.map((lead) => ({ input: 0, lead, exact: true }));
      expect(memoryOf(implementation).overlaps).to.deep.equal(overlaps);
    });
  }

  it('of two inputs the one that both allow', () => {
    const inputs = (begin: number) => [[begin, 40] as const, [begin, 40] as const];
    const second = { ...from(0), input: 1 };
    const implementation = implementationOf(
      { inputs: inputs(0), overlaps: [from(1), second] },
      { inputs: inputs(40), outputBytes: 40, overlaps: [from(0), second] },
    );
    expect(memoryOf(implementation).overlaps).to.deep.equal([{ input: 1, lead: 0, exact: true }]);
  });

  it('of a whole step: what its kernel says, or its operator', () => {
    expect(memoryOf(implementationOf({ overlaps: [from(7)] })).overlaps).to.deep.equal([from(7)]);
    expect(memoryOf(implementationOf({})).overlaps, 'relu').to.deep.equal([at(0)]);
  });

  it('of nothing: nothing', () => {
    expect(memoryOf(implementationOf())).to.deep.equal({ scratchBytes: 0, overlaps: [] });
  });
});

describe('halves: scratch', () => {
  const rows: [edge: string, scratch: number[], bytes: number, offsets: (number | null)[]][] = [
    ['one after the other, in words', [5, 3], 12, [0, 8]],
    ['of the first alone', [5, 0], 8, [0, null]],
    ['of the second alone', [0, 5], 8, [null, 0]],
    ['of neither', [0, 0], 0, [null, null]],
    ['of a whole step', [5], 8, [0]],
  ];
  for (const [edge, scratch, bytes, offsets] of rows) {
    it(edge, () => {
      const implementation = implementationOf(
        ...scratch.map((scratchBytes) => ({ scratchBytes, overlaps: [] })),
      );
      expect(memoryOf(implementation).scratchBytes).to.equal(bytes);
      expect(scratchOffsets(implementation.parts)).to.deep.equal(offsets);
    });
  }

  it('is written, and so are outputs; inputs that are no constants are read', () => {
    const half = (begin: number, scratchBytes: number): MadeUpPart => ({
      inputs: [
        [begin, 6],
        [0, 9],
        [begin, 2],
      ],
      ...{ outputBytes: begin / 2, scratchBytes },
    });
    const places = { inputs: [100, null, 300], output: 500, scratch: 700 };
    const accesses = accessesOf(implementationOf(half(0, 5), half(8, 3)), places);
    const span = (begin: number, bytes: number) => ({ begin, end: begin + bytes });
    expect(accesses).to.deep.equal([
      { reads: [span(100, 6), span(300, 2)], writes: [span(500, 4), span(700, 5)] },
      { reads: [span(108, 6), span(308, 2)], writes: [span(504, 4), span(708, 3)] },
    ]);
    const [none] = accessesOf(implementationOf({ inputs: [[0, 6]] }), places);
    expect(none).to.deep.equal({ reads: [span(100, 6)], writes: [span(500, 4)] });
  });
});

describe('halves: which steps have them', () => {
  const quant = perTensorQuant(0.02, 3);
  const viewOfNode = (make: (b: NetworkBuilder) => number) => {
    const b = new NetworkBuilder();
    const graph = mainGraph(b.module([make(b)]));
    return viewOf(graph, graph.nodes.at(-1) as never);
  };

  it('none of an operator without halves', () => {
    const view = viewOfNode((b) => b.node('relu', [b.input([1, 8, 8, 4], quant)]));
    expect(halvesOf(view, context)).to.equal(null);
    const { implementations } = onTwoCores(candidatesFor(view, context), context);
    expect(implementations.map(({ parts }) => parts.length)).to.not.include(2);
  });

  it('none of a kernel that computes neither half', () => {
    const view = viewOfNode((b) => b.dense(b.input([1, 16], quant), 16));
    const { implementations, ...rest } = candidatesFor(view, context);
    const unknown = implementations.map((one) => ({
      ...one,
      variant: { template: 'x', needs: [] },
    }));
    const both = onTwoCores({ ...rest, implementations: unknown }, context);
    expect(both.implementations).to.deep.equal(unknown);
  });

  /** Where weights may lie in two memories, a row of 64 inputs has a call for each 128 outputs. */
  const rows: [edge: string, outputs: number, cores: number[]][] = [
    ['256 and 256 outputs: two calls each', 512, [1, 2]],
    ['256 and 260: two and three', 516, [1]],
  ];
  for (const [edge, outputs, cores] of rows) {
    it(`only where both halves have as many calls: ${edge}`, () => {
      const view = viewOfNode((b) => b.dense(b.input([1, 64], quant), outputs));
      const regions = {
        flash: { cacheBytes: 1024, lineBytes: 8, missCycles: 1 },
        sram: { reservedBytes: 0 },
      };
      const cached = { ...context, target: { ...context.target, regions } };
      const both = onTwoCores(candidatesFor(view, cached, 'portable/fully_connected'), cached);
      expect(both.implementations.map(({ parts }) => parts.length)).to.deep.equal(cores);
    });
  }
});

describe('halves: a plan in which they meet is a bug', () => {
  /** Halves that read 8 bytes each of input 0 and write 4 each of output 1. */
  const apart = implementationOf(
    { scratchBytes: 4 },
    { inputs: [[8, 8]], outputBytes: 4, scratchBytes: 4 },
  );
  const [{ view } = { view: null }] = apart.parts;
  const node = (view as NodeView).node;
  const place = (offset: number) => ({ offset }) as Placement;
  interface Places {
    readonly input: number;
    readonly output: number;
    readonly scratch: number;
    /** Where the input is moved to before. */
    readonly to?: number;
  }
  const arenaOf = ({ input, output, scratch, to }: Places) => ({
    placements: new Map([
      [0, place(input)],
      [1, place(output)],
    ]),
    scratch: [{ offset: scratch, bytes: 8 }],
    moves: [to === undefined ? null : { from: input, to, bytes: 16 }],
  });
  const rows: [edge: string, places: Places, bytes: string | null][] = [
    ['all apart', { input: 0, output: 16, scratch: 24 }, null],
    // The first half writes 8 to 11, where the second one reads 8 to 15.
    ['an output on the other half’s input', { input: 0, output: 8, scratch: 24 }, '8 to 11'],
    // The second one writes 4 to 7, where the first one reads 0 to 7.
    ['the other way round', { input: 0, output: 0, scratch: 24 }, '4 to 7'],
    ['scratch on the other half’s input', { input: 0, output: 16, scratch: 8 }, '8 to 11'],
    // The first one's scratch is at 20 to 23, which the second one writes.
    ['scratch on the other half’s output', { input: 0, output: 16, scratch: 20 }, '20 to 23'],
    ['an input that has moved away', { input: 0, output: 0, scratch: 24, to: 32 }, null],
    ['and one that has moved there', { input: 32, output: 8, scratch: 24, to: 0 }, '8 to 11'],
  ];
  for (const [edge, places, bytes] of rows) {
    it(edge, () => {
      const check = () => requireApart(node, apart, arenaOf(places), 0);
      if (bytes === null) return expect(check).to.not.throw();
      const says = `plan: operator 0 (relu) "x": both halves use bytes ${bytes} of the arena`;
      return expect(check).to.throw(InternalError, says);
    });
  }

  it('an input that is a constant has no place, and one core conflicts with nothing', () => {
    const whole = implementationOf({ inputs: [[0, 8]], scratchBytes: 8 });
    const anyhow = { ...arenaOf({ input: 0, output: 0, scratch: 0 }), scratch: [null] };
    expect(() => requireApart(node, whole, anyhow, 0)).to.not.throw();
    const absent = { ...node, inputs: [null] };
    const places = arenaOf({ input: 0, output: 8, scratch: 24 });
    expect(() => requireApart(absent, apart, places, 0)).to.not.throw();
    expect(() => requireApart({ ...node, inputs: [7] }, apart, places, 0)).to.not.throw();
  });
});
