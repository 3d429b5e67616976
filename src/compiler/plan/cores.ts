/** How many cores to plan for, where it is not given (--cores auto). */
import type { Planned, Resources } from './index.js';
import { type CompileOptions, estimatedCount } from './types.js';

/**
 * Plans for one core, or for two if one misses --max-ms or meets it only at lower prices of bytes.
 */
export function planInTime(
  planFor: (resources?: Resources) => Planned,
  { secondCore, clockHz }: { readonly secondCore?: unknown; readonly clockHz: number },
  { maxMs = Infinity, maxFlash = Infinity }: CompileOptions,
): Planned {
  const one = planFor();
  if (secondCore === undefined || one.plan.decision.share === 1) return one;
  const two = planFor({ cores: 2 });
  const [first, second] = [one.plan.decision, two.plan.decision];
  if (second.imageBytes > Math.max(maxFlash, first.imageBytes)) return one;
  const msOf = ({ plan }: Planned) => (1000 * estimatedCount(plan)) / clockHz;
  if (Math.max(msOf(one), msOf(two)) > maxMs) return msOf(two) < msOf(one) ? two : one;
  return second.share > first.share ? two : one;
}
