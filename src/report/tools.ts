/** Which tools this machine has, which are missing, and how to install them. */
import { spawnSync } from 'node:child_process';
import { idfInstallHint } from '../build/idf.js';
import { sanitizers } from '../build/index.js';
import { probeCompiler } from '../build/probe.js';
import { installHint } from '../build/toolchain.js';
import { listPorts, simulators } from '../device/index.js';
import { BonsaiError } from '../errors.js';
import { isLibrary, listTargets, loadTarget, type Target } from '../target/index.js';
import { version } from '../version.js';

/** A tool that is needed or of use, and what was found. */
export interface ToolCheck {
  readonly what: string;
  readonly ok: boolean;
  /** Whether some target cannot be built or run without it. */
  readonly needed: boolean;
  readonly found: string;
  readonly hint: string;
}

function program(
  name: string,
  needed: boolean,
  purpose: string,
  hint: string,
  asksVersion = '--version',
): ToolCheck {
  const { status, stdout } = spawnSync(name, [asksVersion], { encoding: 'utf8' });
  const found = status === 0 ? (stdout.split('\n')[0] ?? '') : 'not found';
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
    const found = said.find((line) => /error|cannot|undefined/.test(line)) ?? said[0] ?? '';
    return {
      ...check,
      ok: false,
      found,
      hint: `reinstall ${compilerPackage}, or install another compiler`,
    };
  }
}

async function serialPorts(): Promise<ToolCheck> {
  const what = 'serial ports (boards)';
  try {
    const ports = await listPorts();
    const found = ports.length === 0 ? 'none' : ports.map((port) => port.path).join(', ');
    return { what, ok: true, needed: false, found, hint: '' };
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    return { what, ok: false, needed: false, found, hint: 'npm rebuild @serialport/bindings-cpp' };
  }
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
    program('socat', false, 'pty tests only', 'apt-get install socat', '-V'),
    await serialPorts(),
  ];
}
