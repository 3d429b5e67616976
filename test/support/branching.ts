/** Random schedules whose steps have kernels with scratch and leads. */
import fc from 'fast-check';
import { type Module, mainGraph, type TensorId } from '../../src/compiler/ir/graph.js';
import {
  isAlias,
  type KernelMemory,
  type Schedule,
} from '../../src/compiler/plan/arena/lifetimes.js';
import { NetworkBuilder } from './networks.js';

/** Each node reads earlier tensors, given by how far back they are, and has so many channels. */
export const branching = fc.record({
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

export type Branching = typeof branching extends fc.Arbitrary<infer T> ? T : never;

/** The schedule in the order of its nodes, and for each step what its possible kernels do to memory. */
export function scheduleOf({ nodes, keepInput }: Branching): {
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
