/**
 * The kernels that can compute each step, with their cycles, bytes of flash and bytes of the arena.
 */

import { InternalError } from '../../../errors.js';
import { zeroShare } from '../../analysis/sparsity.js';
import { at, type NodeView } from '../../ir/graph.js';
import type { TargetTraits } from '../../ir/op.js';
import { callBytes, withoutShared } from '../../kernels/calls.js';
import { matchesOf } from '../../kernels/index.js';
import type { CallBytes, KernelContext, Match } from '../../kernels/variant.js';
import { halvesOf, type Implementation, type Part, wholeOf } from '../schedule/parts.js';
import { kernelBytesOf } from './code-size.js';
import type { Alternative, CodeUnit, StepAlternatives } from './prices.js';

/** Approximate cost of handing the second core its half and waiting for it. */
const handOverCycles = 200;

/** The kernels that can compute a node. */
export interface Candidates {
  readonly view: NodeView;
  /** In the order of the operator's list; each variant on one core, then on two. */
  readonly implementations: readonly Implementation[];
  /** For the report: variants that apply but are refused, with the reason. */
  readonly refused: readonly string[];
}

/**
 * The variants of a node's operator that match the node and need only features of the target. If
 * `template` is given, only the variant of that name.
 */
export function candidatesFor(
  view: NodeView,
  context: KernelContext,
  template?: string,
): Candidates {
  const { features } = context.target;
  const matches = matchesOf(
    view,
    context,
    (variant) =>
      variant.needs.every((feature) => features.has(feature)) &&
      (template ?? variant.template) === variant.template,
  );
  const isTaken = ({ kernel }: Match) => template !== undefined || kernel.refusal === undefined;
  const whole = wholeOf(view, context);
  return {
    view,
    implementations: matches
      .filter(isTaken)
      .map(({ variant, kernel }) => ({ variant, parts: [{ ...whole, kernel }] })),
    refused: matches
      .filter((match) => !isTaken(match))
      .map(({ variant, kernel }) => `${variant.template}: ${kernel.refusal}`),
  };
}

/** The candidates, and those that can compute both halves of the node with the same calls. */
export function onTwoCores(candidates: Candidates, context: KernelContext): Candidates {
  const { view, implementations } = candidates;
  const names = implementations.map(({ variant }) => variant.template);
  const halves = (halvesOf(view, context) ?? []).map((half) => ({
    half,
    matches: matchesOf(half.view, half.context, ({ template }) => names.includes(template)),
  }));
  const withHalves = ({ variant }: Implementation): readonly Implementation[] => {
    const parts = halves.flatMap(({ half, matches }) =>
      matches
        .filter((match) => match.variant.template === variant.template)
        .map(({ kernel }): Part => ({ ...half, kernel })),
    );
    const [first, second] = parts;
    if (first === undefined || second === undefined) return [];
    const isAlike = first.kernel.outlines().length === second.kernel.outlines().length;
    return isAlike ? [{ variant, parts }] : [];
  };
  return {
    ...candidates,
    implementations: implementations.flatMap((whole) => [whole, ...withHalves(whole)]),
  };
}

/**
 * The kernels of a step with their costs.
 *
 * @param arenaBytes bytes of the arena with each implementation
 * @param turns      how often the step runs
 * @throws InternalError if there is none: every operator has a portable kernel
 */
export function alternativesOf(
  { view, implementations, refused }: Candidates,
  arenaBytes: readonly number[],
  context: KernelContext,
  turns = 1,
): StepAlternatives {
  if (implementations.length === 0) {
    throw new InternalError('plan', `no kernel for ${at(view.node)}: ${refused.join('; ')}`);
  }
  const alternatives = implementations.map((one, i) =>
    weigh(one, arenaBytes[i] ?? 0, context, turns),
  );
  const constant = view.inputs[1] ?? null;
  if (constant === null || constant.data === null) return { alternatives, refused };
  const count = constant.data.length;
  return { alternatives, refused, weights: { count, zeros: zeroShare(constant) * count } };
}

function weigh(
  implementation: Implementation,
  arenaBytes: number,
  context: KernelContext,
  turns: number,
): Alternative {
  const { variant, parts } = implementation;
  const own = bytesOf(parts);
  const sum = (values: readonly number[]) => values.reduce((all, value) => all + value, 0);
  const ofStep = sum(own.flat().map(({ weights }) => weights));
  const passes = parts.map(({ kernel }) => kernel.weightPasses ?? 1);
  const cycles = parts.map(({ kernel }) => workCost({ variant, kernel }, context));
  return {
    implementation,
    cycles: turns * (Math.max(...cycles) + (parts.length > 1 ? handOverCycles : 0)),
    flashBytes: sum(own.flat().map(({ weights, tables }) => weights + tables)),
    arenaBytes,
    code: codeOf(implementation, context),
    // Both cores read flash through one cache and one bus, so they wait for each other's misses.
    pieces: (own[0] ?? []).map((_, i) => {
      const weights = own.map((all) => all[i]?.weights ?? 0);
      const isShared = weights.length > 1 && weights[1] === 0;
      const fetched = isShared
        ? [missCycles(weights[0] ?? 0, ofStep, sum(passes), context)]
        : weights.map((bytes, part) => missCycles(bytes, ofStep, passes[part] ?? 1, context));
      return { weightBytes: sum(weights), missCycles: turns * sum(fetched) };
    }),
  };
}

/** Of each part the bytes of its calls; of a second one without those that the first has. */
function bytesOf(parts: readonly Part[]): readonly (readonly CallBytes[])[] {
  const [first, second] = parts;
  const ofFirst = first?.kernel.outlines().map(({ bytes }) => bytes) ?? [];
  if (first === undefined || second === undefined) return [ofFirst];
  const calls = first.kernel.calls();
  const others = second.kernel.calls().map((call, i) => {
    const twin = calls[i];
    return callBytes(twin === undefined ? call : withoutShared(call, twin));
  });
  return [ofFirst, others];
}

/** The functions of a kernel's calls, and their approximate size on the target. */
function codeOf(
  { variant, parts }: Implementation,
  { target, optimize }: KernelContext,
): readonly CodeUnit[] {
  const bytes = kernelBytesOf(variant.template, target, optimize);
  const outlines = parts.flatMap(({ kernel }) => kernel.outlines());
  const keys = new Set(outlines.map(({ functionKey }) => functionKey));
  return [...keys].map((key) => ({ key, bytes }));
}

/**
 * The cost of a variant on the target, in cycles (or instructions, if the target counts these).
 * Each term has the cost measured for the goal, otherwise that for 'balanced', otherwise the
 * variant's own.
 */
export function workCost(
  { variant: { template }, kernel }: Match,
  { target: { costs }, optimize }: KernelContext,
): number {
  const measured = costs[optimize]?.[template] ?? costs.balanced?.[template] ?? {};
  return Object.entries(kernel.work()).reduce(
    (sum, [name, { count, cycles }]) => sum + count * (measured[name] ?? cycles),
    0,
  );
}

/**
 * Weights that leave room in the cache for code and tables are fetched once per run, since other
 * steps evict them in between. Larger weights are fetched again in each pass.
 */
function missCycles(
  bytes: number,
  ofStep: number,
  passes: number,
  { target }: KernelContext,
): number {
  const isKept = target.regions === undefined || ofStep <= target.regions.flash.cacheBytes / 2;
  return (isKept ? 1 : passes) * fetchCycles(bytes, target);
}

/** Cycles that are lost where bytes of flash are read once, and are not in its cache. */
export function fetchCycles(bytes: number, { regions }: Pick<TargetTraits, 'regions'>): number {
  if (regions === undefined) return 0;
  const { lineBytes, missCycles } = regions.flash;
  return Math.ceil(bytes / lineBytes) * missCycles;
}
