/** bonsaic inspect: import and passes, and an estimate for each target. */
import { type LayerProof, proofsOf } from '../analysis/proofs.js';
import { type Module, mainGraph } from '../ir/graph.js';
import { compile, load } from '../pipeline.js';
import { type Estimate, estimateOf } from '../report/estimates.js';
import type { CompileRequest } from './types.js';

/** The module as imported, and the facts proved around the removal of dead channels. */
export function prove(request: Omit<CompileRequest, 'target' | 'observe'>): {
  readonly source: Module;
  readonly proofs: readonly LayerProof[];
} {
  const seen: [pass: string, module: Module][] = [];
  const { source } = load({ ...request, observe: (pass, module) => seen.push([pass, module]) });
  const removal = seen.findIndex(([pass]) => pass === 'remove-dead-channels');
  const [before, after] = [removal - 1, removal].map((at) => mainGraph(seen[at]?.[1] ?? source));
  return { source, proofs: before && after ? proofsOf(before, after) : [] };
}

/** What the model would need on the target, or why it does not compile for it. */
export function estimate(request: CompileRequest): Estimate {
  return estimateOf(request.target, () => compile(request).emission.manifest);
}
