/** bonsaic compile and build: the directory between them, and what it remembers. */
import { createHash } from 'node:crypto';
import { readManifest, readModelCopy, saveProject } from '../boards/build/directory.js';
import type { BuildResult } from '../boards/build/index.js';
import { placeOf } from '../boards/device/index.js';
import { requireLine } from '../boards/device/link.js';
import { vectorsFor } from '../boards/profile/seeded-vectors.js';
import { loadTarget, type Target } from '../boards/target/index.js';
import { withMeasuredCosts } from '../boards/target/kept.js';
import { checkLabels } from '../compiler/codegen/labels.js';
import type { Manifest } from '../compiler/codegen/manifest.js';
import { type Module, mainGraph } from '../compiler/ir/graph.js';
import { BonsaiError, InternalError } from '../errors.js';
import { buildWith, judge, judgePlan, load } from '../pipeline.js';
import type { Budgets } from '../report/budgets.js';
import { reportFiles } from '../report/files.js';
import { makeReport } from '../report/index.js';
import type { Compilation, CompileRequest, DeviceJob, Job, Outcome } from './types.js';

/** bonsaic compile: sources and report, unless the plan alone exceeds a budget. */
export async function writeProject(
  request: CompileRequest,
  { emission }: Compilation,
  directory: string,
  { budgets, force }: { readonly budgets: Budgets; readonly force: boolean },
): Promise<Outcome> {
  const outcome = await judgePlan(request, emission, budgets);
  if (outcome.fault === null) {
    const extra = reportFiles(outcome.report);
    saveProject(directory, emission, request.target, request.bytes, { extra, force });
  }
  return outcome;
}

/** The results of building a directory. */
export interface BuiltDirectory extends Outcome {
  readonly target: Target;
  readonly built: BuildResult;
}

/** bonsaic build: the image of what `compile` wrote, and its size. */
export async function build(directory: string, job: Job): Promise<BuiltDirectory> {
  const manifest = readManifest(directory);
  const { plan } = manifest;
  const target = loadTarget(plan.target);
  const built = await buildWith(directory, { target, manifest }, job);
  const report = makeReport({ manifest, target, built });
  const outcome = await judge(report, plan, target, () => requestOf(directory, manifest), job);
  return { ...outcome, target, built };
}

/** A directory's firmware, built, with what checks its runs. */
export async function prepare(directory: string, job: DeviceJob) {
  const manifest = readManifest(directory);
  const { plan } = manifest;
  const target = loadTarget(plan.target);
  placeOf(job.port, target);
  requireLine(job.port);
  if (job.labels !== undefined) checkLabels(job.labels, plan);
  const module = readModule(directory, manifest);
  const vectors = vectorsFor(job.vectors, plan, module);
  const built = await buildWith(directory, { target, manifest }, job);
  return { manifest, target, module, vectors, built };
}

/** The request with which a directory was compiled. */
export function requestOf(directory: string, { plan }: Manifest): CompileRequest {
  const { target } = withMeasuredCosts(loadTarget(plan.target), null);
  const { bytes } = readModelCopy(directory);
  return { bytes, path: `${plan.model.name}.tflite`, target, options: plan.options };
}

/** The module that a directory's firmware computes, from its copy of the model. */
export function readModule(directory: string, manifest: Manifest): Module {
  const { options, model, steps } = manifest.plan;
  const { bytes, path } = readModelCopy(directory);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (sha256 !== model.sha256) {
    throw new BonsaiError(
      'bad-graph',
      path,
      'is not the model that this directory was compiled from',
      'compile again with --force',
    );
  }
  const { module } = load({ bytes, path: `${model.name}.tflite`, options });
  if (mainGraph(module).nodes.length < steps.length) {
    throw new InternalError('pipeline', 'the reloaded module has fewer nodes than the plan');
  }
  return module;
}
