/** What a step's calls, passes and halves add up to: kernels made up, sums worked out by hand. */
import { expect } from 'chai';
import { mainGraph, type NodeView, viewOf } from '../../src/compiler/ir/graph.js';
import type { Feature, Optimize, TargetTraits } from '../../src/compiler/ir/op.js';
import { matched } from '../../src/compiler/kernels/calls.js';
import type { Kernel, KernelCall, MatchedKernel } from '../../src/compiler/kernels/variant.js';
import { alternativesOf, candidatesFor } from '../../src/compiler/plan/choose/candidates.js';
import { type Implementation, wholeOf } from '../../src/compiler/plan/schedule/parts.js';
import { InternalError } from '../../src/errors.js';
import { GraphBuilder, perTensorQuant } from '../support/module.js';
import { noFacts } from '../support/plan.js';

const noCode = { runtimeBytes: 0, stepBytes: 0, kernels: { 'made/up': 70 } };

/** A line of 10 bytes costs 1 cycle, so 100 bytes of weights cost 10 each time they are fetched. */
function contextOf(cacheBytes: number, optimize: Optimize = 'speed') {
  const target: TargetTraits = {
    ...{ name: 'test', features: new Set(), costs: {}, costUnit: 'cycles' },
    ...{ code: { speed: noCode, balanced: noCode, size: noCode } },
    ...{ flashBytes: null, ramBytes: null },
    regions: {
      flash: { cacheBytes, lineBytes: 10, missCycles: 1 },
      sram: { reservedBytes: 0 },
    },
  };
  return { facts: noFacts, target, optimize };
}

/** A call with so many bytes of weights, all of one value, and of tables. */
function callOf(weights: number, { value = 1, tables = 0, ...rest }: Partial<MadeUpCall> = {}) {
  const call: KernelCall = {
    ...{ inputs: [0], outputs: [0], flags: {}, numbers: {} },
    tables: {
      weights: { role: 'weights', data: new Int8Array(weights).fill(value) },
      stage: { role: 'table', data: new Int8Array(tables).fill(value) },
    },
    ...rest,
  };
  return call;
}
interface MadeUpCall extends Pick<KernelCall, 'flags' | 'numbers'> {
  /** Of each weight: halves share the weights that are equal. */
  readonly value: number;
  readonly tables: number;
}

/** A row of weights, [2, 8], of which every third is zero. */
function viewOfRow(): NodeView {
  const b = new GraphBuilder();
  const weights = b.constant(
    Int8Array.from({ length: 16 }, (_, i) => (i % 3 === 0 ? 0 : 5)),
    [2, 8],
    perTensorQuant(0.02, 0),
  );
  const attrs = { activation: 'none', rounding: 'double' };
  const y = b.node('fully_connected', [b.input([1, 8]), weights, null], attrs);
  const graph = mainGraph(b.module([y]));
  return viewOf(graph, graph.nodes[0] as never);
}

interface MadeUpPart {
  readonly cycles?: number;
  readonly passes?: number;
  readonly calls: readonly KernelCall[];
}

/** The alternative of a kernel with these parts: one, or a half each. */
function weighed(
  parts: readonly MadeUpPart[],
  { cacheBytes = 300, optimize }: { cacheBytes?: number; optimize?: Optimize } = {},
) {
  const context = contextOf(cacheBytes, optimize);
  const view = viewOfRow();
  const implementation: Implementation = {
    variant: { template: 'made/up', needs: [] },
    parts: parts.map(({ cycles = 0, passes, calls }) => {
      const kernel: Kernel = {
        ...{
          scratchBytes: 0,
          calls: () => calls,
          work: () => ({ all: { count: cycles, cycles: 1 } }),
        },
        ...(passes === undefined ? {} : { weightPasses: passes }),
      };
      const own = matched('made/up', context.optimize, () => kernel) as MatchedKernel;
      return { ...wholeOf(view, context), kernel: own };
    }),
  };
  const candidates = { view, implementations: [implementation], refused: [] };
  const [alternative] = alternativesOf(candidates, [0], context).alternatives;
  if (alternative === undefined) throw new RangeError('no alternative');
  return alternative;
}

describe('plan: misses of each call', () => {
  const two = [callOf(100), callOf(100)];
  const rows: [edge: string, parts: MadeUpPart[], cacheBytes: number, misses: number[]][] = [
    ['all calls within half the cache: once each', [{ passes: 3, calls: two }], 400, [10, 10]],
    [
      'each within half of it, but not both: in each pass, for all of them run in each',
      [{ passes: 3, calls: two }],
      399,
      [30, 30],
    ],
    ['a kernel that names no passes has one', [{ calls: two }], 1, [10, 10]],
    [
      'a call of other weights has its own misses',
      [{ calls: [callOf(91), callOf(9)] }],
      1,
      [10, 1],
    ],
    ['a call without weights has none', [{ passes: 3, calls: [callOf(0)] }], 1, [0]],
    [
      'halves with one set of weights: once for both, where the cache keeps it',
      [
        { passes: 3, calls: [callOf(100)] },
        { passes: 2, calls: [callOf(100)] },
      ],
      200,
      [10],
    ],
    [
      'else in the passes of both',
      [
        { passes: 3, calls: [callOf(100)] },
        { passes: 2, calls: [callOf(100)] },
      ],
      199,
      [50],
    ],
    [
      'halves with weights of their own: 3 passes of 100 bytes and 2 of 50',
      [
        { passes: 3, calls: [callOf(100)] },
        { passes: 2, calls: [callOf(50, { value: 2 })] },
      ],
      299,
      [40],
    ],
    [
      'call by call: the first is common, the second is not',
      [
        { passes: 1, calls: [callOf(100), callOf(100)] },
        { passes: 2, calls: [callOf(100), callOf(100, { value: 2 })] },
      ],
      1,
      [30, 30],
    ],
  ];
  for (const [edge, parts, cacheBytes, misses] of rows) {
    it(edge, () => {
      const { pieces } = weighed(parts, { cacheBytes });
      expect(pieces.map(({ missCycles }) => missCycles)).to.deep.equal(misses);
    });
  }

  it('are not counted if flash has no cache', () => {
    const { regions: _, ...flat } = contextOf(1).target;
    const view = viewOfRow();
    const { implementations, refused } = candidatesFor(view, { ...contextOf(1), target: flat });
    const { alternatives } = alternativesOf({ view, implementations, refused }, [], {
      ...contextOf(1),
      target: flat,
    });
    const misses = alternatives.flatMap(({ pieces }) => pieces.map((piece) => piece.missCycles));
    expect(new Set(misses)).to.deep.equal(new Set([0]));
  });
});

describe('plan: bytes of each call', () => {
  const own = { value: 2, tables: 7 };
  it('are those of both halves if each has its own weights: RAM for a copy holds both', () => {
    const both = weighed([{ calls: [callOf(100, { tables: 5 })] }, { calls: [callOf(60, own)] }]);
    expect(both.pieces.map(({ weightBytes }) => weightBytes)).to.deep.equal([160]);
    expect(both.flashBytes, 'weights and tables').to.equal(100 + 5 + 60 + 7);
  });

  it('are those of one half if both have the same weights', () => {
    const same = weighed([
      { calls: [callOf(100, { tables: 5 })] },
      { calls: [callOf(100, { tables: 5 })] },
    ]);
    expect(same.pieces.map(({ weightBytes }) => weightBytes)).to.deep.equal([100]);
    expect(same.flashBytes).to.equal(105);
  });

  it('tables are no weights: they stay in flash', () => {
    const [piece] = weighed([{ calls: [callOf(0, { tables: 500 })] }]).pieces;
    expect(piece).to.deep.equal({ weightBytes: 0, missCycles: 0 });
  });
});

describe('plan: cycles of halves', () => {
  const calls = [callOf(0)];
  const rows: [edge: string, parts: MadeUpPart[], cycles: number][] = [
    ['one core: its own', [{ cycles: 500, calls }], 500],
    [
      'two: the slower half’s and 200',
      [
        { cycles: 300, calls },
        { cycles: 250, calls },
      ],
      500,
    ],
    [
      'whichever that is',
      [
        { cycles: 250, calls },
        { cycles: 300, calls },
      ],
      500,
    ],
  ];
  for (const [edge, parts, cycles] of rows) {
    it(edge, () => expect(weighed(parts).cycles).to.equal(cycles));
  }
});

describe('plan: functions of a step', () => {
  const calls = [
    callOf(8, { numbers: { depth: 8 } }),
    callOf(8, { numbers: { depth: 8 } }),
    callOf(8, { numbers: { depth: 4 } }),
    callOf(8, { numbers: { depth: 4 }, flags: { few: true } }),
  ];
  const rows: [optimize: Optimize, functions: number, why: string][] = [
    ['speed', 3, 'one for each shape'],
    ['balanced', 2, 'one for each text'],
    ['size', 2, 'one for each text'],
  ];
  for (const [optimize, functions, why] of rows) {
    it(`${optimize}: ${why}`, () => {
      const { code } = weighed([{ calls }], { optimize });
      expect(code.map(({ bytes }) => bytes)).to.deep.equal(new Array(functions).fill(70));
      expect(new Set(code.map(({ key }) => key)).size).to.equal(functions);
    });
  }
});

describe('plan: candidates', () => {
  const view = viewOfRow();
  const context = contextOf(1);

  it('come with the zeros among the weights: 6 of 16', () => {
    const candidates = candidatesFor(view, context);
    expect(alternativesOf(candidates, [], context).weights).to.deep.equal({ count: 16, zeros: 6 });
  });

  it('have none if the second input is not constant or is absent', () => {
    for (const second of [null, { ...view.inputs[1], data: null }]) {
      const inputs = [view.inputs[0] ?? null, second as NodeView['inputs'][number]];
      const candidates = { ...candidatesFor(view, context), view: { ...view, inputs } };
      const found = alternativesOf(candidates, [], context);
      expect(found).to.not.have.property('weights');
      expect(found.alternatives).to.have.length(candidates.implementations.length);
    }
  });

  it('have the bytes of the arena that go with each', () => {
    const candidates = candidatesFor(view, context);
    const needs = candidates.implementations.map((_, i) => 100 + 4 * i);
    const { alternatives } = alternativesOf(candidates, needs, context);
    expect(alternatives.map(({ arenaBytes }) => arenaBytes)).to.deep.equal(needs);
  });

  it('are without kernels that refuse the node, unless one is asked for; the report has why', () => {
    // A layer of Helium gathers where most weights are zero; here a third is.
    const target = { ...context.target, features: new Set<Feature>(['mul32', 'dsp', 'mve']) };
    const sparse = 'mve/sparse_fully_connected';
    const found = (template?: string) => candidatesFor(view, { ...context, target }, template);
    const names = ({ implementations }: ReturnType<typeof found>) =>
      implementations.map(({ variant }) => variant.template);
    expect(names(found())).to.include('portable/fully_connected');
    expect(names(found())).to.not.include(sparse);
    expect(found().refused.join()).to.match(/^mve\/sparse_fully_connected: gathers take [^,]*$/);
    expect(names(found(sparse))).to.deep.equal([sparse]);
    expect(found(sparse).refused).to.deep.equal([]);
  });

  it('that are missing are a bug: the message names the node and what was refused', () => {
    const none = { view, implementations: [], refused: ['a: gathers', 'b: too large'] };
    expect(() => alternativesOf(none, [], context)).to.throw(
      InternalError,
      /^plan: no kernel for .*fully_connected_0.*a: gathers; b: too large/,
    );
  });

  it('are those of the requested name, and need only features that the target has', () => {
    const names = (template?: string) =>
      candidatesFor(view, context, template).implementations.map(({ variant }) => variant);
    expect(names('portable/fully_connected').map(({ template }) => template)).to.deep.equal([
      'portable/fully_connected',
    ]);
    expect(names('dsp/fully_connected')).to.deep.equal([]);
    expect(names().flatMap(({ needs }) => needs)).to.deep.equal([]);
  });
});
