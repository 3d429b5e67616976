/** What the linker and the simulator say of a result: by this, and not by estimates, it is judged. */
import type { BonsaiError } from '../errors.js';
import { type Goals, type Linked, strain } from './goals.js';

/** Builds and runs an int8 model as `run` does with the same options. */
export type Link = (file: Uint8Array) => Promise<LinkedResult>;

export interface LinkedResult {
  readonly linked: Linked;
  /** Why the board does not take it, whatever the budgets are; null: it does. */
  readonly refusal: BonsaiError | null;
}

/** Whether a goal is of the image: its time, flash or RAM. */
export function hasBudget({ maxMs, maxFlash, maxRam }: Goals): boolean {
  return [maxMs, maxFlash, maxRam].some((most) => most !== undefined);
}

/** How often steps are chosen again for a result that estimates take for smaller than it is. */
export const mostTrials = 3;

/** So much less than needed, since the next result differs from this one. */
const margin = 0.99;

/**
 * Budgets for estimates, such that the linked result keeps the goals.
 *
 * @param aim the budgets that the estimates of the result kept
 * @returns null if the result keeps the goals
 */
export function tightened(aim: Goals, goals: Goals, linked: Linked): Goals | null {
  if (strain(goals, linked) <= 1) return null;
  const less = (aimed: number | undefined, most: number | undefined, needed: number) =>
    aimed === undefined || most === undefined || needed <= most
      ? aimed
      : (margin * aimed * most) / needed;
  return {
    ...aim,
    maxMs: less(aim.maxMs, goals.maxMs, linked.ms),
    maxFlash: less(aim.maxFlash, goals.maxFlash, linked.flashBytes),
    maxRam: less(aim.maxRam, goals.maxRam, linked.ramBytes),
  };
}
