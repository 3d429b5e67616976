/** Which kernel computes a node. */
import { InternalError } from '../errors.js';
import { at, type NodeView } from '../ir/graph.js';
import type { KernelContext, KernelVariant } from '../ir/op.js';
import { opOf } from '../ops/index.js';

/**
 * What a variant costs on the target, in cycles (instructions where a target counts these): by the
 * measured costs of its terms, else by the variant's own.
 */
export function costOf(variant: KernelVariant, view: NodeView, context: KernelContext): number {
  const measured = context.target.costs[variant.template] ?? {};
  const terms = Object.entries(variant.work(view, context));
  return terms.reduce(
    (sum, [name, { count, cycles }]) => sum + count * (measured[name] ?? cycles),
    0,
  );
}

export interface Choice {
  readonly variant: KernelVariant;
  /** For the report: what else there was, and why not that. */
  readonly why: string;
}

/**
 * The variant of lowest estimated cost whose features the target has and whose condition holds;
 * the earlier one in the operator's list where two cost the same.
 *
 * @throws InternalError when there is none: every operator has a portable kernel
 */
export function selectKernel(view: NodeView, context: KernelContext): Choice {
  const { target } = context;
  const { variants } = opOf(view.node);
  const lacking: string[] = [];
  const fitting: { variant: KernelVariant; cost: number }[] = [];
  for (const variant of variants) {
    const missing = variant.needs.filter((feature) => !target.features.has(feature));
    if (missing.length > 0) {
      lacking.push(`${variant.template} needs ${missing.join(' and ')}`);
    } else if (variant.when(view, context)) {
      fitting.push({ variant, cost: Math.round(costOf(variant, view, context)) });
    }
  }
  const [best, ...slower] = fitting.sort((a, b) => a.cost - b.cost);
  if (best === undefined) {
    throw new InternalError('plan', `no kernel for ${at(view.node)}: ${lacking.join('; ')}`);
  }
  if (variants.length === 1) return { variant: best.variant, why: 'the only kernel' };
  const others = slower.map(({ variant, cost }) => `${variant.template} about ${cost} cycles`);
  const chosen = slower.length > 0 ? `about ${best.cost} cycles` : 'the only one that applies';
  return { variant: best.variant, why: [chosen, ...others, ...lacking].join('; ') };
}
