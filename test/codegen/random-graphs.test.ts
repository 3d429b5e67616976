/** Random operators and small graphs: passes, plan and C against `evaluate`, bit for bit. */

import { existsSync } from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import { qemuCommand } from '../../src/boards/device/qemu.js';
import { loadTarget } from '../../src/boards/target/index.js';
import { analyse } from '../../src/compiler/analysis/index.js';
import { type Module, mainGraph } from '../../src/compiler/ir/graph.js';
import { kernelsOf } from '../../src/compiler/kernels/index.js';
import { evaluateGraph, initialStates } from '../../src/compiler/ops/evaluate.js';
import { operators } from '../../src/compiler/ops/index.js';
import { runPasses } from '../../src/compiler/passes/index.js';
import { makePlan } from '../../src/compiler/plan/index.js';
import type { CompileOptions } from '../../src/compiler/plan/types.js';
import { packageFile } from '../../src/package.js';
import { expectSameBitsOnBoard } from '../support/board.js';
import {
  type GraphSeed,
  graphSeeds,
  growGraph,
  growths,
  indexed,
  internal,
  stateful,
  statefulSeeds,
} from '../support/graphs.js';
import { mergePlans } from '../support/merged-plan.js';
import { mergeModules, randomInputs } from '../support/module.js';
import { expectSameBits } from '../support/native.js';
import { defaults } from '../support/plan.js';
import { runs } from '../support/runs.js';
import { needs } from '../support/skip.js';

/** Graphs in one compilation, which takes a second. */
const batch = fc.array(graphSeeds, { minLength: 10, maxLength: 20, size: 'max' });

function planned(options: Partial<CompileOptions>) {
  const all = { ...defaults, ...options };
  const host = loadTarget('host');
  return (module: Module) => makePlan(module, analyse(mainGraph(module)), host, all);
}

function expectSameOutputs(before: readonly Module[], after: readonly Module[]): void {
  const inputs = randomInputs(mergeModules(before), 1);
  const [expected, actual] = [before, after].map(
    (modules) => evaluateGraph(mainGraph(mergeModules(modules)), inputs).outputs,
  );
  expect(actual).to.deep.equal(expected);
}

/** As `expectSameOutputs`, for each of several runs one after the other. */
function expectSameSequences(before: readonly Module[], after: readonly Module[]): void {
  const [expected, actual] = [before, after].map((modules) => {
    const graph = mainGraph(mergeModules(modules));
    let states = initialStates(graph);
    return [1, 2, 3, 4].map((seed) => {
      const inputs = randomInputs(mergeModules(before), seed);
      const evaluation = evaluateGraph(graph, inputs, states);
      states = evaluation.states;
      return evaluation.outputs;
    });
  });
  expect(actual).to.deep.equal(expected);
}

describe('random graphs in C', () => {
  const rows = [
    { name: 'as they are, every tensor in its own memory', passes: false, options: null },
    { name: 'as they are, planned', passes: false, options: { faithful: true } },
    { name: 'after the passes, planned', passes: true, options: { faithful: false } },
    {
      name: 'after the passes, planned for speed',
      passes: true,
      options: { faithful: false, optimize: 'speed' },
    },
  ] as const;
  for (const { name, passes, options } of rows) {
    it(name, async () => {
      const property = fc.asyncProperty(batch, async (seeds: readonly GraphSeed[]) => {
        const grown = seeds.map(growGraph);
        const modules = passes ? grown.map((one) => runPasses(one, { faithful: false })) : grown;
        if (passes) expectSameOutputs(grown, modules);
        const plan = (merged: Module) =>
          mergePlans(merged, modules, modules.map(planned(options ?? {})));
        await expectSameBits(modules, options === null ? {} : { plan });
      });
      await fc.assert(property, { numRuns: runs(5) });
    });
  }
});

describe('random graphs with states in C, over sequences', () => {
  const batch = fc.array(statefulSeeds, { minLength: 10, maxLength: 20, size: 'max' });
  for (const [name, passes, options] of [
    ['as they are, every tensor in its own memory', false, null],
    ['after the passes, planned', true, { faithful: false }],
    ['after the passes, planned for size', true, { faithful: false, optimize: 'size' }],
  ] as const) {
    it(name, async () => {
      const property = fc.asyncProperty(batch, async (seeds: readonly GraphSeed[]) => {
        const grown = seeds.map(growGraph);
        const modules = passes ? grown.map((one) => runPasses(one, { faithful: false })) : grown;
        if (passes) expectSameSequences(grown, modules);
        const plan = (merged: Module) =>
          mergePlans(merged, modules, modules.map(planned(options ?? {})));
        await expectSameBits(modules, options === null ? { runs: 5 } : { plan, runs: 5 });
      });
      await fc.assert(property, { numRuns: runs(4) });
    });
  }
});

describe('random graphs on simulated boards', () => {
  for (const target of ['rp2040', 'stm32f405', 'mps3-an547']) {
    it(`after the passes, planned for ${target}`, async function () {
      if (loadTarget(target).simulator === 'qemu') needs(this, qemuCommand);
      const seeds = fc.sample(graphSeeds, { numRuns: 24, seed: 7 });
      const modules = seeds.map((seed) => runPasses(growGraph(seed), { faithful: false }));
      await expectSameBitsOnBoard(modules, target, { planned: true });
    });
  }
});

/** No kernel computes them: flow.test.ts and flatten.test.ts have their tests, with random graphs. */
const owners = ['if', 'while'];

describe('every operator', () => {
  for (const [name] of operators) {
    if (owners.includes(name)) continue;
    const { variants } = kernelsOf({ op: name });
    it(`${name} has a portable kernel, its golden C, tests and a place in random graphs`, () => {
      const templates = variants.map(({ template }) => template);
      expect(templates.some((template) => template.startsWith('portable/'))).to.equal(true);
      expect([...new Set(templates)], 'a plan tells them apart').to.deep.equal(templates);
      const files = [
        ...variants.map(
          ({ template, text = template, file = text }) => `templates/kernels/${file}.hbs`,
        ),
        ...templates.map((template) => `test/golden/c/${template}.c`),
        `test/ops/${name}.test.ts`,
      ];
      expect(files.filter((file) => !existsSync(packageFile(file)))).to.deep.equal([]);
      expect({ ...growths, ...indexed, ...internal, ...stateful }).to.have.property(name);
    });
  }
});
