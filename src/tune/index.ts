/**
 * Costs of kernels as a board has them: a calibration program with every variant of every operator
 * runs on it, each layer checked bit for bit and counted; what a term of work costs is fitted.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { analyse } from '../analysis/index.js';
import { buildProject, findImage } from '../build/index.js';
import { firmwareFiles, writeProject } from '../build/project.js';
import { emit } from '../codegen/emit.js';
import { isSimulated } from '../device/index.js';
import { BonsaiError, InternalError } from '../errors.js';
import { flash } from '../flash/index.js';
import { mainGraph, viewOf } from '../ir/graph.js';
import type { KernelContext, TargetTraits } from '../ir/op.js';
import { opOf } from '../ops/index.js';
import { measure } from '../pipeline.js';
import { makePlan } from '../plan/index.js';
import type { CompileOptions } from '../plan/types.js';
import type { CountUnit } from '../profile/protocol.js';
import { seededVectors } from '../profile/vectors.js';
import type { Target } from '../target/index.js';
import { fitCosts, type Sample } from './fit.js';
import { calibration, type Trial } from './layers.js';

/** One kernel's fitted costs. */
export interface TunedKernel {
  readonly template: string;
  /** Term of work → cycles (instructions where the target counts these). */
  readonly costs: Readonly<Record<string, number>>;
  readonly layers: number;
  /** Largest deviation of one of its layers from the fit, as a share. */
  readonly worstError: number;
}

export interface Tuning {
  /** What the costs count. */
  readonly unit: CountUnit;
  readonly kernels: readonly TunedKernel[];
}

export interface TuneRequest {
  readonly target: Target;
  /** As for `measure`. */
  readonly port: string;
  readonly cc?: string | undefined;
  /** Called with what happens next. */
  readonly observe?: (what: string) => void;
}

/**
 * Measures every kernel that the target can run.
 *
 * @throws BonsaiError of the toolchain or the device; 'outputs-differ' when a kernel is not exact
 */
export async function tune(request: TuneRequest): Promise<Tuning> {
  const { target, port, cc, observe = () => {} } = request;
  // Flash at its fastest: the misses of its cache are reckoned apart.
  const { regions: _, ...flat } = target;
  const { module, trials } = calibration(contextOf(flat, analyse({ ...emptyGraph })));
  const facts = analyse(mainGraph(module));
  const kernels = Object.fromEntries(trials.map(({ name, template }) => [name, template]));
  const options: CompileOptions = {
    optimize: 'balanced',
    rounding: 'tflm',
    faithful: true,
    keepInput: false,
    xip: 'ideal',
    kernels,
  };
  const plan = makePlan(module, facts, target, options);
  const { files, manifest } = emit(module, plan, facts, target);
  const directory = mkdtempSync(join(tmpdir(), 'bonsaic-tune-'));
  try {
    const project = join(directory, 'project');
    writeProject(project, new Map([...files, ...firmwareFiles(target)]));
    observe(`Build ${trials.length} layers for ${target.name}`);
    const built = await buildProject(project, { target, manifest, cc });
    const image = findImage(built);
    if (!isSimulated(port)) {
      observe(`Flash over ${port}`);
      await flash(image, port, target);
    }
    observe(`Run ${trials.length} layers`);
    const vectors = seededVectors(plan, module).slice(0, 1);
    const { verify, latency, layerCounts } = await measure({
      ...{ manifest, module, target, port, image, vectors },
      xip: 'ideal',
    });
    if (verify.mismatches > 0) {
      throw new BonsaiError(
        'outputs-differ',
        port,
        `layer "${verify.firstDivergingLayer?.name}" is not what the evaluator computes`,
        'please report this with the board and the compiler',
      );
    }
    const samples = samplesOf(trials, module, layerCounts, contextOf(flat, facts));
    return { unit: latency.unit, kernels: fitAll(trials, samples) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const emptyGraph = { name: 'none', tensors: [], nodes: [], inputs: [], outputs: [] };

function contextOf(target: TargetTraits, facts: KernelContext['facts']): KernelContext {
  return { target, facts, optimize: 'balanced' };
}

/** By the trial's position. */
function samplesOf(
  trials: readonly Trial[],
  module: Parameters<typeof mainGraph>[0],
  layerCounts: readonly number[],
  context: KernelContext,
): readonly Sample[] {
  const graph = mainGraph(module);
  return trials.map(({ name, template }, position) => {
    const node = graph.nodes[position];
    const variant =
      node && opOf(node).variants.find((candidate) => candidate.template === template);
    if (node === undefined || variant === undefined) {
      throw new InternalError('tune', `layer "${name}" has no kernel ${template}`);
    }
    const work = variant.work(viewOf(graph, node), context);
    const counts = Object.entries(work).map(([term, { count }]) => [term, count]);
    return {
      counts: Object.fromEntries(counts),
      measured: Math.max(1, layerCounts[position] ?? 1),
    };
  });
}

function fitAll(trials: readonly Trial[], samples: readonly Sample[]): readonly TunedKernel[] {
  const templates = [...new Set(trials.map(({ template }) => template))].sort();
  return templates.map((template) => {
    const mine = samples.filter((_, i) => trials[i]?.template === template);
    const { costs, worstError } = fitCosts(mine);
    return { template, costs, layers: mine.length, worstError };
  });
}

/** The costs as targets/<name>/costs.json has them. */
export function costTable(kernels: readonly TunedKernel[]): TargetTraits['costs'] {
  return Object.fromEntries(kernels.map(({ template, costs }) => [template, costs]));
}
