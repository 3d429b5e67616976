/** The order of steps: never worse than the given one, as good as the best of all. */
import { expect } from 'chai';
import fc from 'fast-check';
import { type Module, mainGraph, type TensorId } from '../../src/ir/graph.js';
import { isAlias, type KernelMemory, type Schedule } from '../../src/plan/arena/lifetimes.js';
import { stepBytes } from '../../src/plan/arena/memory.js';
import { orderSteps } from '../../src/plan/schedule/order.js';
import { NetworkBuilder } from '../support/networks.js';
import { runs } from '../support/runs.js';

/** Each node reads earlier tensors, given by how far back they are, and has so many channels. */
const branching = fc.record({
  nodes: fc.array(
    fc.record({
      reads: fc.array(fc.nat({ max: 5 }), { minLength: 1, maxLength: 2 }),
      channels: fc.integer({ min: 1, max: 9 }),
      scratchBytes: fc.constantFrom(0, 0, 8, 60),
      lead: fc.option(fc.integer({ min: -16, max: 16 })),
      exact: fc.boolean(),
    }),
    { minLength: 1, maxLength: 6 },
  ),
  keepInput: fc.boolean(),
});

type Branching = typeof branching extends fc.Arbitrary<infer T> ? T : never;

function build({ nodes, keepInput }: Branching): {
  readonly schedule: Schedule;
  readonly kernels: readonly (readonly KernelMemory[])[];
} {
  const b = new NetworkBuilder();
  const made = [b.input([1, 2, 2, 4])];
  const kernels: (readonly KernelMemory[])[] = [];
  for (const { reads, channels, scratchBytes, lead, exact } of nodes) {
    const inputs = reads.map((back) => made[Math.max(0, made.length - 1 - back)] as TensorId);
    const all =
      inputs.length > 1 ? b.node('concatenation', inputs, { axis: 3, activation: 'none' }) : null;
    if (all !== null) kernels.push([{ scratchBytes: 0, overlaps: [] }]);
    made.push(b.conv2d(all ?? (inputs[0] as TensorId), channels));
    const overlaps = lead === null ? [] : [{ input: 0, lead: exact ? 4 * lead : lead, exact }];
    kernels.push([
      { scratchBytes, overlaps },
      { scratchBytes: 16, overlaps: [] },
    ]);
  }
  const module: Module = b.module([made.at(-1) as TensorId]);
  const graph = mainGraph(module);
  const steps = [...graph.nodes.keys()].filter((i) => !isAlias(graph, graph.nodes[i] as never));
  return { schedule: { graph, steps, keepInput }, kernels };
}

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
  it('has the smallest peak of all orders, and is the given one where that has it', () => {
    fc.assert(
      fc.property(branching, (given) => {
        const { schedule, kernels } = build(given);
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
