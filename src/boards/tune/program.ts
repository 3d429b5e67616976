/** Builds trials as firmware, in which each layer has the kernel of its trial. */
import { analyse } from '../../compiler/analysis/index.js';
import type { Manifest } from '../../compiler/codegen/manifest.js';
import { type Graph, mainGraph } from '../../compiler/ir/graph.js';
import type { Optimize } from '../../compiler/ir/op.js';
import { makePlan, type Planned } from '../../compiler/plan/index.js';
import type { CompileOptions } from '../../compiler/plan/types.js';
import { type BuildResult, buildProject } from '../build/index.js';
import { firmwareFiles, writeProject } from '../build/project.js';
import { inTemporaryDirectory } from '../build/temporary.js';
import { emit } from '../project/emit.js';
import type { Target } from '../target/index.js';
import type { Trials } from './trials.js';

/** An empty graph, whose facts serve kernel queries before a module exists. */
export const emptyGraph: Graph = { name: 'none', tensors: [], nodes: [], inputs: [], outputs: [] };

/** Trials and the target, goal and compiler to build them for. */
export interface ProgramRequest extends Trials {
  readonly target: Target;
  readonly optimize: Optimize;
  readonly cc?: string | undefined;
}

export interface Program {
  readonly planned: Planned;
  readonly manifest: Manifest;
  readonly built: BuildResult;
}

/**
 * Builds the trials, planned without cache misses, and calls `work` while the image exists.
 *
 * @throws BonsaiError of the toolchain; 'over-budget' where they do not fit the board
 */
export async function withProgram<Result>(
  { module, trials, target, optimize, cc }: ProgramRequest,
  work: (program: Program) => Promise<Result>,
): Promise<Result> {
  const options: CompileOptions = {
    optimize,
    rounding: 'tflm',
    faithful: true,
    keepInput: false,
    xip: 'ideal',
    kernels: trials.map(({ name, template }) => [name, template]),
  };
  const planned = makePlan(module, analyse(mainGraph(module)), target, options);
  const { files, manifest } = emit(module, planned, target);
  return inTemporaryDirectory(async (directory) => {
    writeProject(directory, new Map([...files, ...firmwareFiles(target)]));
    const built = await buildProject(directory, { target, manifest, cc });
    return work({ planned, manifest, built });
  });
}
