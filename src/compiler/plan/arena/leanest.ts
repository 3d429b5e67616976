/**
 * Kernels with the smallest arena, whatever time and flash they take.
 *
 * The kernels with the smallest steps need not pack best: each output that lies ahead of its input
 * shifts the next one further. So kernels with the least shift are tried too.
 */
import type { Overlap } from '../../kernels/variant.js';
import { arenaAlign } from './arena.js';
import type { KernelMemory, Schedule } from './lifetimes.js';
import { largestOfLeast } from './memory.js';
import { planArena } from './placement.js';
import type { Patience } from './search.js';

/** How many trial packings of the arena to make: packing many steps takes long. */
export function packTrials(steps: number): number {
  return Math.max(4, Math.min(100, Math.floor(4000 / steps)));
}

/**
 * The index of a kernel for each step. It depends on neither goal nor budgets, so what fits a
 * budget also fits every larger one, for each goal.
 *
 * @param kernels for each step, what its possible kernels do to memory
 * @param needs   bytes of the arena with each of them (memory.ts)
 * @param patience with trial packings
 */
export function leanestKernels(
  schedule: Schedule,
  kernels: readonly (readonly KernelMemory[])[],
  needs: readonly (readonly number[])[],
  patience: Patience,
): readonly number[] {
  const least = largestOfLeast(needs);
  const limits = [...new Set(needs.flat())].filter((bytes) => bytes >= least);
  let best = { positions: leastNeeds(needs), bytes: Infinity };
  const attempt = (positions: readonly number[]) => {
    const memories = positions.map((position, step) => kernels[step]?.[position] as KernelMemory);
    const { bytes } = planArena(schedule, memories, patience);
    if (bytes < best.bytes) best = { positions, bytes };
  };
  attempt(best.positions);
  for (const limit of limits.sort((a, b) => a - b).slice(0, packTrials(kernels.length))) {
    if (best.bytes < limit + arenaAlign) break;
    attempt(leastDrift(kernels, needs, limit));
  }
  return best.positions;
}

function leastNeeds(needs: readonly (readonly number[])[]): readonly number[] {
  return needs.map((ofStep) => ofStep.indexOf(Math.min(...ofStep)));
}

/** The kernels within a limit whose output begins least ahead of its input. */
function leastDrift(
  kernels: readonly (readonly KernelMemory[])[],
  needs: readonly (readonly number[])[],
  limit: number,
): readonly number[] {
  return kernels.map((ofStep, step) => {
    const order = [...ofStep.keys()]
      .map((position) => ({ position, bytes: needs[step]?.[position] ?? 0 }))
      .filter(({ bytes }) => bytes <= limit)
      .map(({ position, bytes }) => ({ position, bytes, lead: leadOf(ofStep[position]) }))
      .sort((a, b) => compare(a.lead, b.lead) || a.bytes - b.bytes);
    return order[0]?.position ?? 0;
  });
}

/** Infinity if the output shares no memory. */
function leadOf(kernel?: KernelMemory): number {
  return Math.min(...(kernel?.overlaps ?? []).map(({ lead }) => lead));
}

/** Compares Infinity with Infinity too. */
function compare(a: number, b: number): number {
  return a < b ? -1 : Number(a > b);
}

/** Whether a kernel fits wherever the other one fits. */
export function packsNoWorse(kernel: KernelMemory, other: KernelMemory): boolean {
  const allows = (wanted: Overlap) =>
    kernel.overlaps.some(
      ({ input, lead, exact }) =>
        input === wanted.input &&
        (exact ? wanted.exact && lead === wanted.lead : lead <= wanted.lead),
    );
  return kernel.scratchBytes <= other.scratchBytes && other.overlaps.every(allows);
}
