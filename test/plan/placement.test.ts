/** Which memory an output may share, and where tensors, scratch and moved inputs lie. */
import { expect } from 'chai';
import fc from 'fast-check';
import {
  byteCount,
  mainGraph,
  type Node,
  type TensorId,
  tensorOf,
} from '../../src/compiler/ir/graph.js';
import type { Overlap } from '../../src/compiler/kernels/variant.js';
import {
  addedBytes,
  isAlias,
  type KernelMemory,
  makeBuffers,
  ownersOf,
  type Schedule,
  sharingsOf,
} from '../../src/compiler/plan/arena/lifetimes.js';
import { type Arena, planArena } from '../../src/compiler/plan/arena/placement.js';
import { branching, scheduleOf } from '../support/branching.js';
import { perTensorQuant } from '../support/module.js';
import { NetworkBuilder } from '../support/networks.js';
import { runs } from '../support/runs.js';

const from = (input: number, lead: number): Overlap => ({ input, lead, exact: false });
const at = (input: number, lead: number): Overlap => ({ input, lead, exact: true });

function nodeOf(inputs: readonly (TensorId | null)[], outputs: readonly TensorId[] = [9]): Node {
  return { op: 'relu', name: 'x', inputs, outputs, attrs: {}, ops: [0], fused: [] };
}

describe('arena: inputs whose memory an output may share', () => {
  /** Tensors 1 and 2 have memory of their own, 3 is an alias of 1; 4 is a constant. */
  const owners = new Map([
    [1, 1],
    [2, 2],
    [3, 1],
    [9, 9],
  ]);
  const all = () => true;
  const one = (lead: number, exact: boolean, input = 1) => ({ input, lead, exact });
  interface Row {
    readonly edge: string;
    readonly inputs: readonly (TensorId | null)[];
    readonly overlaps: readonly Overlap[];
    readonly wanted: readonly ReturnType<typeof one>[];
    readonly dies?: (owner: TensorId) => boolean;
  }
  const rows: readonly Row[] = [
    { edge: 'from a lead on', inputs: [1], overlaps: [from(0, 8)], wanted: [one(8, false)] },
    { edge: 'leads are words', inputs: [1], overlaps: [from(0, 5)], wanted: [one(8, false)] },
    { edge: 'before it too', inputs: [1], overlaps: [from(0, -5)], wanted: [one(-4, false)] },
    { edge: 'exactly there', inputs: [1], overlaps: [at(0, 8)], wanted: [one(8, true)] },
    { edge: 'exactly where no word begins', inputs: [1], overlaps: [at(0, 6)], wanted: [] },
    {
      edge: 'none that lives on',
      inputs: [1],
      overlaps: [at(0, 0)],
      wanted: [],
      dies: () => false,
    },
    { edge: 'none that the kernel keeps apart', inputs: [1], overlaps: [], wanted: [] },
    { edge: 'another input', inputs: [1, 2], overlaps: [at(1, 0)], wanted: [one(0, true, 2)] },
    {
      ...{ edge: 'both inputs', inputs: [1, 2], overlaps: [at(1, 0), from(0, 4)] },
      wanted: [one(4, false), one(0, true, 2)],
    },
    {
      ...{ edge: 'the one that dies', inputs: [1, 2], overlaps: [at(0, 0), at(1, 0)] },
      ...{ dies: (owner) => owner === 2, wanted: [one(0, true, 2)] },
    },
    {
      ...{ edge: 'no constant, and no absent one', inputs: [4, null] },
      ...{ overlaps: [at(0, 0), at(1, 0)], wanted: [] },
    },
    {
      ...{ edge: 'one that is two inputs, if both allow it: the larger lead', inputs: [1, 1] },
      ...{ overlaps: [from(0, 4), from(1, 12)], wanted: [one(12, false)] },
    },
    { edge: 'not if one does not', inputs: [1, 1], overlaps: [from(0, 4)], wanted: [] },
    {
      ...{ edge: 'nor under its alias', inputs: [1, 3], overlaps: [from(1, 4)], wanted: [] },
    },
    {
      ...{ edge: 'exactly, if one asks for it and the other allows it', inputs: [1, 3] },
      ...{ overlaps: [at(0, 8), from(1, 4)], wanted: [one(8, true)] },
    },
    {
      ...{ edge: 'not if it does not', inputs: [1, 3] },
      ...{ overlaps: [at(0, 8), from(1, 12)], wanted: [] },
    },
    {
      ...{ edge: 'nor if both ask for different places', inputs: [1, 3] },
      ...{ overlaps: [at(0, 8), at(1, 4)], wanted: [] },
    },
  ];
  for (const { edge, inputs, overlaps, wanted, dies = all } of rows) {
    it(edge, () => {
      expect(sharingsOf(nodeOf(inputs), owners, overlaps, dies)).to.deep.equal(wanted);
    });
  }

  it('none if the output is one of them already', () => {
    expect(sharingsOf(nodeOf([1], [3]), owners, [at(0, 0)], all)).to.deep.equal([]);
  });

  const bytes = new Map([
    [1, 40],
    [2, 12],
    [9, 20],
  ]);
  const added: [edge: string, inputs: TensorId[], memory: KernelMemory, bytes: number][] = [
    ['scratch alone', [1], { scratchBytes: 8, overlaps: [] }, 8],
    [
      'less the output, which lies in the input',
      [1],
      { scratchBytes: 8, overlaps: [at(0, 0)] },
      -12,
    ],
    ['less 12 of it in a smaller input', [2], { scratchBytes: 8, overlaps: [at(0, 0)] }, -4],
    // 40 bytes of the first, 12 of the second.
    ['no more than the output', [1, 2], { scratchBytes: 0, overlaps: [at(0, 0), at(1, 0)] }, -20],
    ['less 4 where 16 of 20 lie ahead', [1], { scratchBytes: 0, overlaps: [at(0, 16)] }, -4],
  ];
  for (const [edge, inputs, memory, wanted] of added) {
    it(`bytes that a step adds: ${edge}`, () => {
      const bytesOf = (owner: TensorId) => bytes.get(owner) ?? 0;
      expect(addedBytes(nodeOf(inputs), owners, memory, bytesOf, all)).to.equal(wanted);
    });
  }

  it('a step without outputs adds its scratch', () => {
    const memory = { scratchBytes: 8, overlaps: [at(0, 0)] };
    expect(addedBytes(nodeOf([1], []), owners, memory, () => 99, all)).to.equal(8);
  });
});

describe('arena: how long tensors live', () => {
  /** Layers of one pixel: a tensor has as many bytes as channels, in words. */
  interface Row {
    readonly edge: string;
    readonly make: (b: NetworkBuilder, x: TensorId) => readonly TensorId[];
    readonly keepInput?: boolean;
    /** Bytes, first and last step of each; x of 8 bytes first. */
    readonly buffers: readonly (readonly [bytes: number, first: number, last: number])[];
  }
  const rows: readonly Row[] = [
    {
      edge: 'from the step that writes it to the last that reads it',
      make: (b, x) => [b.conv2d(b.conv2d(x, 12), 16)],
      buffers: [
        [8, -1, 0],
        [12, 0, 1],
        [16, 1, 2],
      ],
    },
    {
      edge: 'in whole words',
      make: (b, x) => [b.conv2d(b.conv2d(x, 5), 1)],
      buffers: [
        [8, -1, 0],
        [8, 0, 1],
        [4, 1, 2],
      ],
    },
    {
      edge: 'an input that is kept: to the end',
      make: (b, x) => [b.conv2d(b.conv2d(x, 12), 16)],
      keepInput: true,
      buffers: [
        [8, -1, 2],
        [12, 0, 1],
        [16, 1, 2],
      ],
    },
    {
      edge: 'an output: to the end, though a step reads it before',
      make: (b, x) => {
        const y = b.conv2d(x, 12);
        return [y, b.conv2d(y, 16)];
      },
      buffers: [
        [8, -1, 0],
        [12, 0, 2],
        [16, 1, 2],
      ],
    },
    {
      edge: 'what nothing reads: in its step',
      make: (b, x) => {
        b.conv2d(x, 12);
        return [b.conv2d(x, 16)];
      },
      buffers: [
        [8, -1, 1],
        [12, 0, 0],
        [16, 1, 2],
      ],
    },
    {
      edge: 'an input that nothing reads: before the first step',
      make: (b) => {
        const y = b.input([1, 1, 1, 4]);
        return [b.conv2d(y, 16)];
      },
      buffers: [
        [8, -1, -1],
        [4, -1, 0],
        [16, 0, 1],
      ],
    },
    {
      edge: 'under another shape too, without memory of its own',
      make: (b, x) => {
        const y = b.conv2d(x, 12);
        const flat = b.reshape(y, [1, 12]);
        const z = b.conv2d(y, 4);
        return [z, b.dense(flat, 20)];
      },
      buffers: [
        [8, -1, 0],
        [12, 0, 2],
        [4, 1, 3],
        [20, 2, 3],
      ],
    },
    {
      edge: 'to the end, if the other shape is an output',
      make: (b, x) => {
        const y = b.conv2d(x, 12);
        return [b.conv2d(y, 4), b.reshape(y, [1, 12])];
      },
      buffers: [
        [8, -1, 0],
        [12, 0, 2],
        [4, 1, 2],
      ],
    },
    {
      edge: 'a constant under another shape has memory: a step copies it',
      make: (b, x) => [b.conv2d(x, 4), b.reshape(b.values([16], perTensorQuant(1, 0)), [1, 16])],
      buffers: [
        [8, -1, 0],
        [4, 0, 2],
        [16, 1, 2],
      ],
    },
  ];
  const scheduleFor = ({ make, keepInput = false }: Row): Schedule => {
    const b = new NetworkBuilder();
    const graph = mainGraph(b.module(make(b, b.input([1, 1, 1, 8]))));
    const isStep = (index: number) => !isAlias(graph, graph.nodes[index] as Node);
    return { graph, steps: [...graph.nodes.keys()].filter(isStep), keepInput };
  };
  for (const row of rows) {
    it(row.edge, () => {
      const found = makeBuffers(scheduleFor(row));
      expect(found.map(({ bytes, first, last }) => [bytes, first, last])).to.deep.equal(
        row.buffers,
      );
    });
  }

  it('is told of each tensor, in the order of tensors', () => {
    const b = new NetworkBuilder();
    const y = b.conv2d(b.input([1, 1, 1, 8]), 12);
    // Inputs come first, but the second one's tensor is younger than y.
    const sum = b.add(y, b.input([1, 1, 1, 12]));
    const graph = mainGraph(b.module([b.reshape(sum, [12])]));
    const kernels = [1, 2].map(() => ({ scratchBytes: 0, overlaps: [] }));
    const arena = planArena({ graph, steps: [0, 1], keepInput: false }, kernels);
    const told = [...arena.placements.values()].map(({ name, bytes, first, last }) => [
      ...[name, bytes, first, last],
    ]);
    expect(told).to.deep.equal([
      ['input_0', 8, -1, 0],
      ['conv2d_0/out_0', 12, 0, 1],
      ['input_1', 12, -1, 1],
      ['add_1/out_0', 12, 1, 2],
      ['reshape_2/out_0', 12, 1, 2],
    ]);
    expect(arena.scratch).to.deep.equal([null, null]);
    expect(arena.moves).to.deep.equal([null, null]);
  });
});

/**
 * Runs an arena with marks for values: each byte has the tensor that was last written there.
 *
 * @throws AssertionError if a step reads a byte of another tensor, or if its output lies on an input
 *   nearer than its kernel allows
 */
function expectIntact(schedule: Schedule, kernels: readonly KernelMemory[], arena: Arena): void {
  const { graph, steps, keepInput } = schedule;
  const owners = ownersOf(graph);
  const memory = new Int32Array(arena.bytes).fill(-1);
  const scratchMark = -2;
  const placeOf = (id: TensorId) => {
    const { offset = -1, bytes = 0 } = arena.placements.get(id) ?? {};
    expect(bytes).to.equal(byteCount(tensorOf(graph, id)));
    expect(offset % 4, 'a word').to.equal(0);
    return { offset, bytes };
  };
  const write = (offset: number, bytes: number, mark: number) => {
    expect(offset).to.be.within(0, arena.bytes - bytes);
    memory.fill(mark, offset, offset + bytes);
  };
  const expectMarks = (offset: number, bytes: number, mark: number, what: string) => {
    const marks = new Set(memory.subarray(offset, offset + bytes));
    expect([...marks], what).to.deep.equal([mark]);
  };
  for (const id of graph.inputs) {
    const { offset, bytes } = placeOf(id);
    write(offset, bytes, id);
  }
  steps.forEach((index, step) => {
    const node = graph.nodes[index] as Node;
    const { from, to, bytes: moved } = arena.moves[step] ?? { from: -1, to: -1, bytes: 0 };
    memory.copyWithin(to, from, from + moved);
    const { scratchBytes = 0, overlaps = [] } = kernels[step] ?? {};
    const scratch = arena.scratch[step] ?? { offset: 0, bytes: 0 };
    expect(scratch.bytes).to.equal(scratchBytes);
    write(scratch.offset, scratch.bytes, scratchMark);
    const output = placeOf(node.outputs[0] as TensorId);
    node.inputs.forEach((id, position) => {
      const owner = id === null ? undefined : owners.get(id);
      if (id === null || owner === undefined) return;
      const { offset: own, bytes } = placeOf(id);
      const offset = own === from ? to : own;
      expectMarks(offset, bytes, owner, `input ${position} of step ${step}`);
      if (output.offset >= offset + bytes || offset >= output.offset + output.bytes) return;
      const overlap = overlaps.find(({ input }) => input === position);
      const ahead = offset - output.offset;
      if (overlap === undefined) expect.fail(`step ${step} writes where it reads`);
      if (overlap.exact) expect(ahead).to.equal(overlap.lead);
      else expect(ahead).to.be.at.least(overlap.lead);
    });
    write(output.offset, output.bytes, node.outputs[0] as TensorId);
    if (scratch.bytes > 0) expectMarks(scratch.offset, scratch.bytes, scratchMark, 'scratch');
  });
  for (const id of [...graph.outputs, ...(keepInput ? graph.inputs : [])]) {
    const { offset, bytes } = placeOf(id);
    expectMarks(offset, bytes, owners.get(id) ?? id, `tensor ${id} at the end`);
  }
}

/** Layers of one pixel, one after the other: `bytes` of each tensor, the input first. */
function chainOf(bytes: readonly number[], keepInput = false): Schedule {
  const b = new NetworkBuilder();
  const [first = 4, ...rest] = bytes;
  const last = rest.reduce((x, channels) => b.conv2d(x, channels), b.input([1, 1, 1, first]));
  const graph = mainGraph(b.module([last]));
  return { graph, steps: [...graph.nodes.keys()], keepInput };
}

describe('arena: places', () => {
  it('keep every tensor intact while steps and their scratch write', () => {
    fc.assert(
      fc.property(branching, fc.boolean(), (given, isSecond) => {
        const { schedule, kernels } = scheduleOf(given);
        const chosen = kernels.map((all) => (isSecond ? all.at(-1) : all[0]) as KernelMemory);
        const arena = planArena(schedule, chosen);
        expectIntact(schedule, chosen, arena);
        expect(arena.bytes).to.be.at.least(arena.lowerBoundBytes);
        const ids = [...arena.placements.keys()];
        expect(ids).to.deep.equal([...ids].sort((a, b) => a - b));
      }),
      { numRuns: runs(200) },
    );
  });

  it('keep every tensor intact while inputs move, which they do', () => {
    const step = fc.record({
      bytes: fc.integer({ min: 60, max: 90 }),
      lead: fc.constantFrom(0, 4, 8, 16, 16),
      exact: fc.boolean(),
      scratchBytes: fc.constantFrom(0, 0, 8),
    });
    let moves = 0;
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 2, maxLength: 6 }),
        fc.boolean(),
        (all, keepInput) => {
          const schedule = chainOf([64, ...all.map(({ bytes }) => bytes)], keepInput);
          const kernels = all.map(({ lead, exact, scratchBytes }): KernelMemory => {
            return { scratchBytes, overlaps: [{ input: 0, lead, exact }] };
          });
          const arena = planArena(schedule, kernels);
          expectIntact(schedule, kernels, arena);
          moves += arena.moves.filter((move) => move !== null).length;
        },
      ),
      { numRuns: runs(200) },
    );
    expect(moves).to.be.above(runs(200) / 4);
  });

  /** Steps with one lead between tensors of one size: without moves each shifts the next one. */
  const rows: [
    edge: string,
    steps: number,
    lead: number,
    bytes: number,
    arena: number,
    moves: number,
  ][] = [
    ['one step: its lead', 1, 16, 64, 80, 0],
    ['two: the second begins where the first did', 2, 16, 64, 80, 1],
    ['three: so does the third', 3, 16, 64, 80, 2],
    ['four: in pairs, which no single move can better', 4, 16, 64, 96, 1],
    ['4 bytes saved for 64 moved', 2, 4, 64, 68, 1],
    ['but not for 68', 2, 4, 68, 76, 0],
    ['no lead, no move', 4, 0, 64, 64, 0],
  ];
  for (const [edge, steps, lead, bytes, arenaBytes, moves] of rows) {
    it(`are moved to: ${edge}`, () => {
      const schedule = chainOf(new Array(steps + 1).fill(bytes));
      const kernels = schedule.steps.map(() => ({ scratchBytes: 0, overlaps: [from(0, lead)] }));
      const arena = planArena(schedule, kernels);
      expectIntact(schedule, kernels, arena);
      const moved = arena.moves.flatMap((move) => (move === null ? [] : [move.bytes]));
      expect(arena.bytes).to.equal(arenaBytes);
      expect(moved).to.deep.equal(new Array(moves).fill(bytes));
    });
  }
});
