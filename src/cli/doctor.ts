/** bonsaic doctor: what this machine has, what is missing, and how to get it. */
import { spawnSync } from 'node:child_process';
import type { Command } from 'commander';
import { listPorts, simulators } from '../device/index.js';
import { exitStatus } from '../errors.js';
import { table } from '../report/text.js';
import { listTargets, loadTarget } from '../target/index.js';
import { version } from '../version.js';
import { printJson, printResult } from './output.js';

interface Check {
  readonly what: string;
  readonly ok: boolean;
  /** Without it something in the list of targets cannot be built or run. */
  readonly needed: boolean;
  readonly found: string;
  readonly hint: string;
}

function program(name: string, needed: boolean, purpose: string, hint: string): Check {
  const { status, stdout } = spawnSync(name, ['--version'], { encoding: 'utf8' });
  const found = status === 0 ? (stdout.split('\n')[0] ?? '') : 'not found';
  return { what: `${name} (${purpose})`, ok: status === 0, needed, found, hint };
}

/** The programs of simulators, each with the targets that need it. */
function simulatorPrograms(): Check[] {
  const targets = listTargets().map((name) => loadTarget(name));
  return Object.entries(simulators).flatMap(([name, { program: needed }]) => {
    if (needed === null) return [];
    const users = targets.filter(({ simulator }) => simulator === name).map((t) => t.name);
    const hint = `apt-get install ${needed.aptPackage}, or npm run setup`;
    return [program(needed.command, true, `simulator of ${users.join(', ')}`, hint)];
  });
}

async function serialPorts(): Promise<Check> {
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

async function examine(): Promise<Check[]> {
  const compilers = new Map(
    listTargets().map((name) => {
      const { compiler, compilerPackage } = loadTarget(name);
      return [compiler, compilerPackage] as const;
    }),
  );
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
    ...[...compilers].map(([compiler, apt]) =>
      program(compiler, true, 'compiler', `apt-get install ${apt}, or npm run setup`),
    ),
    ...simulatorPrograms(),
    program('socat', false, 'pty tests only', 'apt-get install socat'),
    await serialPorts(),
  ];
}

export function addDoctor(cli: Command): void {
  cli
    .command('doctor')
    .summary('check this machine: compilers, simulators, serial ports')
    .option('--json', 'one JSON document on stdout')
    .action(async (flags: { json?: true }) => {
      const checks = await examine();
      if (flags.json) {
        printJson(checks);
      } else {
        const mark = (check: Check) => (check.ok ? 'ok' : check.needed ? 'MISSING' : 'missing');
        printResult(
          table(
            ['', 'what', 'found', 'what next'],
            checks.map((c) => [mark(c), c.what, c.found, c.ok ? '' : c.hint]),
          ),
        );
      }
      if (checks.some((check) => check.needed && !check.ok)) {
        process.exitCode = exitStatus.toolchain;
      }
    });
}
