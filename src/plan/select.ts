/**
 * Which kernel computes each step, and where its weights live.
 *
 * Every fitting variant of a step is an alternative: so many cycles, so many bytes of flash. Weights
 * read from flash may miss a cache; copied to RAM at start they do not, while there is room. The
 * choice is the fewest cycles plus a price for each byte: of flash as `--optimize` says, of RAM (and
 * of flash, where the budget binds) the lowest price at which everything fits, found by bisection; what
 * that leaves over is spent where it gains most (prices.ts).
 */
import { InternalError } from '../errors.js';
import { at, type NodeView } from '../ir/graph.js';
import type { KernelCall, KernelContext, KernelVariant, Optimize } from '../ir/op.js';
import { opOf } from '../ops/index.js';
import { kernelBytesOf } from './code-size.js';
import { explain } from './explain.js';
import { callBytes, functionKey, lowered, withoutShared } from './lower.js';
import { halvesOf, type Implementation, type Part, wholeOf } from './parts.js';
import {
  type Alternative,
  type Budget,
  type CodeUnit,
  choose,
  flashOf,
  imageBytes,
  type Pick,
  type Prices,
  place,
  priceOf,
  type Step,
  settle,
  total,
} from './prices.js';
import type { Decision, KernelEstimate, KernelForm, Region } from './types.js';

export interface Choice {
  readonly implementation: Implementation;
  /** Where the weights of each of the kernel's calls lie; those of a second half as the first's. */
  readonly regions: readonly Region[];
  /** For the report: the chosen one first, then the fastest. */
  readonly alternatives: readonly KernelEstimate[];
  /** What it would be if all steps were dense, in the RAM that is left then; null: it could not be. */
  readonly dense: KernelEstimate | null;
  readonly why: string;
}

/**
 * Shares of the cycles that a byte more must save, in relation to its share of the least constants
 * with zeros among them: at 0.2, twice these have to be worth a fifth of the time. For size each is
 * tried; that with the least product of the image's bytes and the time to the power of `worthOfTime`
 * is taken.
 */
const flashPrices: Readonly<Record<Optimize, readonly number[]>> = {
  speed: [0],
  balanced: [0.2],
  size: Array.from({ length: 13 }, (_, i) => 2 ** i),
};

/** Exponent of the time: twice the time has to save an eighteenth of the image. */
const worthOfTime = 1 / 12;

/**
 * What a kernel that skips zeros or packs weights may take, where no budget forces it: so many times
 * the cycles of the one that would be taken without it, and so many less. Estimates are a few per
 * cent off, of packed weights up to 10, and more for small layers: what is hardly faster may be slower.
 * null: anything.
 */
const mostTime: Readonly<Record<Optimize, MostTime | null>> = {
  speed: { times: 1, less: 0 },
  balanced: { times: 0.9, less: 1000 },
  size: null,
};

interface MostTime {
  readonly times: number;
  readonly less: number;
}

/** About what it costs to give the second core its half and to wait for it. */
const handOverCycles = 200;

/** What can compute a node. */
export interface Candidates {
  readonly view: NodeView;
  /** In the order of the operator's list; a variant on two cores after it on one. */
  readonly implementations: readonly Implementation[];
  /** For the report: variants that apply but cannot be afforded, and why. */
  readonly refused: readonly string[];
}

/**
 * The variants of a node's operator whose features the target has and whose condition holds; only
 * the one named `template` where it is given.
 *
 * @param cores 2: also those that can compute both halves of the node
 */
export function candidatesFor(
  view: NodeView,
  context: KernelContext,
  template?: string,
  cores = 1,
): Candidates {
  const halves = cores > 1 ? halvesOf(view, context) : null;
  const refused: string[] = [];
  const implementations = opOf(view.node).variants.flatMap((variant): Implementation[] => {
    const missing = variant.needs.filter((feature) => !context.target.features.has(feature));
    const isAsked = (template ?? variant.template) === variant.template;
    if (missing.length > 0 || !isAsked || !variant.when(view, context)) return [];
    const refusal = template === undefined ? (variant.refuses?.(view, context) ?? null) : null;
    if (refusal !== null) {
      refused.push(`${variant.template}: ${refusal}`);
      return [];
    }
    const whole = { variant, parts: wholeOf(view, context) };
    return halves !== null && isFor(variant, halves)
      ? [whole, { variant, parts: halves }]
      : [whole];
  });
  return { view, implementations, refused };
}

/** Whether a kernel computes both halves, with the same calls. */
function isFor(variant: KernelVariant, halves: readonly Part[]): boolean {
  if (!halves.every(({ view, context }) => variant.when(view, context))) return false;
  const counts = halves.map(({ view, context }) => lowered(variant, view, context).length);
  return counts.every((count) => count === counts[0]);
}

/**
 * A kernel for every step, in their order.
 *
 * @throws InternalError when a step has none: every operator has a portable kernel
 */
export function selectKernels(
  candidates: readonly Candidates[],
  context: KernelContext,
  budget: Budget,
): { readonly choices: readonly Choice[]; readonly decision: Decision } {
  const all = candidates.map((each) => alternativesOf(each, context));
  const fastest = choose(all, { flash: 0, sram: 0 });
  // What few weights save must not make each byte that is left dearer.
  const allDense = all.map(withAllWeights);
  const smallest = choose(allDense, { flash: 1e9, sram: 0 });
  const perByte = total(fastest, (pick) => pick.cycles) / Math.max(1, flashOf(smallest));
  const { optimize } = context;
  const wanted = flashPrices[optimize].map((price) => price * perByte);
  const worth = (picks: readonly Pick[]) =>
    imageBytes(picks, budget) * total(picks, (pick) => pick.cycles) ** worthOfTime;
  const settled = (steps: readonly Step[], limits = budget) => settle(steps, wanted, limits, worth);
  // What a budget forces is not what is slow without it.
  const unlimited = { ...budget, flashBytes: Infinity };
  const dense = settled(allDense, unlimited);
  const most = mostTime[optimize];
  const fast = (most: MostTime) => {
    // What is slow depends on the RAM that is left, which depends on what is taken.
    const first = settled(withoutSlow(all, [dense.prices], most), unlimited);
    return withoutSlow(all, [dense.prices, first.prices], most);
  };
  const allowed = most === null ? all : fast(most);
  const free = settled(allowed);
  const { isForced } = free;
  const { picks, prices } = isForced && allowed !== all ? settled(all) : free;
  const { flash, sram } = prices;
  const image = imageBytes(picks, budget);
  const byBudget = `the flash budget${image <= budget.flashBytes ? ', spent where it gains most' : ''}`;
  const decision: Decision = {
    unit: context.target.costUnit,
    flashPrice: flash,
    imageBytes: image,
    reason: isForced ? byBudget : `--optimize ${optimize}`,
  };
  const choices = picks.map((pick, step): Choice => {
    const { alternatives, refused } = all[step] as Step;
    const others = alternatives
      .filter((other) => other !== pick.alternative)
      .map((other) => place(other, sram))
      .sort((a, b) => a.cycles - b.cycles);
    const estimates = [pick, ...others].map(estimateOf);
    const withAll = estimateOf(dense.picks[step] as Pick);
    return {
      implementation: pick.alternative.implementation,
      regions: pick.regions,
      alternatives: estimates,
      dense: withAll.form === 'dense' ? withAll : null,
      why: explain(estimates, refused, decision),
    };
  });
  return { choices, decision };
}

function alternativesOf(
  { view, implementations, refused }: Candidates,
  context: KernelContext,
): Step {
  if (implementations.length === 0) {
    throw new InternalError('plan', `no kernel for ${at(view.node)}: ${refused.join('; ')}`);
  }
  return { alternatives: implementations.map((one) => weigh(one, context)), refused };
}

function weigh(implementation: Implementation, context: KernelContext): Alternative {
  const { variant, parts } = implementation;
  const calls = parts.map((part) => lowered(variant, part.view, part.context));
  const own = calls.map((all, part) =>
    all.map((call, i) => {
      const first = calls[0]?.[i];
      return callBytes(part === 0 || first === undefined ? call : withoutShared(call, first));
    }),
  );
  const sum = (values: readonly number[]) => values.reduce((all, value) => all + value, 0);
  const ofStep = sum(own.flat().map(({ weights }) => weights));
  const passes = parts.map(({ view, context }) => variant.weightPasses?.(view, context) ?? 1);
  const cycles = parts.map((part) => workCost(variant, part.view, part.context));
  return {
    implementation,
    cycles: Math.max(...cycles) + (parts.length > 1 ? handOverCycles : 0),
    flashBytes: sum(own.flat().map(({ weights, tables }) => weights + tables)),
    code: codeOf(variant.template, calls.flat(), context),
    // Both cores read flash through one cache and one bus: they wait for each other's misses.
    pieces: (own[0] ?? []).map((_, i) => {
      const weights = own.map((all) => all[i]?.weights ?? 0);
      const isShared = weights.length > 1 && weights[1] === 0;
      const fetched = isShared
        ? [missCycles(weights[0] ?? 0, ofStep, sum(passes), context)]
        : weights.map((bytes, part) => missCycles(bytes, ofStep, passes[part] ?? 1, context));
      return { weightBytes: sum(weights), missCycles: sum(fetched) };
    }),
  };
}

/** The functions of a kernel's calls, and about what each takes on the target. */
function codeOf(
  template: string,
  calls: readonly KernelCall[],
  { target, optimize }: KernelContext,
): readonly CodeUnit[] {
  const bytes = kernelBytesOf(template, target, optimize);
  const keys = new Set(calls.map((call) => functionKey(template, call, optimize)));
  return [...keys].map((key) => ({ key, bytes }));
}

/**
 * What a variant costs on the target, in cycles (instructions where a target counts these): by the
 * costs of its terms as measured for the goal, else for 'balanced', else by the variant's own.
 */
export function workCost(variant: KernelVariant, view: NodeView, context: KernelContext): number {
  const { costs } = context.target;
  const { template } = variant;
  const measured = costs[context.optimize]?.[template] ?? costs.balanced?.[template] ?? {};
  const terms = Object.entries(variant.work(view, context));
  return terms.reduce(
    (sum, [name, { count, cycles }]) => sum + count * (measured[name] ?? cycles),
    0,
  );
}

/**
 * Weights that leave room in the cache for code and tables are fetched once a run (by then other
 * steps have taken their place); larger ones again at every pass.
 */
function missCycles(
  bytes: number,
  ofStep: number,
  passes: number,
  { target }: KernelContext,
): number {
  if (target.regions === undefined) return 0;
  const { cacheBytes, lineBytes, missCycles } = target.regions.flash;
  const fetches = ofStep <= cacheBytes / 2 ? 1 : passes;
  return fetches * Math.ceil(bytes / lineBytes) * missCycles;
}

function formOf({ variant }: Implementation): KernelForm {
  return variant.packs ? 'packed' : variant.skipsZeros ? 'sparse' : 'dense';
}

/** Without kernels that skip zeros or pack weights, where there are others. */
function withAllWeights(step: Step): Step {
  const dense = step.alternatives.filter(
    ({ implementation }) => formOf(implementation) === 'dense',
  );
  return dense.length > 0 ? { ...step, alternatives: dense } : step;
}

/**
 * Of what skips zeros or packs weights stays what is faster than the choice without, by `mostTime`: at
 * one of these prices.
 */
function withoutSlow(
  steps: readonly Step[],
  prices: readonly Prices[],
  { times, less }: MostTime,
): readonly Step[] {
  return steps.map((step) => {
    const of = (form: KernelForm) =>
      step.alternatives.filter(({ implementation }) => formOf(implementation) === form);
    const dense = of('dense');
    if (dense.length === 0) return step;
    const isFaster = (one: Alternative, others: readonly Alternative[]) =>
      prices.some((at) => {
        // Cycles that take RAM from other steps are dearer.
        const cost = (pick: Pick) => priceOf(pick, { ...at, flash: 0 });
        const [best] = choose([{ ...step, alternatives: others }], at);
        return best === undefined || cost(place(one, at.sram)) <= times * cost(best) - less;
      });
    const plain = [...dense, ...of('sparse').filter((one) => isFaster(one, dense))];
    return {
      ...step,
      alternatives: [...plain, ...of('packed').filter((one) => isFaster(one, plain))],
    };
  });
}

function estimateOf({ alternative, cycles }: Pick): KernelEstimate {
  const { variant, parts } = alternative.implementation;
  return {
    kernel: variant.template,
    cores: parts.length,
    form: formOf(alternative.implementation),
    count: Math.round(cycles),
    bytes: alternative.flashBytes,
  };
}
