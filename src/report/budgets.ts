/** --max-flash, --max-ram, --max-ms: what exceeds them, why, and what other options would reach. */

import type { Target } from '../boards/target/index.js';
import { goals, type Optimize } from '../compiler/ir/op.js';
import { type CompileOptions, estimatedCount, type Plan } from '../compiler/plan/types.js';
import { BonsaiError } from '../errors.js';
import type { Memory, Report } from './types.js';

/** Budgets that affect the choice of kernels. */
export type Budgets = Pick<CompileOptions, 'maxFlash' | 'maxRam' | 'maxMs'>;

/** The budgets that are given. */
export function budgetsOf({ maxFlash, maxRam, maxMs }: Budgets): Budgets {
  return {
    ...(maxFlash === undefined ? {} : { maxFlash }),
    ...(maxRam === undefined ? {} : { maxRam }),
    ...(maxMs === undefined ? {} : { maxMs }),
  };
}

/** The results that are compared with the budgets. */
export interface Held {
  readonly report: Report;
  readonly plan: Plan;
}

/**
 * Compiles with other options.
 *
 * @param how 'plan' if only time is needed; 'same': as far as the result to compare with
 */
export type Retry = (changes: Partial<CompileOptions>, how: 'plan' | 'same') => Promise<Held>;

/** What a board must provide, as far as it is known. */
interface Needs {
  /** At least: before a build without the kernels' code. */
  readonly flashBytes: number;
  /** At least: without the stack. */
  readonly ramBytes: number;
  /** Estimated. */
  readonly count: number;
}

interface Limit {
  readonly limit: number;
  /** Whose it is: 'the budget is', 'rp2040 has'. */
  readonly owner: string;
  /** Measured or estimated. */
  readonly reached: number;
  readonly what: string;
  /** In the budget's unit: 'layer 3 (conv2d)' and its amount. */
  readonly parts: readonly (readonly [name: string, amount: number])[];
  /** The amount for another goal. */
  reachedWith(other: Needs): number;
  /** Whether the total is more than `reached`. */
  readonly isPartial: boolean;
  /** Whether it is time: a plan estimates what another goal would reach, without a build. */
  readonly isTime: boolean;
  readonly advice: string;
}

/** The properties of a board that limit a model, and those that offer ways to meet a budget. */
type Board = Pick<
  Target,
  'name' | 'flashBytes' | 'ramBytes' | 'secondCore' | 'regions' | 'firmware' | 'code'
>;

/**
 * @param budgets for those left out, the compiled ones apply; a plan alone must also keep to the
 *   board's memory, for which an image is linked
 * @param retry   compiles for the other goals of --optimize if a budget is exceeded
 * @returns 'over-budget' with the amount reached, what dominates it, and what the other goals would
 *   reach; if it was compiled for other budgets, also what its own goal would reach. null if all
 *   budgets are met
 */
export async function overBudget(
  held: Held,
  target: Board,
  budgets: Budgets,
  retry: Retry,
): Promise<BonsaiError | null> {
  const { options } = held.plan;
  const over = exceededOf(held, { ...options, ...budgets }, target);
  if (over.length === 0) return null;
  const all = budgetsOf({ ...options, ...budgets });
  const isOther = flagText(all) !== flagText(options);
  const how = over.every(({ isTime }) => isTime) ? 'plan' : 'same';
  const others: Other[] = [];
  const isSlow = over.some(({ isTime }) => isTime);
  for (const { goal, changes } of waysOf(options, target, isSlow, isOther)) {
    try {
      const other = await retry({ ...all, ...changes, autoCores: false }, how);
      others.push({ goal, needs: needsOf(other, target) });
    } catch (error) {
      // Options whose result exceeds the chip are no alternatives.
      if (!(error instanceof BonsaiError && error.code === 'over-budget')) throw error;
    }
  }
  const asked = isOther ? flagText(all) : '';
  return errorOf(held, over, asked, others);
}

/** 'over-budget' for a plan that exceeds the board's memory; null if it fits. */
export function overBoard(held: Held, target: Board): BonsaiError | null {
  const over = exceededOf(held, {}, target);
  return over.length === 0 ? null : errorOf(held, over, '', []);
}

/** The exceeded limits. An image that was linked for the board fits it. */
function exceededOf(held: Held, budgets: Budgets, board: Board): readonly Limit[] {
  const isPlan = held.report.memory.flashBytes === null;
  const limits = limitsOf(held, budgets, board, isPlan);
  return limits.filter(({ limit, reached }) => reached > limit);
}

function errorOf(
  { report }: Held,
  over: readonly Limit[],
  asked: string,
  others: readonly Other[],
): BonsaiError {
  const message = over
    .map(
      ({ reached, what, owner, limit, isPartial }) =>
        `needs ${isPartial ? 'at least ' : ''}${rounded(reached)} ${what}, ${owner} ${limit}`,
    )
    .join('; ');
  const hint = over.flatMap((one) => hintsFor(one, asked, others)).join('\n');
  return new BonsaiError('over-budget', report.model.name, message, hint);
}

/** The lower of a budget and what the board has. */
function lower(budget: number, board: Board | null, ofBoard: number | null | undefined) {
  return board !== null && (ofBoard ?? Infinity) < budget
    ? { limit: ofBoard ?? Infinity, owner: `${board.name} has` }
    : { limit: budget, owner: 'the budget is' };
}

const allCopies = '--sram-copies all';

interface Way {
  /** Options for compiling: 'speed', 'speed --cores 2'. */
  readonly goal: string;
  readonly changes: Partial<CompileOptions>;
}

/**
 * Other options for compiling.
 *
 * @param isSlow  whether time is exceeded: two cores and more copies of weights only save time
 * @param isOther whether other budgets make the compiled goal an alternative too
 */
function waysOf(
  { optimize, cores = 1, sramCopies }: CompileOptions,
  target: Pick<Target, 'secondCore' | 'regions'>,
  isSlow: boolean,
  isOther: boolean,
): readonly Way[] {
  const plain = goals.map((goal): Way => ({ goal, changes: { optimize: goal, cores } }));
  const withFlag = (
    flag: string,
    changes: Partial<CompileOptions>,
    of: readonly Optimize[] = goals,
  ) =>
    of.map((goal): Way => ({ goal: `${goal} ${flag}`, changes: { optimize: goal, ...changes } }));
  const hasCores = isSlow && cores === 1 && target.secondCore !== undefined;
  const hasCopies = isSlow && target.regions !== undefined && sramCopies !== 'all';
  // With speed copies may have all of the RAM, unless --sram-copies limits them.
  const fewer = goals.filter((goal) => goal !== 'speed' || sramCopies !== undefined);
  return [
    ...plain.filter(({ goal }) => goal !== optimize || isOther),
    ...(hasCopies ? withFlag(allCopies, { cores, sramCopies: 'all' }, fewer) : []),
    ...(hasCores ? withFlag('--cores 2', { cores: 2 }) : []),
  ];
}

/**
 * The note of `compile` on --max-ms. `run` fails if the measured time exceeds the budget; before
 * that there is only an estimate.
 *
 * @returns null without this budget, or if the estimate meets it
 */
export function timeNote(
  plan: Plan,
  { clockHz, secondCore }: Pick<Target, 'clockHz' | 'secondCore'>,
): string | null {
  const { maxMs = Infinity, cores = 1 } = plan.options;
  const ms = (1000 * estimatedCount(plan)) / clockHz;
  if (ms <= maxMs) return null;
  const estimate = `an inference takes ${rounded(ms)} ms by estimate, --max-ms is ${maxMs}`;
  const more = secondCore !== undefined && cores === 1 ? ', --cores 2 may' : '';
  return `${estimate}; no other kernels that fit are faster${more}. bonsaic run measures it`;
}

/**
 * The note of `compile` and `build` on budgets of bytes that are met for certain by the parts that
 * are known, but not by the most that the rest takes.
 *
 * @returns null where every budget is met by all that it may take
 */
export function memoryNote({ memory, options }: Report, budgets: Budgets = {}): string | null {
  const { maxFlash = Infinity, maxRam = Infinity } = { ...options, ...budgets };
  const { flashMostBytes, ramMostBytes } = memory;
  const over = [
    ...(memory.flashBytes === null && flashMostBytes > maxFlash
      ? [`${rounded(flashMostBytes)} bytes of flash, --max-flash is ${maxFlash}: build tells`]
      : []),
    ...(memory.ramBytes === null && (ramMostBytes ?? 0) > maxRam
      ? [`${rounded(ramMostBytes ?? 0)} bytes of RAM, --max-ram is ${maxRam}: run measures it`]
      : []),
  ];
  return over.length === 0 ? null : `may need ${over.join('; ')}`;
}

/** '--max-flash 30000 --max-ram 9000 --max-ms 20 ' */
function flagText({ maxFlash, maxRam, maxMs }: Budgets): string {
  const flash = maxFlash === undefined ? '' : `--max-flash ${maxFlash} `;
  const ram = maxRam === undefined ? '' : `--max-ram ${maxRam} `;
  return `${flash}${ram}${maxMs === undefined ? '' : `--max-ms ${maxMs} `}`;
}

interface Other {
  /** 'speed', 'speed --cores 2' */
  readonly goal: string;
  readonly needs: Needs;
}

/** @param hasOwn whether the board's own limits hold too */
function limitsOf(
  { report, plan }: Held,
  { maxFlash = Infinity, maxRam = Infinity, maxMs = Infinity }: Budgets,
  target: Board,
  hasOwn: boolean,
): readonly Limit[] {
  const board = hasOwn ? target : null;
  const { memory, latency, layers } = report;
  const known = needsOf({ report, plan }, target);
  // A board may lack what no goal can save.
  const elsewhere = board === null ? '' : '; bonsaic compare MODEL shows the boards that it fits';
  const copies = memory.sramCopyBytes > 0 ? `, copies of weights take ${memory.sramCopyBytes}` : '';
  const byLayer = (amounts: readonly number[]) =>
    amounts.map((amount, i) => [`layer ${i} (${plan.steps[i]?.op})`, amount] as const);
  const flash: Limit = {
    ...lower(maxFlash, board, board?.flashBytes),
    reached: known.flashBytes,
    what: 'bytes of flash',
    parts: [
      ['code', memory.codeBytes ?? 0],
      ...byLayer(plan.steps.map(({ alternatives }) => alternatives[0]?.bytes ?? 0)),
    ],
    reachedWith: ({ flashBytes }) => flashBytes,
    isPartial: memory.flashBytes === null,
    isTime: false,
    advice: `prune more, or use a smaller model${elsewhere}`,
  };
  const ram: Limit = {
    ...lower(maxRam, board, board?.ramBytes),
    reached: memory.ramBytes ?? known.ramBytes,
    what: 'bytes of RAM',
    parts: byLayer(liveBytes(plan)),
    // The stack stays about the same.
    reachedWith: ({ ramBytes }) => (memory.ramBytes ?? known.ramBytes) + ramBytes - known.ramBytes,
    isPartial: memory.ramBytes === null,
    isTime: false,
    advice: `the arena takes ${memory.arenaBytes}${copies}; a smaller input or fewer channels in the early layers help${elsewhere}`,
  };
  if (latency === null) return [flash, ram];
  const total = layers.reduce((sum, { count }) => sum + (count ?? 0), 0);
  const time: Limit = {
    ...lower(maxMs, null, null),
    reached: latency.ms,
    what: 'ms an inference',
    parts: byLayer(layers.map(({ count }) => (latency.ms * (count ?? 0)) / Math.max(1, total))),
    reachedWith: ({ count }) => (latency.ms * count) / Math.max(1, known.count),
    isPartial: false,
    isTime: true,
    advice: 'prune more, or use a smaller model or a faster board',
  };
  return [flash, ram, time];
}

/**
 * What dominates, and which goals would be enough.
 *
 * @param asked further flags for compiling, from flagText
 */
function hintsFor(
  { limit, parts, reachedWith, isPartial, isTime, advice }: Limit,
  asked: string,
  others: readonly Other[],
): readonly string[] {
  const heaviest = parts
    .filter(([, amount]) => amount > 0)
    .sort(([, a], [, b]) => b - a)
    .slice(0, 3)
    .map(([name, amount]) => `${name} ${rounded(amount, 3)}`);
  const reaches = others.map(({ goal, needs }) => ({ goal, reached: reachedWith(needs) }));
  const figures = reaches
    .filter(({ goal }) => !goal.endsWith(allCopies))
    .map(({ goal, reached }) => `${goal} about ${rounded(reached, 3)}`);
  const within = (most: number) =>
    reaches.filter(({ reached }) => reached <= most).map(({ goal }) => goal);
  const sure = within(limit);
  // Estimates of time are a few per cent off, so a goal close to the limit may be enough.
  const enough = sure.length === 0 && isTime ? within(timeSlack * limit) : sure;
  const unsure = isPartial || sure.length === 0 ? ', which may do' : '';
  const none = others.length === 0 ? advice : `none is enough: ${advice}`;
  const next =
    enough.length > 0
      ? `compile with ${asked}--optimize ${enough.join(', or --optimize ')}${unsure}`
      : none;
  return [
    ...(heaviest.length > 0 ? [`most in ${heaviest.join(', ')}`] : []),
    ...(figures.length > 0 ? [`with ${asked}--optimize ${figures.join(', ')}`] : []),
    next,
  ];
}

/** Upper limit of the error of time estimates, approximately. */
const timeSlack = 1.1;

/** To these digits, or whole: bytes, and milliseconds of any size. */
export function rounded(value: number, digits = 4): string {
  return String(value < 1000 ? Number(value.toPrecision(digits)) : Math.round(value));
}

/** Live bytes of the arena during each step. */
function liveBytes({ steps, placements }: Plan): readonly number[] {
  return steps.map(({ index, scratch }) => {
    const live = placements.filter(({ first, last }) => first <= index && index <= last);
    const buffers = [...live, ...(scratch === null ? [] : [scratch])];
    let end = 0;
    let bytes = 0;
    for (const buffer of buffers.sort((a, b) => a.offset - b.offset)) {
      const bufferEnd = buffer.offset + buffer.bytes;
      bytes += Math.max(0, bufferEnd - Math.max(end, buffer.offset));
      end = Math.max(end, bufferEnd);
    }
    return bytes;
  });
}

function needsOf({ report: { memory }, plan }: Held, { firmware, code }: Board): Needs {
  const { optimize } = plan.options;
  const runtimeBytes = (code?.[optimize].runtimeBytes ?? 0) + (firmware?.codeBytes ?? 0);
  return {
    flashBytes:
      memory.flashBytes ?? memory.weightBytes + memory.tableBytes + Math.max(0, runtimeBytes),
    ramBytes: ramWithoutStack({
      ...memory,
      staticRamBytes: memory.staticRamBytes ?? firmware?.staticBytes ?? 0,
    }),
    count: estimatedCount(plan),
  };
}

/** Bytes of RAM, as far as they are known before a run. */
export function ramWithoutStack({
  arenaBytes,
  stateBytes,
  sramCopyBytes,
  staticRamBytes,
}: Memory): number {
  return arenaBytes + stateBytes + sramCopyBytes + (staticRamBytes ?? 0);
}
