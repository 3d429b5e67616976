/** Generated firmware on a simulated board, against the evaluator: bit for bit. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { analyse } from '../../src/analysis/index.js';
import { buildProject, findImage } from '../../src/build/index.js';
import { firmwareFiles, writeProject } from '../../src/build/project.js';
import { emit } from '../../src/codegen/emit.js';
import { type Module, mainGraph } from '../../src/ir/graph.js';
import { measure } from '../../src/pipeline.js';
import { makePlan } from '../../src/plan/index.js';
import { seededVectors } from '../../src/profile/vectors.js';
import { loadTarget } from '../../src/target/index.js';
import { mergePlans } from './merged-plan.js';
import { mergeModules } from './module.js';
import { defaults, type SimplePlanOptions, simplePlan } from './plan.js';

/** On different inputs, as many as in C on this machine. */
const runs = 2;

export interface BoardOptions extends SimplePlanOptions {
  /** Each as a user's model: the target's own kernels, memory shared. Default: the simplest plan. */
  readonly planned?: boolean;
}

/**
 * Runs all modules as one firmware, with what analysis proves of them.
 *
 * @returns the kernel of each step
 * @throws Error that names the first step whose output differs
 */
export async function expectSameBitsOnBoard(
  modules: readonly Module[],
  targetName: string,
  { planned = false, ...options }: BoardOptions = {},
): Promise<readonly string[]> {
  const target = loadTarget(targetName);
  const module = mergeModules(modules);
  const facts = analyse(mainGraph(module));
  const compileOptions = { ...defaults, faithful: false, ...options };
  const plan = planned
    ? mergePlans(
        module,
        modules,
        modules.map((one) => makePlan(one, analyse(mainGraph(one)), target, compileOptions)),
      )
    : { ...simplePlan(module, { ...options, facts }), target: targetName };
  const { files, manifest } = emit(module, plan, facts, target);
  const directory = mkdtempSync(join(tmpdir(), 'bonsaic-board-'));
  try {
    writeProject(directory, new Map([...files, ...firmwareFiles(target, options.cores)]));
    const image = findImage(await buildProject(directory, { target, manifest }));
    const vectors = seededVectors(plan, module).slice(0, runs);
    const where = { manifest, module, target, port: 'sim', image, xip: 'ideal' as const, vectors };
    const { verify } = await measure(where);
    if (verify.mismatches > 0) {
      const { index, name } = verify.firstDivergingLayer ?? { index: -1, name: 'no layer' };
      throw new Error(`step ${index} (${plan.steps[index]?.kernel}) differs: ${name}`);
    }
    return plan.steps.map(({ kernel }) => kernel);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
