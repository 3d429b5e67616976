/**
 * Kernels for little RAM, on chains of layers with made-up kernels: what fits, and at which cost,
 * can be worked out by hand. Every tensor has 1024 bytes, so that no shift is worth a move.
 */
import { expect } from 'chai';
import type { Graph, Node, NodeView, Tensor } from '../../src/compiler/ir/graph.js';
import type { Optimize, TargetTraits } from '../../src/compiler/ir/op.js';
import { matched } from '../../src/compiler/kernels/calls.js';
import type {
  Kernel,
  KernelCall,
  KernelContext,
  MatchedKernel,
  Overlap,
} from '../../src/compiler/kernels/variant.js';
import { leanestKernels, packsNoWorse, packTrials } from '../../src/compiler/plan/arena/leanest.js';
import type { KernelMemory, Schedule } from '../../src/compiler/plan/arena/lifetimes.js';
import { stepBytes } from '../../src/compiler/plan/arena/memory.js';
import { planArena } from '../../src/compiler/plan/arena/placement.js';
import { Patience } from '../../src/compiler/plan/arena/search.js';
import { chooseKernels, type Kernels } from '../../src/compiler/plan/choose/fit.js';
import type { Implementation } from '../../src/compiler/plan/schedule/parts.js';
import { defaults, noFacts } from '../support/plan.js';

const tensorBytes = 1024;
/** Of RAM, for the runtime and the stack (room.ts). */
const runtimeBytes = 3584;

interface Made {
  readonly name: string;
  readonly cycles: number;
  readonly scratch?: number;
  readonly overlaps?: readonly Overlap[];
  /** Bytes of weights of each call. */
  readonly weights?: readonly number[];
  /** Bytes of its tables. */
  readonly tables?: number;
}

/** A step's kernels; null: a reshape, which has none. */
type Layer = readonly Made[] | null;

const ahead = (lead: number): readonly Overlap[] => [{ input: 0, lead, exact: false }];
const inPlace: readonly Overlap[] = [{ input: 0, lead: 0, exact: true }];

/** Its output begins before its input: a step holds 1028 bytes, and each one shifts the next. */
const drifting = (lead = 4): Made => ({ name: 'drifting', cycles: 10, overlaps: ahead(lead) });
/** Its output stays where the input was; with 4 bytes of scratch a step holds 1028 bytes too. */
const staying = (scratch = 4, name = 'staying', cycles = 20): Made => ({
  ...{ name, cycles, scratch, overlaps: inPlace },
});

/** A chain of one node for each layer. */
function chainOf(layers: readonly Layer[]): Schedule {
  const { length } = layers;
  const tensors = Array.from(
    { length: length + 1 },
    (_, i): Tensor => ({
      ...{ name: `t${i}`, dtype: 'int8', shape: [1, tensorBytes] },
      ...{ quant: null, data: null, source: null },
    }),
  );
  const nodes = layers.map(
    (layer, i): Node => ({
      ...{ op: layer === null ? 'reshape' : 'relu', name: `n${i}`, inputs: [i], outputs: [i + 1] },
      ...{ attrs: {}, ops: [i], fused: [] },
    }),
  );
  const graph: Graph = { name: 'chain', tensors, nodes, inputs: [0], outputs: [length] };
  return { graph, steps: [...nodes.keys()], keepInput: false };
}

const memoryOf = ({ scratch = 0, overlaps = [] }: Made): KernelMemory => ({
  scratchBytes: scratch,
  overlaps,
});

describe('plan: the smallest arena', () => {
  const three = [0, 1, 2];
  const apart: Made = { name: 'apart', cycles: 1 };
  const rows: [edge: string, layers: readonly (readonly Made[])[], names: string, bytes: number][] =
    [
      ['one kernel', [[drifting()]], 'drifting', 1028],
      ['what holds least, though it comes last', [[apart, staying(4), staying(0, 'x')]], 'x', 1024],
      [
        'three that shift need 1036 bytes, three that stay 1028',
        three.map(() => [drifting(), staying(4)]),
        'staying staying staying',
        1028,
      ],
      [
        'two that shift need 1032, as much as two that stay: the first are kept',
        [0, 1].map(() => [drifting(), staying(8)]),
        'drifting drifting',
        1032,
      ],
      [
        'three that stay hold more in each step than three that shift, but need less',
        three.map(() => [apart, drifting(), staying(8)]),
        'staying staying staying',
        1032,
      ],
      [
        'what holds more than the limit does not count, though its output shifts back',
        three.map(() => [
          ...[drifting(), staying(8)],
          { name: 'wide', cycles: 1, scratch: 2000, overlaps: ahead(-4) },
        ]),
        'staying staying staying',
        1032,
      ],
      [
        'of two that stay the one with less scratch, where the first step allows both',
        [
          [staying(20, 'big')],
          ...three.map(() => [drifting(12), staying(20), staying(16, 'less')]),
        ],
        'big less less less',
        1044,
      ],
    ];
  for (const [edge, layers, names, bytes] of rows) {
    it(edge, () => {
      const schedule = chainOf(layers);
      const memories = layers.map((kernels) => kernels.map(memoryOf));
      const needs = stepBytes(schedule, memories);
      const positions = leanestKernels(schedule, memories, needs, new Patience());
      const chosen = positions.map((position, step) => layers[step]?.[position]?.name);
      expect(chosen.join(' ')).to.equal(names);
      const kernels = positions.map((position, step) => memories[step]?.[position] as KernelMemory);
      expect(planArena(schedule, kernels, new Patience()).bytes).to.equal(bytes);
    });
  }

  it('is searched with fewer trials if there are more steps', () => {
    expect([1, 40, 80, 1000, 5000].map(packTrials)).to.eql([100, 100, 50, 4, 4]);
  });
});

const board: TargetTraits = {
  ...{ name: 'test', features: new Set(), costs: {}, costUnit: 'cycles' },
  ...{ flashBytes: null, ramBytes: 100 * 1024, clockHz: 8_000_000 },
  regions: {
    flash: { cacheBytes: 64, lineBytes: 4, missCycles: 10 },
    sram: { reservedBytes: 0 },
  },
};

/** What is chosen for a chain with this many bytes of RAM for the model. */
function chosen(layers: readonly Layer[], ramBytes: number, optimize: Optimize = 'speed') {
  const schedule = chainOf(layers);
  const context: KernelContext = { facts: noFacts, target: board, optimize };
  const kernelsOf = (made: Layer): Kernels => {
    if (made === null) return { candidates: null, memories: [{ scratchBytes: 0, overlaps: [] }] };
    const view = { node: {}, inputs: [], outputs: [] } as unknown as NodeView;
    const implementations = made.map((one) => implementationOf(one, view, context));
    return { candidates: { view, implementations, refused: [] }, memories: made.map(memoryOf) };
  };
  const all = new Map(layers.map((made, i) => [i, kernelsOf(made)]));
  const options = { ...defaults, optimize, maxRam: runtimeBytes + ramBytes };
  const source = { macs: 0, sums: 0, parameters: 0, liveShare: 1, cycles: () => Infinity };
  const { choices, arena, decision } = chooseKernels(
    ...[schedule, all, board, options, context, source],
  );
  return {
    names: choices.map((choice) => choice?.implementation.variant.template).join(' '),
    copied: choices.map((choice) => choice?.copiedBytes),
    refused: choices.map(
      (choice) => choice?.why.match(/\d+ others? with which the arena may not/)?.[0],
    ),
    bytes: arena.bytes,
    isShort: decision.isShortOfRam,
  };
}

function implementationOf(made: Made, view: NodeView, context: KernelContext): Implementation {
  const call = (bytes: number): KernelCall => ({
    ...{ inputs: [0], outputs: [0], flags: {}, numbers: {} },
    tables: { weights: { data: new Int8Array(bytes), role: 'weights' } },
  });
  const { tables = 0, weights = [] } = made;
  const table = {
    ...call(0),
    tables: { table: { data: new Int8Array(tables), role: 'table' } },
  } as const;
  const kernel: Kernel = {
    ...memoryOf(made),
    work: () => ({ cycles: { count: made.cycles, cycles: 1 } }),
    calls: () => [...weights.map(call), ...(tables > 0 ? [table] : [])],
  };
  const own = matched(made.name, 'balanced', () => kernel) as MatchedKernel;
  const part = { view, context, inputBytes: [0], outputBytes: 0, kernel: own };
  return { variant: { template: made.name, needs: [] }, parts: [part] };
}

describe('plan: kernels for the RAM that is there', () => {
  /** Kernels that stay cost 20, 10 and 15 cycles more than those that shift. */
  const layersWith = (scratch: number) =>
    [30, 20, 25].map((cycles) => [drifting(), staying(scratch, 'staying', cycles)]);
  // A step holds 1028 bytes, but three that shift 1036 one after the other, two 1032.
  const rows: [edge: string, ramBytes: number, names: string, bytes: number, isShort: boolean][] = [
    ['1036 bytes: the fast ones', 1036, 'drifting drifting drifting', 1036, false],
    ['a byte less: one stays, where that costs 10', 1035, 'drifting staying drifting', 1032, true],
    ['three bytes less', 1032, 'drifting staying drifting', 1032, true],
    ['four: one more, where that costs 15', 1031, 'drifting staying staying', 1028, true],
    ['too little for any', 10, 'drifting staying staying', 1028, true],
  ];
  for (const [edge, ramBytes, names, bytes, isShort] of rows) {
    it(edge, () =>
      expect(chosen(layersWith(4), ramBytes)).to.deep.include({ names, bytes, isShort }),
    );
  }

  it('one that stays is enough, though all of them fit by their steps', () => {
    // With 8 bytes less for the gaps all stay: 75 cycles, where 40 do.
    const { names, bytes } = chosen(layersWith(0), 1032);
    expect({ names, bytes }).to.eql({ names: 'drifting staying drifting', bytes: 1032 });
  });

  it('a reshape between them changes nothing, and has no kernel', () => {
    const [a, b, c] = layersWith(4) as [Made[], Made[], Made[]];
    const { names, bytes, copied } = chosen([null, a, null, b, c], 1032);
    expect(names).to.equal(' drifting  staying drifting');
    expect({ bytes, copied }).to.eql({ bytes: 1032, copied: [undefined, 0, undefined, 0, 0] });
  });

  it('a kernel between fast and lean is taken for all, where that costs least', () => {
    // The fast ones need 1048 bytes. A lean one for two fast ones costs 120 cycles, these 36.
    const made = [drifting(8), staying(4, 'between', 12), staying(0, 'lean', 100)];
    const { names, bytes } = chosen([made, made, made], 1047);
    expect({ names, bytes }).to.eql({ names: 'between between between', bytes: 1028 });
    expect(chosen([made, made, made], 1040).names, 'too large').to.equal('lean drifting drifting');
  });

  it('the kernel stays that loses least, however long both take', () => {
    const layers = [...layersWith(4)];
    layers[1] = [{ ...drifting(), cycles: 50 }, staying(4, 'staying', 60)];
    expect(chosen(layers, 1032).names).to.equal('drifting staying drifting');
  });

  it('what costs little but does not help is not given up', () => {
    // Less scratch in the first step costs 2 cycles, but the shift is the same.
    const first = [
      { ...drifting(), name: 'scratch', scratch: 4 },
      { ...drifting(), cycles: 12 },
    ];
    const layers = [first, ...layersWith(4)];
    expect(chosen(layers, 1036).names).to.equal('scratch drifting staying drifting');
  });

  it('bytes of flash cost what the goal says', () => {
    // 0.2 · 30 000 cycles for 7168 bytes: 0.84 a byte. The tables cost 837, 0 and 418 cycles.
    const layers = [1000, 0, 500].map((tables) => [
      { ...drifting(), cycles: 10_000 },
      { ...staying(4, 'staying', 10_100), tables },
    ]);
    expect(chosen(layers, 1032, 'balanced').names).to.equal('drifting staying drifting');
    expect(chosen(layers, 1032, 'speed').names, 'nothing').to.equal('staying drifting drifting');
  });

  it('a kernel that packs as well and is faster is taken, the others are told', () => {
    const layers = layersWith(4).map((made) => [...made, staying(4, 'better', 15)]);
    const { names, refused } = chosen(layers, 1032);
    expect(names).to.equal('drifting better drifting');
    const [one, two] = ['1 other', '2 others'].map((n) => `${n} with which the arena may not`);
    expect(refused).to.eql([two, one, two]);
    expect(chosen([...layers, [drifting()]], 1036).refused, 'of one kernel').to.eql([
      ...[two, one, two, undefined],
    ]);
  });

  it('copies of weights leave room for the gaps of the arena', () => {
    const layers = [[{ ...drifting(), weights: [48, 32] }], [drifting()], [drifting()]];
    // The arena has 1036 bytes, 8 more than the largest step.
    expect(chosen(layers, 1036 + 80).copied, 'both').to.eql([80, 0, 0]);
    expect(chosen(layers, 1036 + 79).copied, 'the first').to.eql([48, 0, 0]);
    expect(chosen(layers, 1036 + 38).copied, 'the second').to.eql([32, 0, 0]);
    expect(chosen(layers, 1036 + 31).copied, 'none').to.eql([0, 0, 0]);
  });
});

describe('plan: a kernel in the place of another', () => {
  const kernel = (scratchBytes: number, lead: number | null, exact = false) => ({
    scratchBytes,
    overlaps: lead === null ? [] : [{ input: 0, lead, exact }],
  });
  const table: [edge: string, one: ReturnType<typeof kernel>, fits: boolean][] = [
    ['the same', kernel(8, 4), true],
    ['less scratch', kernel(4, 4), true],
    ['more scratch', kernel(12, 4), false],
    ['a smaller lead', kernel(8, 0), true],
    ['a larger lead', kernel(8, 8), false],
    ['just that lead', kernel(8, 4, true), false],
    ['no memory shared', kernel(8, null), false],
  ];
  for (const [edge, one, fits] of table) {
    it(`${edge}: ${fits ? 'packs' : 'may not pack'}`, () => {
      expect(packsNoWorse(one, kernel(8, 4))).to.equal(fits);
    });
  }
  it('exact leads must be equal', () => {
    const own = [0, 4].map((lead) => packsNoWorse(kernel(8, lead, true), kernel(8, 4, true)));
    expect(own).to.eql([false, true]);
  });

  it('all memory that the other one shares is shared, input by input', () => {
    const share = (...inputs: number[]) => ({
      scratchBytes: 0,
      overlaps: inputs.map((input) => ({ input, lead: 0, exact: false })),
    });
    expect(packsNoWorse(share(0, 1), share(1)), 'more').to.equal(true);
    expect(packsNoWorse(share(0), share(0, 1)), 'less').to.equal(false);
    expect(packsNoWorse(share(0), share(1)), 'another').to.equal(false);
  });

  it('shares what the other one keeps apart', () => {
    expect(packsNoWorse(kernel(8, 4), kernel(8, null))).to.equal(true);
  });
});
