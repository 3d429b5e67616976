/**
 * Costs that `bonsaic tune` measured on this machine's boards, kept in the user's cache: for a core
 * (every board with it), or for one board, which takes precedence.
 */
import { renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import type { z } from 'zod';
import type { Optimize, TargetTraits } from '../../compiler/ir/op.js';
import { removeUnfinished, writeWhole } from '../../durable.js';
import { BonsaiError, isSystemError, writing } from '../../errors.js';
import { hasName, makeFolders, readInput } from '../../files.js';
import { version } from '../../package.js';
import type { Target } from './index.js';
import { measuredCosts, parseCosts } from './measured.js';

/** The scope of measured costs: all boards with a core, or one board. */
export const scopes = ['core', 'board'] as const;
export type Scope = (typeof scopes)[number];

type KeptCosts = z.infer<typeof measuredCosts>;

type Owner = Pick<Target, 'name' | 'core'>;

/** The path contains the version, since a kernel's terms of work may change. */
function costsFile({ name, core }: Owner, scope: Scope): string {
  const root = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
  const file = scope === 'core' ? join('cores', core) : name;
  return join(root, 'bonsaic', version, `${file}.costs.json`);
}

/**
 * Keeps costs for later compilations. Returns the file.
 *
 * @throws BonsaiError 'usage' where it cannot be written, as on a full disk; the old costs stay
 */
export function saveCosts(
  target: Owner,
  scope: Scope,
  costs: Pick<TargetTraits, 'costs' | 'costUnit'>,
): string {
  const path = costsFile(target, scope);
  writing(path, () => {
    makeFolders(dirname(path));
    writeWhole(path, `${JSON.stringify(costs, null, 2)}\n`);
  });
  return path;
}

/** Deletes the costs measured for a target and for its core. Returns the files. */
export function forgetCosts(target: Owner): readonly string[] {
  const paths = scopes.map((scope) => costsFile(target, scope));
  for (const path of paths) rmSync(path, { recursive: true, force: true });
  return paths;
}

/** A target with the costs that were measured on this machine's boards. */
export interface Measured {
  readonly target: Target;
  /** The scope of the costs; null if they are the target's own. */
  readonly scope: Scope | null;
}

type Tell = (text: string) => void;

/** The costs in a kept file; null where there is none, or one that is no table of costs. */
function readCosts(path: string, tell: Tell | null): KeptCosts | null {
  removeUnfinished(dirname(path));
  if (!hasName(path)) return null;
  try {
    const text = new TextDecoder().decode(readInput(path, 'costs'));
    return parseCosts(measuredCosts, text, path);
  } catch (error) {
    if (!(error instanceof BonsaiError)) throw error;
    if (tell !== null) setAside(path, error.message, tell);
    return null;
  }
}

function setAside(path: string, what: string, tell: Tell): void {
  const aside = `${path}.damaged`;
  try {
    renameSync(path, aside);
    tell(`${path} ${what}: set aside as ${aside}; the target's own costs are used`);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    tell(`${path} ${what}: the target's own costs are used; remove it`);
  }
}

/**
 * @param tell called where a kept file is not a table of costs, and is set aside; null: it stays, for a
 *   command that tells
 */
export function withMeasuredCosts(target: Target, tell: Tell | null): Measured {
  for (const scope of ['board', 'core'] as const) {
    const kept = readCosts(costsFile(target, scope), tell);
    if (kept === null) continue;
    const { costUnit, costs } = kept;
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
