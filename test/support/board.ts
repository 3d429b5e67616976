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
import { seededVectors } from '../../src/profile/vectors.js';
import { loadTarget } from '../../src/target/index.js';
import { mergeModules } from './module.js';
import { type SimplePlanOptions, simplePlan } from './plan.js';

/**
 * Runs all modules as one firmware, with what analysis proves of them.
 *
 * @returns the kernel of each step
 * @throws Error that names the first step whose output differs
 */
export async function expectSameBitsOnBoard(
  modules: readonly Module[],
  targetName: string,
  options: SimplePlanOptions = {},
): Promise<readonly string[]> {
  const target = loadTarget(targetName);
  const module = mergeModules(modules);
  const facts = analyse(mainGraph(module));
  const plan = { ...simplePlan(module, { ...options, facts }), target: targetName };
  const { files, manifest } = emit(module, plan, facts, target);
  const directory = mkdtempSync(join(tmpdir(), 'bonsaic-board-'));
  try {
    writeProject(directory, new Map([...files, ...firmwareFiles(target)]));
    const image = findImage(await buildProject(directory, { target, manifest }));
    const vectors = seededVectors(plan, module);
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
