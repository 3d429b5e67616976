/** The order of steps: never worse than the given one, as good as the best of all. */
import { expect } from 'chai';
import fc from 'fast-check';
import { mainGraph, type TensorId } from '../../src/compiler/ir/graph.js';
import type { KernelMemory, Schedule } from '../../src/compiler/plan/arena/lifetimes.js';
import { stepBytes } from '../../src/compiler/plan/arena/memory.js';
import { orderSteps } from '../../src/compiler/plan/schedule/order.js';
import { branching, scheduleOf } from '../support/branching.js';
import { NetworkBuilder } from '../support/networks.js';
import { runs } from '../support/runs.js';

/** Bytes of the largest step, each with its leanest kernel. */
function peak(
  schedule: Schedule,
  order: readonly number[],
  kernels: readonly (readonly KernelMemory[])[],
): number {
  const inOrder = order.map((node) => kernels[schedule.steps.indexOf(node)] ?? []);
  const bytes = stepBytes({ ...schedule, steps: order }, inOrder);
  return Math.max(...bytes.map((all) => Math.min(...all)));
}

function* orders(
  { graph, steps }: Schedule,
  done: readonly number[] = [],
): Generator<readonly number[]> {
  if (done.length === steps.length) yield done;
  const made = new Set([...graph.inputs, ...done.flatMap((i) => graph.nodes[i]?.outputs ?? [])]);
  for (const index of steps) {
    const { inputs = [] } = graph.nodes[index] ?? {};
    const isReady = inputs.every(
      (id) => id === null || made.has(id) || graph.tensors[id]?.data !== null,
    );
    if (isReady && !done.includes(index))
      yield* orders({ graph, steps, keepInput: false }, [...done, index]);
  }
}

/** Branches side by side have factorially many orders: such graphs are left out. */
const mostOrders = 1000;

function allOrders(schedule: Schedule): readonly (readonly number[])[] {
  const found: (readonly number[])[] = [];
  for (const order of orders(schedule)) {
    fc.pre(found.length < mostOrders);
    found.push(order);
  }
  return found;
}

describe('order of steps', () => {
  it('has the smallest peak of all orders, and is the given order if that has it', () => {
    fc.assert(
      fc.property(branching, (given) => {
        const { schedule, kernels } = scheduleOf(given);
        const order = orderSteps(schedule, kernels);
        const all = allOrders(schedule);
        expect([...order].sort((a, b) => a - b)).to.deep.equal(schedule.steps);
        const least = Math.min(...all.map((each) => peak(schedule, each, kernels)));
        expect(peak(schedule, order, kernels)).to.be.at.most(least);
        if (peak(schedule, schedule.steps, kernels) === least)
          expect(order).to.deep.equal(schedule.steps);
      }),
      { numRuns: runs(60) },
    );
  });

  /** Layers of one pixel: a tensor has as many bytes as channels. */
  const pixel = (b: NetworkBuilder, channels: number) => b.input([1, 1, 1, channels]);
  interface Row {
    readonly edge: string;
    readonly make: (b: NetworkBuilder) => readonly TensorId[];
    readonly keepInput?: boolean;
    readonly order: readonly number[];
  }
  /** x of 16 bytes; a of 64 is computed first, or b of 128 and c of 4. */
  const wide = (b: NetworkBuilder) => {
    const x = pixel(b, 16);
    const a = b.conv2d(x, 64);
    return { a, c: b.conv2d(b.conv2d(x, 128), 4) };
  };
  /** x of 64 bytes becomes 4, y of 16 becomes 32: y's step comes first. */
  const two = (b: NetworkBuilder) => {
    const [x, y] = [pixel(b, 64), pixel(b, 16)];
    const large = b.conv2d(y, 32);
    return [b.node('concatenation', [b.conv2d(x, 4), large], { axis: 3, activation: 'none' })];
  };
  const rows: readonly Row[] = [
    {
      // 16 + 64 + 128 at its second step, or 16 + 128 + 4.
      edge: 'an output takes memory until the end, so it is computed last',
      make: (b) => Object.values(wide(b)),
      order: [1, 2, 0],
    },
    {
      // 16 + 64 at the first, 16 + 128 at the second, 128 + 4 at the third: less than 148.
      edge: 'what nothing reads takes none after its step',
      make: (b) => [wide(b).c],
      order: [0, 1, 2],
    },
    {
      // 80 + 400 before the first step, whatever the order is.
      edge: 'an input that nothing reads takes memory before the first step alone',
      make: (b) => {
        pixel(b, 400);
        return Object.values(wide(b));
      },
      order: [0, 1, 2],
    },
    {
      // 80 + 4, then 16 + 4 + 32; the given order has 80 + 32.
      edge: 'an input dies with its last reader',
      make: two,
      order: [1, 0, 2],
    },
    {
      // Both orders end at 80 + 4 + 32 and more.
      edge: 'unless it is kept: then both orders are as good, and the given one stays',
      make: two,
      keepInput: true,
      order: [0, 1, 2],
    },
    {
      // x of 4 bytes, 100 that become 4, and 40 that become 40: first the 100, which needs 108, and
      // not 4 + 40 + 100. If the 40 died twice, that would be 104.
      edge: 'a tensor that a step reads twice dies once',
      make: (b) => {
        const x = pixel(b, 4);
        const once = b.conv2d(x, 40);
        return [b.add(once, once), b.conv2d(b.conv2d(x, 100), 4)];
      },
      order: [2, 3, 0, 1],
    },
  ];
  for (const { edge, make, keepInput = false, order } of rows) {
    for (const [kind, kernels] of [
      ['kernels without scratch', [{ scratchBytes: 0, overlaps: [] }]],
      ['no kernels', []],
    ] as const) {
      it(`${edge}, ${kind}`, () => {
        const b = new NetworkBuilder();
        const graph = mainGraph(b.module(make(b)));
        const steps = [...graph.nodes.keys()];
        const all = steps.map(() => kernels);
        expect(orderSteps({ graph, steps, keepInput }, all)).to.deep.equal(order);
      });
    }
  }

  const scratches: [edge: string, scratch: number[][], order: number[]][] = [
    // 16 + 60, then 16 + 60 + 16 + 100; or 16 + 16 + 100, then 16 + 16 + 60.
    ['a step with 100 bytes of scratch comes before 60 bytes that stay', [[0], [100]], [1, 0]],
    ['unless a kernel of it needs none', [[0], [100, 0]], [0, 1]],
    ['or all need it anyway', [[200], [100]], [0, 1]],
  ];
  for (const [edge, scratch, order] of scratches) {
    it(edge, () => {
      const b = new NetworkBuilder();
      const x = pixel(b, 16);
      const graph = mainGraph(b.module([b.conv2d(x, 60), b.conv2d(x, 16)]));
      const kernels = scratch.map((all) =>
        all.map((scratchBytes) => ({ scratchBytes, overlaps: [] })),
      );
      expect(orderSteps({ graph, steps: [0, 1], keepInput: false }, kernels)).to.deep.equal(order);
    });
  }

  it('of more sets of steps than it may keep, keeps those that need least', () => {
    // Nine branches of a wide and a narrow step, 3^9 sets. The last branch is the widest: it has to
    // be the first, which is the last order that is tried.
    const b = new NetworkBuilder();
    const x = pixel(b, 4);
    const branches = Array.from({ length: 9 }, (_, i) => b.conv2d(x, 8 * i + 8));
    const narrow = branches.map((id) => b.conv2d(id, 4));
    const graph = mainGraph(
      b.module([b.node('concatenation', narrow, { axis: 3, activation: 'none' })]),
    );
    const steps = [...graph.nodes.keys()];
    const kernels = steps.map(() => [{ scratchBytes: 0, overlaps: [] }]);
    const schedule = { graph, steps, keepInput: false };
    // x, 72 bytes of the widest one, and its result; then each is 8 bytes narrower for 4 that stay.
    expect(peak(schedule, orderSteps(schedule, kernels), kernels)).to.equal(4 + 72 + 4);
  });

  it('runs the branch that leaves less first', () => {
    const b = new NetworkBuilder();
    const x = b.input([1, 4, 4, 1]);
    const wide = b.conv2d(x, 16);
    const narrow = b.conv2d(b.conv2d(x, 16), 1);
    const y = b.node('concatenation', [b.conv2d(wide, 1), narrow], { axis: 3, activation: 'none' });
    const graph = mainGraph(b.module([y]));
    const steps = [...graph.nodes.keys()];
    const plain = steps.map(() => [{ scratchBytes: 0, overlaps: [] }]);
    expect(orderSteps({ graph, steps, keepInput: false }, plain)).to.deep.equal([0, 3, 1, 2, 4]);
  });
});
