/** --max-flash, --max-ram, --max-ms: what is over them, why, and what else could be had. */
import type { Command } from 'commander';
import { BonsaiError } from '../errors.js';
import type { Optimize } from '../ir/op.js';
import { type CompileRequest, compile } from '../pipeline.js';
import type { Plan } from '../plan/types.js';
import { makeReport, type Report } from '../report/index.js';
import { positive } from './options.js';

export interface BudgetFlags {
  readonly maxFlash?: number;
  readonly maxRam?: number;
  readonly maxMs?: number;
}

/**
 * --max-flash, --max-ram, --max-ms
 *
 * @param compiled the command works on a directory, which has budgets of its own
 */
export function withBudgets(
  command: Command,
  { measured, compiled = false }: { readonly measured: boolean; readonly compiled?: boolean },
): Command {
  const otherwise = compiled ? " (default: compile's)" : '';
  command
    .option('--max-flash <bytes>', `fail when the image is larger${otherwise}`, positive)
    .option('--max-ram <bytes>', `fail when more RAM is needed${otherwise}`, positive);
  return measured
    ? command.option('--max-ms <ms>', 'fail when an inference takes longer', positive)
    : command;
}

/** What is held against the budgets. */
export interface Held {
  readonly report: Report;
  readonly plan: Plan;
  /** What it was compiled from. */
  readonly request: CompileRequest;
}

/** What a goal of --optimize changes of what is needed. */
interface Needs {
  readonly constantBytes: number;
  readonly ramBytes: number;
  readonly count: number;
}

interface Budget {
  readonly limit: number;
  /** Measured, or as far as it is known. */
  readonly reached: number;
  readonly what: string;
  /** For every step of the plan, in the unit of the budget. */
  readonly steps: readonly number[];
  /** The same for another goal, about. */
  reachedWith(other: Needs, own: Needs): number;
  readonly advice: string;
}

/**
 * @param flags what they leave out is as it was compiled for
 * @throws BonsaiError 'over-budget' with what was reached, the layers that dominate, and what the
 *   other goals of --optimize would reach
 */
export function checkBudgets(held: Held, flags: BudgetFlags): void {
  const over = budgetsOf(held, flags).filter(({ limit, reached }) => reached > limit);
  if (over.length === 0) return;
  const own = needsOf(held);
  const { options } = held.plan;
  const others = goals
    .filter((goal) => goal !== options.optimize)
    .map((goal) => ({ goal, needs: needsWith(held.request, goal) }));
  throw new BonsaiError(
    'over-budget',
    held.report.model.name,
    over
      .map(
        ({ reached, what, limit }) => `needs ${rounded(reached)} ${what}, the budget is ${limit}`,
      )
      .join('; '),
    over.flatMap((budget) => hintsFor(budget, held.plan, own, others)).join('\n'),
  );
}

const goals: readonly Optimize[] = ['speed', 'balanced', 'size'];

function budgetsOf({ report, plan }: Held, flags: BudgetFlags): readonly Budget[] {
  const { memory, latency, layers } = report;
  const { maxFlash, maxRam, maxMs } = { ...plan.options, ...flags };
  const constantBytes = memory.weightBytes + memory.tableBytes;
  const knownRam = memory.arenaBytes + memory.sramCopyBytes + (memory.staticRamBytes ?? 0);
  const copies = memory.sramCopyBytes > 0 ? `, copies of weights take ${memory.sramCopyBytes}` : '';
  const flash: Budget = {
    limit: maxFlash ?? Infinity,
    reached: memory.flashBytes ?? constantBytes,
    what: memory.flashBytes === null ? 'bytes of flash without its code' : 'bytes of flash',
    steps: plan.steps.map(({ alternatives }) => alternatives[0]?.bytes ?? 0),
    reachedWith: (other, own) =>
      (memory.flashBytes ?? constantBytes) + other.constantBytes - own.constantBytes,
    advice: 'prune more, or use a smaller model',
  };
  const ram: Budget = {
    limit: maxRam ?? Infinity,
    reached: memory.ramBytes ?? knownRam,
    what: memory.ramBytes === null ? 'bytes of RAM without its stack' : 'bytes of RAM',
    steps: liveBytes(plan),
    reachedWith: (other, own) => (memory.ramBytes ?? knownRam) + other.ramBytes - own.ramBytes,
    advice: `the arena takes ${memory.arenaBytes}${copies}; a smaller input or fewer channels in the early layers help`,
  };
  if (latency === null) return [flash, ram];
  const total = layers.reduce((sum, { count }) => sum + (count ?? 0), 0);
  const time: Budget = {
    limit: maxMs ?? Infinity,
    reached: latency.ms,
    what: 'ms an inference',
    steps: layers.map(({ count }) => (latency.ms * (count ?? 0)) / Math.max(1, total)),
    reachedWith: (other, own) => (latency.ms * other.count) / Math.max(1, own.count),
    advice: 'prune more, or use a smaller model or a faster board',
  };
  return [flash, ram, time];
}

/** What dominates, and whether another goal would do. */
function hintsFor(
  { limit, steps, reachedWith, advice }: Budget,
  plan: Plan,
  own: Needs,
  others: readonly { readonly goal: Optimize; readonly needs: Needs }[],
): readonly string[] {
  const heaviest = [...steps.entries()].sort(([, a], [, b]) => b - a).slice(0, 3);
  const names = heaviest.map(
    ([index, amount]) => `${index} (${plan.steps[index]?.op}) ${rounded(amount)}`,
  );
  const reaches = others.map(({ goal, needs }) => ({ goal, reached: reachedWith(needs, own) }));
  const figures = reaches.map(({ goal, reached }) => `${goal} about ${rounded(reached)}`);
  const enough = reaches.filter(({ reached }) => reached <= limit).map(({ goal }) => goal);
  return [
    `most in layers ${names.join(', ')}`,
    `with --optimize ${figures.join(', ')}; ${
      enough.length > 0 ? `try --optimize ${enough.join(' or ')}` : `none is enough: ${advice}`
    }`,
  ];
}

/** At most two decimals. */
function rounded(value: number): string {
  return String(Number(value.toFixed(value < 1000 ? 2 : 0)));
}

/** Bytes of the arena that hold something while each step runs. */
function liveBytes({ steps, placements }: Plan): readonly number[] {
  return steps.map(({ index, scratch }) => {
    const live = placements.filter(({ first, last }) => first <= index && index <= last);
    const spans = [...live, ...(scratch === null ? [] : [scratch])];
    let end = 0;
    let bytes = 0;
    for (const span of spans.sort((a, b) => a.offset - b.offset)) {
      const spanEnd = span.offset + span.bytes;
      bytes += Math.max(0, spanEnd - Math.max(end, span.offset));
      end = Math.max(end, spanEnd);
    }
    return bytes;
  });
}

function needsOf({ report: { memory }, plan }: Pick<Held, 'report' | 'plan'>): Needs {
  return {
    constantBytes: memory.weightBytes + memory.tableBytes,
    ramBytes: memory.arenaBytes + memory.sramCopyBytes,
    count: plan.steps.reduce((sum, { alternatives }) => sum + (alternatives[0]?.count ?? 0), 0),
  };
}

/** By planning anew: what is neither constant nor arena stays about as it is. */
function needsWith(request: CompileRequest, optimize: Optimize): Needs {
  const options = { ...request.options, optimize };
  const { plan, emission } = compile({ ...request, options });
  return needsOf({ plan, report: makeReport({ manifest: emission.manifest }) });
}
