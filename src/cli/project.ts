/** Output directories: written by compile, read by build, flash and profile. */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BuildResult, buildProject } from '../build/index.js';
import { firmwareFiles, isAsWritten, recoverProject, writeProject } from '../build/project.js';
import type { Manifest } from '../codegen/manifest.js';
import { BonsaiError } from '../errors.js';
import type { Module } from '../ir/graph.js';
import { type Compilation, type CompileRequest, compile, reload } from '../pipeline.js';
import { makeReport, type Report } from '../report/index.js';
import { reportText } from '../report/text.js';
import { loadTarget, type Target } from '../target/index.js';
import type { Held, Make } from './budgets.js';
import { readInput } from './input.js';
import { targetOf } from './options.js';
import type { Progress } from './output.js';

/** The copy of the model that lets `profile` check the firmware against the evaluator. */
const modelFile = 'model.tflite';

/** Writes everything that `make` and bonsaic need; an existing directory survives any failure. */
export function saveProject(
  directory: string,
  { plan, emission }: Compilation,
  target: Target,
  modelBytes: Uint8Array,
  extra: ReadonlyMap<string, string> = new Map(),
): void {
  // Until the process ends: what it builds and reports belongs to what it wrote.
  recoverProject(directory);
  writeProject(
    directory,
    new Map<string, string | Uint8Array>([
      ...emission.files,
      ...firmwareFiles(target, plan.options.cores),
      [modelFile, modelBytes],
      ...extra,
    ]),
  );
}

/** The report as the files that stand in an output directory. */
export function reportFiles(report: Report): Map<string, string> {
  return new Map([
    ['report.txt', `${reportText(report, { why: true })}\n`],
    ['report.json', `${JSON.stringify(report, null, 2)}\n`],
  ]);
}

/** Replaces the report that `compile` wrote by one that knows more, each file in one step. */
export function saveReport(directory: string, report: Report): void {
  for (const [name, text] of reportFiles(report)) {
    const fresh = join(directory, 'build', name);
    writeFileSync(fresh, text);
    renameSync(fresh, join(directory, name));
  }
}

/** @throws BonsaiError 'usage' when the directory is not one that `compile` wrote */
export function readManifest(directory: string): Manifest {
  recoverProject(directory);
  const path = join(directory, 'bonsai.json');
  let manifest: Manifest;
  let bytes: Uint8Array;
  try {
    bytes = readInput(path, 'manifest');
    manifest = JSON.parse(new TextDecoder().decode(bytes)) as Manifest;
  } catch {
    throw new BonsaiError(
      'usage',
      directory,
      'is not a directory written by bonsaic compile',
      'bonsaic compile MODEL --target T -o DIR',
    );
  }
  // Its sum vouches for all that follows from it: the model's name becomes a path.
  const isWhole = isAsWritten(directory, 'bonsai.json', bytes);
  if (manifest?.format !== 1) {
    throw new BonsaiError('usage', path, 'was written by another version', 'compile again');
  }
  if (isWhole !== true) {
    throw new BonsaiError('usage', path, 'is damaged, or was changed', 'compile again');
  }
  return manifest;
}

/** What a directory's sources became, and what of it is held against its budgets. */
export interface BuiltDirectory extends Held {
  readonly manifest: Manifest;
  readonly target: Target;
  readonly built: BuildResult;
}

/** Builds what `compile` wrote. */
export async function buildDirectory(
  directory: string,
  progress: Progress,
  cc: string | undefined,
): Promise<BuiltDirectory> {
  const manifest = readManifest(directory);
  const { plan } = manifest;
  const target = loadTarget(plan.target);
  const built = await progress(`Build for ${target.name}`, () =>
    buildProject(directory, { target, manifest, cc }),
  );
  const request = () => readRequest(directory, manifest);
  return { manifest, plan, target, built, request, report: makeReport({ manifest, built }) };
}

/** Builds, and keeps nothing of it. */
export function builtWith(progress: Progress, cc: string | undefined): Make {
  return async (request) => {
    const { target, bytes, options } = request;
    const compilation = compile(request);
    const { plan, emission } = compilation;
    const { manifest } = emission;
    return inTemporaryDirectory(async (directory) => {
      saveProject(directory, compilation, target, bytes);
      const built = await progress(`Build with --optimize ${options.optimize}`, () =>
        buildProject(directory, { target, manifest, cc }),
      );
      return { plan, request: () => request, report: makeReport({ manifest, built }) };
    });
  };
}

/** @throws BonsaiError 'usage' when the system's place for temporary files takes none */
function temporaryDirectory(): string {
  try {
    return mkdtempSync(join(tmpdir(), 'bonsaic-'));
  } catch (error) {
    throw new BonsaiError(
      'usage',
      tmpdir(),
      `takes no temporary files: ${(error as Error).message}`,
      'set TMPDIR to a folder that you may write to',
    );
  }
}

/** Runs `work` in a directory that is gone afterwards. */
export async function inTemporaryDirectory<Result>(
  work: (directory: string) => Promise<Result>,
): Promise<Result> {
  const parent = temporaryDirectory();
  const remove = () => rmSync(parent, { recursive: true, force: true });
  // Signals end the process; its end removes what is nested too.
  const stop = (_: NodeJS.Signals, number: number) => process.exit(128 + number);
  process.once('exit', remove);
  for (const signal of stops) process.once(signal, stop);
  try {
    return await work(join(parent, 'project'));
  } finally {
    for (const signal of stops) process.off(signal, stop);
    process.off('exit', remove);
    remove();
  }
}

/** Without a listener these end the process at once, `finally` or not. */
const stops = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** What the directory was compiled from. */
function readRequest(directory: string, { plan }: Manifest): CompileRequest {
  const target = targetOf(plan);
  const bytes = readInput(join(directory, modelFile), 'model');
  return { bytes, path: `${plan.model.name}.tflite`, target, options: plan.options };
}

/** The module that the directory's firmware computes. */
export function readModule(directory: string, manifest: Manifest): Module {
  const path = join(directory, modelFile);
  return reload(manifest, readInput(path, 'model'), path);
}
