/**
 * Kernels for all steps, and an arena that holds what they need.
 *
 * The bytes of each step are known beforehand, but not the bytes into which all of them pack:
 * outputs drift, and gaps remain. If a choice needs more RAM than is available, it is made again
 * from the kernels with the smallest arena.
 */
import { turnsOf } from '../../ir/graph.js';
import type { TargetTraits } from '../../ir/op.js';
import type { KernelContext } from '../../kernels/variant.js';
import { leanestKernels, packsNoWorse, packTrials } from '../arena/leanest.js';
import type { KernelMemory, Schedule } from '../arena/lifetimes.js';
import { largestOfLeast, stepBytes } from '../arena/memory.js';
import { type Arena, planArena } from '../arena/placement.js';
import { Patience } from '../arena/search.js';
import type { CompileOptions, Decision } from '../types.js';
import { alternativesOf, type Candidates } from './candidates.js';
import type { StepAlternatives } from './prices.js';
import { ramForModel, roomOf, type SourceModel } from './room.js';
import { type Choice, selectKernels } from './select.js';

/** The kernels that can compute a node, and what each does to memory. An alias needs none. */
export interface Kernels {
  readonly candidates: Candidates | null;
  readonly memories: readonly KernelMemory[];
}

/** Kernels, and the places of all buffers with them. */
export interface Outcome {
  /** One per step; null for an alias. */
  readonly choices: readonly (Choice | null)[];
  readonly decision: Decision;
  readonly arena: Arena;
}

/** The input of every choice. */
interface Problem {
  readonly schedule: Schedule;
  readonly target: TargetTraits;
  readonly options: CompileOptions;
  readonly context: KernelContext;
  readonly source: SourceModel;
  /** One per step; null for an alias. */
  readonly steps: readonly (StepAlternatives | null)[];
  readonly memories: readonly (readonly KernelMemory[])[];
  /** With all packings that are tried. */
  readonly patience: Patience;
}

/** How often kernels are chosen again with less RAM. */
const mostRetries = 3;

/** Chooses kernels and places their buffers within the available RAM, if any kernels fit. */
export function chooseKernels(
  schedule: Schedule,
  kernels: ReadonlyMap<number, Kernels>,
  target: TargetTraits,
  options: CompileOptions,
  context: KernelContext,
  source: SourceModel,
): Outcome {
  const memories = memoriesOf(schedule, kernels);
  const needs = stepBytes(schedule, memories);
  const steps = schedule.steps.map((index, step) => {
    const { candidates = null } = kernels.get(index) ?? {};
    const turns = turnsOf(schedule.graph, index);
    return candidates && alternativesOf(candidates, needs[step] ?? [], context, turns);
  });
  const patience = new Patience();
  const problem = { schedule, target, options, context, source, steps, memories, patience };
  const first = chosenOf(problem, steps, 0);
  const forModel = roomIn(problem);
  const isMet = (outcome: Outcome) => usedBytes(outcome) <= forModel;
  if (isMet(first)) return first;
  let last = first;
  for (let i = 0, gapBytes = 0; i < mostRetries && !isMet(last); i++) {
    const beyond = usedBytes(last) - forModel;
    // Copies were chosen as if the arena had no gaps.
    gapBytes = Math.max(gapBytes + beyond, last.arena.bytes - last.decision.arenaBytes);
    last = chosenOf(problem, steps, gapBytes);
  }
  if (isMet(last) && first.arena.bytes <= forModel) return last;
  const packed = packedInto(problem, first);
  const cost = ({ choices, decision }: Outcome) =>
    choices.reduce((sum, choice) => sum + (choice?.alternatives[0]?.count ?? 0), 0) +
    first.decision.flashPrice * decision.imageBytes;
  return isMet(last) && cost(last) <= cost(packed) ? last : packed;
}

export function memoriesOf(
  { steps }: Schedule,
  kernels: ReadonlyMap<number, Kernels>,
): readonly (readonly KernelMemory[])[] {
  return steps.map((index) => kernels.get(index)?.memories ?? []);
}

/** RAM that there is for the arena and copies of weights, in bytes. */
function roomIn({ target, options, steps }: Problem): number {
  return ramForModel(target, options, steps.filter((step) => step !== null).length);
}

/** RAM for the arena and the copies of weights, in bytes. */
function usedBytes({ arena, choices }: Outcome): number {
  return choices.reduce((sum, choice) => sum + (choice?.copiedBytes ?? 0), arena.bytes);
}

/**
 * @param allowed  the steps with the kernels to choose from
 * @param gapBytes RAM lost because the arena does not pack without gaps
 */
function chosenOf(
  { schedule, target, options, context, source, steps, memories, patience }: Problem,
  allowed: readonly (StepAlternatives | null)[],
  gapBytes: number,
): Outcome {
  const places = [...steps.keys()].filter((step) => steps[step] !== null);
  const at = (all: readonly (StepAlternatives | null)[]) =>
    places.map((step) => all[step] as StepAlternatives);
  const least = largestOfLeast(
    at(allowed).map(({ alternatives }) => alternatives.map(({ arenaBytes }) => arenaBytes)),
  );
  const room = roomOf(target, options, places.length, least, source, gapBytes);
  const { choices, decision } = selectKernels(at(allowed), context, room);
  const chosen = new Array<Choice | null>(steps.length).fill(null);
  places.forEach((step, i) => {
    chosen[step] = choices[i] ?? null;
  });
  const positions = chosen.map((choice, step) => positionIn(steps[step], choice));
  const isShortOfRam = decision.isShortOfRam || allowed !== steps;
  const arena = pack(schedule, memories, positions, patience);
  return { choices: chosen, decision: { ...decision, isShortOfRam }, arena };
}

/** 0 for an alias. */
function positionIn(step: StepAlternatives | null | undefined, choice: Choice | null): number {
  const all = step?.alternatives ?? [];
  return Math.max(
    0,
    all.findIndex(({ implementation }) => implementation === choice?.implementation),
  );
}

function pack(
  schedule: Schedule,
  memories: readonly (readonly KernelMemory[])[],
  positions: readonly number[],
  patience: Patience,
): Arena {
  const kernels = positions.map((position, step) => memories[step]?.[position] as KernelMemory);
  return planArena(schedule, kernels, patience);
}

/** The leanest kernels, improved as far as the result packs into the available RAM. */
function packedInto(problem: Problem, first: Outcome): Outcome {
  const { schedule, steps, memories, patience } = problem;
  const needs = steps.map((step) => step?.alternatives.map((one) => one.arenaBytes) ?? [0]);
  const leanest = leanestKernels(schedule, memories, needs, patience);
  const leastBytes = pack(schedule, memories, leanest, patience).bytes;
  const roomBytes = Math.max(leastBytes, roomIn(problem));
  const wanted = steps.map((step, i) => positionIn(step, first.choices[i] ?? null));
  const positions = mixed(problem, leanest, wanted, roomBytes, first.decision.flashPrice);
  const { bytes } = pack(schedule, memories, positions, patience);
  const alike = steps.map((step, i) => {
    const mine = memories[i]?.[positions[i] ?? 0] as KernelMemory;
    return step && keep(step, (at) => packsNoWorse(memories[i]?.[at] as KernelMemory, mine));
  });
  const most = Math.max(0, ...positions.map((position, step) => needs[step]?.[position] ?? 0));
  const outcome = chosenOf(problem, alike, bytes - most);
  if (outcome.arena.bytes <= roomBytes) return outcome;
  // The search for a packing is bounded: it may miss a packing that exists.
  const same = steps.map((step, i) => step && keep(step, (at) => at === positions[i]));
  return chosenOf(problem, same, bytes - most);
}

function keep(step: StepAlternatives, isKept: (position: number) => boolean): StepAlternatives {
  const alternatives = step.alternatives.filter((_, position) => isKept(position));
  const left = step.alternatives.length - alternatives.length;
  const note = `${left} other${left === 1 ? '' : 's'} with which the arena may not fit in RAM`;
  return { ...step, alternatives, refused: left > 0 ? [...step.refused, note] : step.refused };
}

/**
 * The wanted kernels, with as few leanest ones as needed, where these cost least. Bisection finds
 * how many are needed; then each of them is tried without.
 *
 * @param flashPrice cycles per byte
 */
function mixed(
  { schedule, steps, memories, patience }: Problem,
  leanest: readonly number[],
  wanted: readonly number[],
  roomBytes: number,
  flashPrice: number,
): readonly number[] {
  const costAt = (step: number, position = 0) => {
    const { cycles = 0, flashBytes = 0 } = steps[step]?.alternatives[position] ?? {};
    return cycles + flashPrice * flashBytes;
  };
  const swaps = [...steps.keys()]
    .filter((step) => leanest[step] !== wanted[step])
    .map((step) => ({ step, lost: costAt(step, leanest[step]) - costAt(step, wanted[step]) }))
    .sort((a, b) => a.lost - b.lost)
    .map(({ step }) => step);
  const fits = (positions: readonly number[]) =>
    pack(schedule, memories, positions, patience).bytes <= roomBytes;
  const withLean = (replaced: readonly number[]) =>
    wanted.map((position, step) => (replaced.includes(step) ? (leanest[step] ?? 0) : position));
  let [tooFew, enough] = [0, swaps.length];
  while (enough - tooFew > 1) {
    const middle = Math.floor((tooFew + enough) / 2);
    if (fits(withLean(swaps.slice(0, middle)))) enough = middle;
    else tooFew = middle;
  }
  let replaced: readonly number[] = swaps.slice(0, enough);
  for (const step of [...replaced].reverse().slice(0, packTrials(steps.length))) {
    const fewer = replaced.filter((other) => other !== step);
    if (fits(withLean(fewer))) replaced = fewer;
  }
  return withLean(replaced);
}
