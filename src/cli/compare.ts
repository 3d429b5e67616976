/** bonsaic compare MODEL: what a model takes on several boards. */
import { type Command, InvalidArgumentError } from 'commander';
import { buildProject, findImage } from '../build/index.js';
import { BonsaiError } from '../errors.js';
import { type Compilation, type CompileRequest, compile, load, measure } from '../pipeline.js';
import { estimatedCount } from '../plan/types.js';
import { seededVectors, type VectorPair } from '../profile/vectors.js';
import { type ComparedBoard, compareText, ranked } from '../report/compare.js';
import { makeReport, type Report } from '../report/index.js';
import { listTargets, type Target } from '../target/index.js';
import { type BudgetFlags, withBudgets } from './budgets.js';
import { modelHelp, modelOf } from './config.js';
import { readInput } from './input.js';
import {
  type CompileFlags,
  compileOptions,
  targetOf,
  withCompileOptions,
  withCompiler,
  withXip,
} from './options.js';
import { conclude, makeProgress, type Progress, terminalColumns } from './output.js';
import { inTemporaryDirectory, saveProject } from './project.js';
import { givenVectors } from './run.js';

interface CompareFlags extends CompileFlags, BudgetFlags {
  readonly model?: string;
  readonly targets?: readonly string[];
  readonly vectors?: string;
  readonly cc?: string;
  readonly json?: true;
}

export function addCompare(program: Command): void {
  const command = program
    .command('compare')
    .argument('[model]', modelHelp)
    .summary('latency, flash and RAM of a model on several boards, in one table')
    .option('--targets <a,b,…>', 'these boards, in this order of trying (default: all)', names)
    .option('--vectors <file>', 'inputs and expected outputs (JSON); without: one random input')
    .option('--json', 'one JSON document on stdout');
  const compared = withXip(withCompiler(withCompileOptions(command)));
  withBudgets(compared, { measured: true }).action(
    async (argument: string | undefined, flags: CompareFlags) => {
      const path = modelOf(argument, flags);
      const bytes = readInput(path, 'model');
      // A fault of the file is no matter of boards.
      load({ bytes, path, options: compileOptions(flags) });
      const progress = makeProgress();
      const errors: BonsaiError[] = [];
      const boards: ComparedBoard[] = [];
      for (const name of flags.targets ?? boardNames()) {
        const target = targetOf({ target: name });
        const request = { bytes, path, target, options: compileOptions(flags) };
        try {
          boards.push(await onBoard(request, flags, progress));
        } catch (error) {
          if (!(error instanceof BonsaiError) || !isRefusal(error)) throw error;
          errors.push(error);
          boards.push(refused(target, error));
        }
      }
      const rows = ranked(boards);
      await conclude(
        flags.json,
        { model: path, boards: rows },
        () => compareText(rows, terminalColumns()),
        async () => judge(path, rows, errors),
      );
    },
  );
}

/** Every board; this machine is none. */
const boardNames = () => listTargets().filter((name) => name !== 'host');

function names(text: string): readonly string[] {
  const given = text.split(',').map((name) => name.trim());
  const unknown = given.find((name) => !listTargets().includes(name));
  if (unknown === undefined) return [...new Set(given)];
  throw new InvalidArgumentError(`"${unknown}" is none of: ${listTargets().join(', ')}.`);
}

/** Whether an error says that this board does not take the model; others end the command. */
function isRefusal({ code, exitStatus }: BonsaiError): boolean {
  return code !== 'bad-vectors' && (exitStatus === 2 || exitStatus === 3);
}

/**
 * What decides the exit status: outputs that differ, or no board at all.
 *
 * @throws BonsaiError 'outputs-differ'; the first refusal, if every board refuses; 'over-budget'
 */
function judge(
  path: string,
  boards: readonly ComparedBoard[],
  [refusal]: readonly BonsaiError[],
): void {
  const wrong = boards.find(({ verify }) => verify !== null && verify.mismatches > 0);
  if (wrong !== undefined) {
    const hint = `bonsaic run --target ${wrong.target} --port sim shows the layer`;
    throw new BonsaiError('outputs-differ', path, `outputs differ on ${wrong.target}`, hint);
  }
  const taken = boards.filter(({ basis }) => basis !== null);
  if (taken.length === 0 && refusal !== undefined) throw refusal;
  if (taken.every(({ over }) => over.length > 0)) {
    const hint = 'prune more, use a smaller model, or name other boards by --targets';
    throw new BonsaiError('over-budget', path, 'no board keeps the budgets', hint);
  }
}

/** What is the same in every row of a board. */
function boardFields({ name, coreName, clockHz, flashBytes, ramBytes, costUnit }: Target) {
  return {
    ...{ target: name, core: coreName, clockHz, unit: costUnit },
    ...{ boardFlashBytes: flashBytes, boardRamBytes: ramBytes },
  };
}

function refused(target: Target, { code, where, message, hint }: BonsaiError): ComparedBoard {
  return {
    ...boardFields(target),
    ...{ basis: null, note: null, count: null, ms: null, over: [], verify: null },
    ...{ flashBytes: null, ramBytes: null, arenaBytes: null },
    refused: { code, where, message, hint },
  };
}

/** What became of a model on a board, as far as this machine's tools reach. */
interface Outcome {
  readonly report: Report;
  readonly note: string | null;
}

/** Compiles, builds and runs on the simulator, as far as that is possible here. */
async function onBoard(
  request: CompileRequest,
  flags: CompareFlags,
  progress: Progress,
): Promise<ComparedBoard> {
  const { target } = request;
  const compilation = compile(request);
  const { plan } = compilation;
  const { report, note } = await inTemporaryDirectory((directory) =>
    buildAndRun(directory, request, compilation, flags, progress),
  );
  const { memory, latency, verify } = report;
  const basis = latency !== null ? 'simulated' : report.toolchain === null ? 'estimated' : 'built';
  const count = latency?.count ?? estimatedCount(plan);
  const ramBytes =
    memory.ramBytes ?? memory.arenaBytes + memory.sramCopyBytes + (memory.staticRamBytes ?? 0);
  const figures = {
    ...{ count, ms: latency?.ms ?? (1000 * count) / target.clockHz },
    flashBytes: memory.flashBytes ?? plan.decision.imageBytes,
    ramBytes,
  };
  return {
    ...boardFields(target),
    ...{ basis, note, ...figures, arenaBytes: memory.arenaBytes, refused: null },
    over: exceeded(figures, flags),
    verify: verify && { vectors: verify.vectors, mismatches: verify.mismatches },
  };
}

async function buildAndRun(
  directory: string,
  { target, bytes, options }: CompileRequest,
  compilation: Compilation,
  flags: CompareFlags,
  progress: Progress,
): Promise<Outcome> {
  const { module, plan, emission } = compilation;
  const { manifest } = emission;
  const vectors = givenVectors(flags, plan) ?? firstOf(seededVectors(plan, module));
  saveProject(directory, compilation, target, bytes);
  let report = makeReport({ manifest });
  try {
    const built = await progress(`Build for ${target.name}`, () =>
      buildProject(directory, { target, manifest, cc: flags.cc }),
    );
    report = makeReport({ manifest, built });
    if (target.simulator === null) return { report, note: null };
    const measured = await progress(`Run on the simulated ${target.name}`, () =>
      measure({
        ...{ manifest, module, target, port: 'sim', image: findImage(built), vectors },
        xip: options.xip ?? 'model',
      }),
    );
    return { report: makeReport({ manifest, built, measured }), note: null };
  } catch (error) {
    // Without a compiler or a simulator there are estimates.
    if (!(error instanceof BonsaiError) || error.exitStatus < 4) throw error;
    return { report, note: `${target.name}: ${error.where}: ${error.message}` };
  }
}

const firstOf = (vectors: readonly VectorPair[]) => vectors.slice(0, 1);

interface Figures {
  readonly ms: number;
  readonly flashBytes: number;
  readonly ramBytes: number;
}

/** The flags of the budgets that a board's figures exceed. */
function exceeded(
  { ms, flashBytes, ramBytes }: Figures,
  { maxMs = Infinity, maxFlash = Infinity, maxRam = Infinity }: BudgetFlags,
): readonly string[] {
  return [
    ...(ms > maxMs ? ['--max-ms'] : []),
    ...(flashBytes > maxFlash ? ['--max-flash'] : []),
    ...(ramBytes > maxRam ? ['--max-ram'] : []),
  ];
}
