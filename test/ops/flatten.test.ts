/** Nodes that own graphs: as sections of one graph they give the same bits, in C too. */
import { expect } from 'chai';
import { loadTarget } from '../../src/boards/target/index.js';
import { analyse } from '../../src/compiler/analysis/index.js';
import { checkModule } from '../../src/compiler/ir/check.js';
import { type Module, mainGraph } from '../../src/compiler/ir/graph.js';
import { goals } from '../../src/compiler/ir/op.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { flattened } from '../../src/compiler/ops/flatten.js';
import { operators } from '../../src/compiler/ops/index.js';
import { runPasses } from '../../src/compiler/passes/index.js';
import { makePlan } from '../../src/compiler/plan/index.js';
import type { CompileOptions } from '../../src/compiler/plan/types.js';
import { evaluateOwned, growFlow } from '../support/flow.js';
import { mergePlans } from '../support/merged-plan.js';
import { Random, randomInputs } from '../support/module.js';
import { expectSameBits } from '../support/native.js';
import { defaults } from '../support/plan.js';

const seeds = Array.from({ length: 90 }, (_, i) => i + 1);

/** Each module planned for itself, so that its tensors lie close. */
function planned(
  modules: readonly Module[],
  targetName: string,
  options: Pick<CompileOptions, 'optimize' | 'keepInput'>,
) {
  const target = loadTarget(targetName);
  const all = { ...defaults, faithful: false, ...options };
  return (merged: Module) =>
    mergePlans(
      merged,
      modules,
      modules.map((one) => makePlan(one, analyse(mainGraph(one)), target, all)),
    );
}

describe('graphs of nodes', () => {
  const sources = new Map(seeds.map((seed) => [seed, growFlow(new Random(seed))]));

  it('random branches and loops give the bits of a plain evaluator, flat and after the passes', () => {
    for (const [seed, source] of sources) {
      checkModule(source, operators, `seed ${seed}`);
      const passed = runPasses(source, { faithful: false });
      for (const run of [0, 1, 2, 3]) {
        const inputs = randomInputs(source, 100 * seed + run);
        const expected = evaluateOwned(mainGraph(source), inputs);
        for (const graph of [flattened(mainGraph(source)), mainGraph(passed)]) {
          expect(evaluateGraph(graph, inputs).outputs, `seed ${seed}`).to.deep.equal(expected);
        }
      }
    }
  });

  it('what is proved of loops holds in every turn', () => {
    for (const [seed, source] of sources) {
      const graph = flattened(mainGraph(source));
      const facts = analyse(graph);
      const { tensors } = evaluateGraph(graph, randomInputs(source, seed));
      for (const [id, data] of tensors) {
        const tensor = graph.tensors[id];
        if (tensor === undefined) continue;
        const { min, max } = facts.range(tensor);
        data.forEach((value, i) => {
          const channel = i % min.length;
          const where = `seed ${seed}, tensor ${id}: ${value}`;
          expect(Number(value), where).to.be.within(min[channel] ?? 0, max[channel] ?? 0);
        });
      }
    }
  });

  for (const [target, keepInput] of [
    ['rp2040', false],
    ['stm32f405', true],
  ] as const) {
    for (const [i, optimize] of goals.entries()) {
      it(`${target}, ${optimize}: C under sanitizers, all in one arena`, async () => {
        const modules = seeds
          .filter((seed) => seed % goals.length === i)
          .map((seed) => runPasses(sources.get(seed) as Module, { faithful: false }));
        const plan = planned(modules, target, { optimize, keepInput });
        await expectSameBits(modules, { plan, runs: 8 });
      });
    }
  }
});
