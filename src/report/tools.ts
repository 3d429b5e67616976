/** Which tools this machine has, which are missing, and how to install them. */

import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { idfInstallHint } from '../boards/build/idf.js';
import { sanitizers } from '../boards/build/index.js';
import { installHint, installNative } from '../boards/build/install.js';
import { probeCompiler } from '../boards/build/probe.js';
import { simulators } from '../boards/device/index.js';
import { probeTools } from '../boards/flash/probe/tools.js';
import { isLibrary } from '../boards/target/firmware.js';
import { listTargets, loadTarget, type Target } from '../boards/target/index.js';
import { BonsaiError } from '../errors.js';
import { version } from '../package.js';
import type { ToolCheck } from './check.js';
import { checkPorts } from './port-checks.js';

export type { ToolCheck };

function program(
  name: string,
  needed: boolean,
  purpose: string,
  hint: string,
  asksVersion = '--version',
): ToolCheck {
  const { status, stdout, stderr } = spawnSync(name, [asksVersion], { encoding: 'utf8' });
  // OpenOCD writes to stderr; socat names its authors before its version.
  const lines = `${stdout}${stderr}`.split('\n');
  const said = lines.find((line) => /\d+\.\d+/.test(line)) ?? lines[0] ?? '';
  const found = status === 0 ? said : 'not found';
  return { what: `${name} (${purpose})`, ok: status === 0, needed, found, hint };
}

/** The simulators' programs, each with the targets that need it. */
function simulatorPrograms(): ToolCheck[] {
  const targets = listTargets().map((name) => loadTarget(name));
  return [...simulators].flatMap(([name, { program: needed }]) => {
    if (needed === null) return [];
    const users = targets.filter(({ simulator }) => simulator === name).map((t) => t.name);
    const hint = installHint(needed.aptPackage, needed.isOptional);
    return [program(needed.command, !needed.isOptional, `simulator of ${users.join(', ')}`, hint)];
  });
}

/** ESP-IDF, with the targets that it builds. */
function idf(targets: readonly Target[]): ToolCheck[] {
  const users = targets.filter(({ builder }) => builder === 'idf');
  if (users.length === 0) return [];
  const purpose = `ESP-IDF: builds ${users.map(({ name }) => name).join(', ')}`;
  const hint = idfInstallHint(users.map(({ chip }) => chip).join(','));
  return [program('idf.py', false, purpose, hint)];
}

/** The check compiles, since a compiler without headers or libraries also reports a version. */
async function compiler(
  what: string,
  target: Target,
  flags: readonly string[],
): Promise<ToolCheck> {
  const { compilerPackage, isCompilerOptional = false } = target;
  const hint = installHint(compilerPackage, isCompilerOptional);
  const check = { what, needed: !isCompilerOptional, hint };
  try {
    return { ...check, ok: true, found: await probeCompiler(target, flags) };
  } catch (error) {
    if (error instanceof BonsaiError) return { ...check, ok: false, found: error.message };
    const said = error instanceof Error ? error.message.split('\n') : [String(error)];
    // The driver's last line names only the linker's status; the linker's own lines name the cause.
    const found =
      said.find((line) => /error|cannot|undefined|incompatible/.test(line)) ?? said[0] ?? '';
    return {
      ...check,
      ok: false,
      found,
      hint: `reinstall ${compilerPackage}, or install another compiler`,
    };
  }
}

/** Programs that flash: those that bonsaic calls, and others (targets/TARGET/README.md). */
function flashTools(): ToolCheck[] {
  return [
    ...probeTools().map(({ program: name, install }) =>
      program(name, false, 'flash --port probe', install),
    ),
    program('dfu-util', false, 'STM32 over USB', 'apt-get install dfu-util'),
    program('esptool', false, 'ESP32', 'pip install esptool', 'version'),
  ];
}

/** Its presence is asked alone: loading TensorFlow takes seconds. */
function nativeTraining(): ToolCheck {
  const what = 'TensorFlow (compression)';
  const hint = installNative();
  const found = (backend: string) => ({ what, needed: false, hint, found: backend });
  try {
    createRequire(import.meta.url).resolve('@tensorflow/tfjs-node');
    return { ...found('native backend'), ok: true };
  } catch {
    return {
      ...found('WebAssembly backend; the native one is about five times as fast'),
      ok: false,
    };
  }
}

/**
 * Checks with the same answer in one: a compiler of 15 boards is named once, with the boards, where
 * all find the same.
 */
export function grouped(checks: readonly ToolCheck[]): readonly ToolCheck[] {
  const groups = new Map<string, { readonly check: ToolCheck; readonly users: string[] }>();
  for (const check of checks) {
    const [, name = check.what, user] = /^(\S+) \((.*)\)$/.exec(check.what) ?? [];
    const { ok, needed, found, hint } = check;
    const key = JSON.stringify([name, ok, needed, found, hint]);
    const group = groups.get(key) ?? { check: { ...check, what: name }, users: [] };
    groups.set(key, group);
    if (user !== undefined) group.users.push(user);
  }
  return [...groups.values()].map(({ check, users }) =>
    users.length === 0 ? check : { ...check, what: `${check.what} (${users.join(', ')})` },
  );
}

/** All tools, with the programs of all targets. Compilers are tried out. */
export async function checkTools(): Promise<ToolCheck[]> {
  const compilers: ToolCheck[] = [];
  const boards = listTargets().map((name) => loadTarget(name));
  const isMade = (board: Target) => !isLibrary(board) && board.builder === undefined;
  for (const target of boards.filter(isMade)) {
    compilers.push(await compiler(`${target.compiler} (${target.name})`, target, []));
  }
  const host = loadTarget('host');
  const nodeMajor = Number(process.versions.node.split('.')[0]);
  return [
    { what: 'bonsaic', ok: true, needed: true, found: version, hint: '' },
    {
      what: 'Node.js',
      ok: nodeMajor >= 20,
      needed: true,
      found: process.versions.node,
      hint: 'install Node 20 or newer',
    },
    program('make', true, 'builds', 'apt-get install make'),
    ...compilers,
    await compiler(`${host.compiler} (sanitizers of verify)`, host, sanitizers),
    ...simulatorPrograms(),
    ...idf(boards),
    program('socat', false, 'bonsaic simulate', 'apt-get install socat', '-V'),
    ...flashTools(),
    nativeTraining(),
    ...(await checkPorts()),
  ];
}
