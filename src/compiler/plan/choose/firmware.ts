/**
 * The firmware around a model, from what was measured on each board (targets/<board>/memory.json):
 * how much flash and RAM an image takes at most, before it is linked and run.
 */
import type { FirmwareMemory, TargetTraits } from '../../ir/op.js';
import type { CompileOptions, Plan } from '../types.js';

/** The firmware counts each step, and keeps a checksum of each tensor that it writes. */
const countBytes = 8;
const checksumBytes = 4;
/** Where neighbours in RAM begin at addresses that their types ask for. */
const alignmentBytes = 32;
/** The same of each copy of weights. */
const copyAlignmentBytes = 4;

/** What the stack of the second core, and data that the cores share, take. */
export const secondCoreBytes = 1.5 * 1024;

type Stepped = Pick<Plan, 'steps'>;

/** Bytes by which the firmware's data grow with the steps of a plan. */
export function growthBytes({ steps }: Stepped): number {
  const written = steps.reduce((sum, { writes }) => sum + writes.length, 0);
  return countBytes * steps.length + checksumBytes * written;
}

/** The firmware's data and the stack, at most, for as many steps that write a tensor each. */
export function firmwareRamBytes(
  { staticBytes, stackBytes }: FirmwareMemory,
  steps: number,
  cores = 1,
): number {
  const second = cores > 1 ? secondCoreBytes : 0;
  return staticBytes + stackBytes + second + alignmentBytes + steps * (countBytes + checksumBytes);
}

/** Bytes at most; `ramBytes` is null where the board's own data were not measured. */
export interface MemoryNeed {
  readonly flashBytes: number;
  readonly ramBytes: number | null;
}

/** @param copyBytes copies of weights in RAM */
export function mostMemory(plan: Plan, { firmware }: TargetTraits, copyBytes: number): MemoryNeed {
  const { options, decision, steps, arenaBytes, stateBytes } = plan;
  const { cores = 1 } = options;
  const flashBytes = Math.ceil(decision.imageBytes) + (firmware?.codeBytes ?? 0);
  if (firmware === undefined) return { flashBytes, ramBytes: null };
  const copies = steps.reduce(
    (sum, { regions }) => sum + regions.filter((region) => region === 'sram').length,
    0,
  );
  const own = firmwareRamBytes(firmware, 0, cores) + growthBytes(plan);
  const model = arenaBytes + stateBytes + copyBytes + copies * copyAlignmentBytes;
  return { flashBytes, ramBytes: Math.ceil(model + own) };
}

/** The RAM that a budget leaves to the arena and copies of weights. */
export function budgetForModel(
  { firmware }: TargetTraits,
  { maxRam = Infinity, cores = 1 }: CompileOptions,
  steps: number,
  allowanceBytes: number,
): number {
  return maxRam - (firmware ? firmwareRamBytes(firmware, steps, cores) : allowanceBytes);
}
