/** What `--faithful` would take: the source's operators, one by one. */
import { analyse } from '../analysis/index.js';
import { type Module, mainGraph } from '../ir/graph.js';
import type { TargetTraits } from '../ir/op.js';
import { runPasses } from '../passes/index.js';
import { makePlan } from './index.js';
import { type CompileOptions, estimatedCount } from './types.js';

/** The estimate with given options; infinite where the plan is faithful itself. */
export function faithfulCount(
  source: Module,
  target: TargetTraits,
): (options: CompileOptions) => number {
  return (options) => {
    if (options.faithful) return Infinity;
    const module = runPasses(source, { faithful: true });
    const facts = analyse(mainGraph(module));
    return estimatedCount(makePlan(module, facts, target, { ...options, faithful: true }).plan);
  };
}
