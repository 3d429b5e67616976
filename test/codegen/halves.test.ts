/** Halves of steps in C: in any order, and at the same time in two threads. */

import { expect } from 'chai';
import { packageTemplates } from '../../src/boards/project/templates.js';
import { listTargets, loadTarget } from '../../src/boards/target/index.js';
import { analyse } from '../../src/compiler/analysis/index.js';
import { emitProgram } from '../../src/compiler/codegen/program.js';
import { mainGraph } from '../../src/compiler/ir/graph.js';
import { typesOf } from '../../src/compiler/ir/op.js';
import { kernelsOf } from '../../src/compiler/kernels/index.js';
import { makePlan } from '../../src/compiler/plan/index.js';
import { sharedLayer, sharedNetwork, sharedOps } from '../support/halves.js';
import { mergeModules, randomInputs } from '../support/module.js';
import { expectSameBits, expectSameBitsOfAll, runProgram } from '../support/native.js';
import { NetworkBuilder } from '../support/networks.js';
import { defaults, simplePlan } from '../support/plan.js';
import { prunedModule } from '../support/pruned.js';

const seeds = Array.from({ length: 24 }, (_, seed) => seed + 1);

/** Of targets with two cores. */
const features = new Set(
  listTargets()
    .map(loadTarget)
    .flatMap((target) => (target.secondCore === undefined ? [] : [...target.features])),
);

/** Kernels that any weights would not be worth. */
const fewWeights = ['portable/conv2d_packed', 'portable/fully_connected_coded'];

describe('halves of steps in C', () => {
  for (const op of sharedOps) {
    // Weights as code run on boards only; coded weights are packed ones with another table.
    const templates = kernelsOf({ op })
      .variants.filter(({ needs }) => needs.every((feature) => features.has(feature)))
      // Layers are of int8; kernels of other types have no halves.
      .filter((variant) => typesOf(variant).includes('int8'))
      .map(({ template }) => template)
      .filter((template) => !['thumb1/conv2d', 'portable/conv2d_coded'].includes(template));
    it(`${op} by ${templates.join(', ')}: the second one first, and apart in memory`, async () => {
      const groups = templates.map((kernel) => {
        const isOfFewWeights = fewWeights.includes(kernel);
        const modules = seeds.map((seed) =>
          isOfFewWeights ? prunedModule(sharedLayer(op, seed), seed) : sharedLayer(op, seed),
        );
        const options = { kernel, cores: 2, overlap: true };
        const { plan } = simplePlan(mergeModules(modules), options);
        const shared = plan.steps.filter((step) => step.kernel === kernel && step.cores > 1);
        if (kernel.startsWith('portable/')) expect(shared, kernel).to.not.have.length(0);
        return { modules, options };
      });
      await expectSameBitsOfAll(groups, 'reversed');
      await expectSameBitsOfAll(groups, 'recorded');
    });
  }

  it('that one kernel computes with scratch and without: three pixels, and a tile of four', async () => {
    const b = new NetworkBuilder();
    const module = prunedModule(b.module([b.conv2d(b.input([1, 1, 7, 32]), 64)]), 1);
    const options = { kernel: 'portable/conv2d_packed', cores: 2 };
    const [step] = simplePlan(module, options).plan.steps;
    expect(step).to.include({ kernel: options.kernel, cores: 2 });
    await expectSameBits([module], { ...options, both: 'reversed' });
    await expectSameBits([module], { ...options, both: 'recorded' });
  });

  for (const both of ['in order', 'reversed', 'recorded', 'threads'] as const) {
    it(`networks, planned: ${both}`, async () => {
      const options = { ...defaults, faithful: false, cores: 2 };
      let shared = 0;
      await expectSameBits([1, 2, 3, 4].map(sharedNetwork), {
        both,
        plan: (module) => {
          const facts = analyse(mainGraph(module));
          const planned = makePlan(module, facts, loadTarget('host'), options);
          shared += planned.plan.steps.filter(({ cores }) => cores > 1).length;
          return planned;
        },
      });
      expect(shared).to.be.above(8);
    });
  }

  it('that meet in memory are found', async () => {
    const b = new NetworkBuilder();
    const module = b.module([b.depthwise(b.input([1, 8, 4, 8]), { pad: 1 })]);
    const { plan, implementations } = simplePlan(module, { cores: 2 });
    const [input, output] = plan.placements;
    if (input === undefined || output === undefined) return expect.fail('two tensors');
    const outcome = async (offset: number) => {
      const moved = { ...plan, placements: [input, { ...output, offset }] };
      const program = emitProgram(module, { plan: moved, implementations }, packageTemplates());
      const vectors = [randomInputs(module, 1)];
      return runProgram(module.name, moved, program, vectors, 'recorded').then(
        () => 'apart',
        (error: Error) => error.message,
      );
    };
    expect(await outcome(output.offset)).to.equal('apart');
    // Rows 3 and 4 of the input are read by both halves, written by one.
    expect(await outcome(input.offset)).to.match(/the halves meet in byte 96/);
    // All that the first one writes must lie behind what the second one reads.
    expect(await outcome(input.offset + 252)).to.match(/the halves meet in byte 252/);
  });
});
