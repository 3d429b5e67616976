/** What the arena holds at each step, and which kernels that affords. */
import type { TensorId } from '../ir/graph.js';
import { addedBytes, type KernelMemory, resolve, type Schedule } from './lifetimes.js';

/**
 * Bytes of the arena in every step with each of its kernels: no packing with that kernel needs less.
 *
 * @param kernels for each step, what the kernels do that could compute it
 */
export function stepBytes(
  schedule: Schedule,
  kernels: readonly (readonly KernelMemory[])[],
): readonly (readonly number[])[] {
  const { nodes, owners, buffers, bufferOf } = resolve(schedule);
  const bytes = (id: TensorId) => bufferOf(id)?.bytes ?? 0;
  // By step + 1: that before the first step comes too.
  const changes = new Float64Array(nodes.length + 3);
  const change = (step: number, by: number) => {
    changes[step + 1] = (changes[step + 1] ?? 0) + by;
  };
  for (const buffer of buffers) {
    change(buffer.first, buffer.bytes);
    change(buffer.last + 1, -buffer.bytes);
  }
  let liveBytes = changes[0] ?? 0;
  return nodes.map((node, step) => {
    liveBytes += changes[step + 1] ?? 0;
    const dies = (id: TensorId) => bufferOf(id)?.last === step;
    return (kernels[step] ?? []).map(
      (kernel) => liveBytes + addedBytes(node, owners, kernel, bytes, dies),
    );
  });
}

/**
 * By how much kernels may raise the arena above what the leanest ones need. 1.2 KB: the scratch of a
 * fast kernel, or of one that unpacks weights, is a tile or a few rows, and worth that much whatever
 * the model.
 */
const allowanceBytes = 1228;

/**
 * Bytes that no step may need more of. For half the time it may be twice as many: halves of a step
 * write beside their input where one core could have written over it.
 *
 * @param needs as stepBytes gives them
 * @param availableBytes RAM for the arena
 * @param cores that compute the step
 */
export function arenaLimit(
  needs: readonly (readonly number[])[],
  availableBytes: number,
  cores = 1,
): number {
  const leanest = needs.reduce((most, all) => Math.max(most, Math.min(...all)), 0);
  const wanted = cores * leanest + allowanceBytes;
  return Math.max(leanest, Math.min(wanted, availableBytes));
}
