/**
 * Steps and targets with costs made up, so that the right choice can be worked out by hand: what
 * plan/choose weighs, without the kernels of an operator.
 */
import type { Optimize } from '../../src/compiler/ir/op.js';
import type { KernelContext } from '../../src/compiler/kernels/variant.js';
import type { Alternative, StepAlternatives } from '../../src/compiler/plan/choose/prices.js';
import type { Room } from '../../src/compiler/plan/choose/room.js';
import { linearGoal } from '../../src/compiler/plan/choose/score.js';
import { type Found, search } from '../../src/compiler/plan/choose/search.js';
import { selectKernels } from '../../src/compiler/plan/choose/select.js';

export interface MadeUpKernel {
  /** Kernels named sparse… skip zeros, those named packed… pack weights. */
  readonly name: string;
  readonly cycles: number;
  /** Bytes of weights and tables. */
  readonly flash?: number;
  /** Bytes that the arena holds in the step. */
  readonly arena?: number;
  /** Its function, which steps share by its name, and the bytes of that. */
  readonly code?: readonly [name: string, bytes: number];
  /** Of each call: bytes of weights, and the cycles that reading them from flash costs. */
  readonly pieces?: readonly (readonly [bytes: number, missCycles: number])[];
  readonly cores?: number;
}

export function stepOf(...kernels: readonly MadeUpKernel[]): StepAlternatives {
  return { alternatives: kernels.map(alternativeOf), refused: [] };
}

function alternativeOf(kernel: MadeUpKernel): Alternative {
  const { name, cycles, flash = 0, arena = 1, code, pieces = [], cores = 1 } = kernel;
  const variant = {
    template: name,
    skipsZeros: name.startsWith('sparse'),
    packs: name.startsWith('packed'),
  };
  return {
    implementation: { variant, parts: Array.from({ length: cores }, () => ({})) },
    cycles,
    flashBytes: flash,
    arenaBytes: arena,
    code: code === undefined ? [] : [{ key: code[0], bytes: code[1] }],
    pieces: pieces.map(([weightBytes, missCycles]) => ({ weightBytes, missCycles })),
  } as unknown as Alternative;
}

/** Nothing is limited but copies of weights, for which there is no RAM. */
export const noLimits: Room = {
  ...{
    flashBytes: Infinity,
    runtimeBytes: 0,
    usualFlashBytes: Infinity,
    mostFlashBytes: Infinity,
    source: { macs: 0, sums: 0, parameters: 0, liveShare: 1, cycles: () => Infinity },
    leastArenaBytes: 1,
    mostArenaBytes: Infinity,
  },
  mostCycles: Infinity,
  interpreterCycles: Infinity,
  copyBytes: () => 0,
};

/** What a search finds at prices of a byte of flash and of the arena, whatever the goal. */
export function searched(
  steps: readonly StepAlternatives[],
  flash: number,
  room: Partial<Room> = {},
  arena = 0,
): Found {
  const goal = { ...linearGoal(flash, arena), flashPrices: [flash], arenaPrice: () => arena };
  return search(steps, goal, { ...noLimits, ...room });
}

/** What selectKernels takes: for each step the kernel's name and where its pieces lie. */
export function chosenOf(
  steps: readonly StepAlternatives[],
  optimize: Optimize,
  room: Partial<Room> = {},
  costUnit: 'cycles' | 'instructions' = 'instructions',
) {
  const context = { target: { costUnit }, optimize } as unknown as KernelContext;
  const { choices, decision } = selectKernels(steps, context, { ...noLimits, ...room });
  return {
    kernels: choices.map(({ implementation }) => implementation.variant.template),
    regions: choices.map(({ regions }) => regions.join()),
    choices,
    decision,
  };
}
