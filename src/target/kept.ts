/**
 * Costs that `bonsaic tune` measured on this machine's boards, kept in the user's cache: for a core
 * (every board with it), or for one board, which takes precedence.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { makeFolders } from '../files.js';
import type { Optimize, TargetTraits } from '../ir/op.js';
import { version } from '../version.js';
import { measuredCosts, parseCosts, type Target } from './index.js';

/** The scope of measured costs: all boards with a core, or one board. */
export const scopes = ['core', 'board'] as const;
export type Scope = (typeof scopes)[number];

type Owner = Pick<Target, 'name' | 'core'>;

/** The path contains the version, since a kernel's terms of work may change. */
function costsFile({ name, core }: Owner, scope: Scope): string {
  const root = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
  const file = scope === 'core' ? join('cores', core) : name;
  return join(root, 'bonsaic', version, `${file}.costs.json`);
}

/** Keeps costs for later compilations. Returns the file. */
export function saveCosts(
  target: Owner,
  scope: Scope,
  costs: Pick<TargetTraits, 'costs' | 'costUnit'>,
): string {
  const path = costsFile(target, scope);
  makeFolders(dirname(path));
  writeFileSync(path, `${JSON.stringify(costs, null, 2)}\n`);
  return path;
}

/** Deletes the costs measured for a target and for its core. Returns the files. */
export function forgetCosts(target: Owner): readonly string[] {
  const paths = scopes.map((scope) => costsFile(target, scope));
  for (const path of paths) rmSync(path, { force: true });
  return paths;
}

/** A target with the costs that were measured on this machine's boards. */
export interface Measured {
  readonly target: Target;
  /** The scope of the costs; null if they are the target's own. */
  readonly scope: Scope | null;
}

/** @throws BonsaiError 'usage' if the kept file is not a table of costs */
export function withMeasuredCosts(target: Target): Measured {
  for (const scope of ['board', 'core'] as const) {
    const path = costsFile(target, scope);
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch {
      continue;
    }
    const { costUnit, costs } = parseCosts(measuredCosts, text, path);
    // An older file has no costs for 'size': the board's costs for 'balanced' are better than a
    // simulator's.
    const merged = (goal: Optimize) => ({
      ...target.costs[goal],
      ...(costs[goal] ?? costs.balanced),
    });
    const all = { speed: merged('speed'), balanced: merged('balanced'), size: merged('size') };
    return { target: { ...target, costUnit, costs: all }, scope };
  }
  return { target, scope: null };
}
