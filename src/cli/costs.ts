/** What `tune` has measured on this machine's boards. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Optimize, TargetTraits } from '../ir/op.js';
import { measuredCosts, parseCosts, type Target } from '../target/index.js';
import { version } from '../version.js';
import { note } from './output.js';

/** In the user's cache, by version and target: a kernel's terms of work may change. */
function costsFile(target: string): string {
  const root = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
  return join(root, 'bonsaic', version, `${target}.costs.json`);
}

/** Keeps costs for later compilations. Returns the file. */
export function saveCosts(target: string, costs: Pick<TargetTraits, 'costs' | 'costUnit'>): string {
  const path = costsFile(target);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(costs, null, 2)}\n`);
  return path;
}

export function forgetCosts(target: string): string {
  const path = costsFile(target);
  rmSync(path, { force: true });
  return path;
}

/** The target with the costs that `tune` measured on this machine's board, where it did. */
export function withMeasuredCosts(target: Target): Target {
  const path = costsFile(target.name);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return target;
  }
  note(
    `kernels are chosen by the costs measured on your ${target.name}; ` +
      `bonsaic tune --forget --target ${target.name} goes back to those that come with bonsaic`,
  );
  const { costUnit, costs } = parseCosts(measuredCosts, text, path);
  // An older file has none for 'size': the board's for 'balanced' are nearer than a simulator's.
  const merged = (goal: Optimize) => ({
    ...target.costs[goal],
    ...(costs[goal] ?? costs.balanced),
  });
  return {
    ...target,
    costUnit,
    costs: { speed: merged('speed'), balanced: merged('balanced'), size: merged('size') },
  };
}
