/** Budgets from below the least that will do to above it: what fits once fits ever after. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { loadTarget } from '../../src/boards/target/index.js';
import { analyse } from '../../src/compiler/analysis/index.js';
import { type Module, mainGraph } from '../../src/compiler/ir/graph.js';
import type { FirmwareMemory, Optimize } from '../../src/compiler/ir/op.js';
import { firmwareRamBytes } from '../../src/compiler/plan/choose/firmware.js';
import { plannerFor, type Resources } from '../../src/compiler/plan/index.js';
import { estimatedCount, type Plan } from '../../src/compiler/plan/types.js';
import { load } from '../../src/pipeline.js';
import { Random } from '../support/module.js';
import { NetworkBuilder } from '../support/networks.js';
import { defaults } from '../support/plan.js';
import { skip } from '../support/skip.js';

type PlanWith = (resources: Resources) => Plan;
/** What is known of kernels is computed once for a goal, whatever the resources. */
type PlannerFor = (optimize: Optimize) => PlanWith;

/** Depthwise and 1×1 layers by turns, as in keyword spotting: each output drifts. */
function drifting(): Module {
  const b = new NetworkBuilder(new Random(4));
  let x = b.input([1, 12, 5, 32]);
  for (let i = 0; i < 3; i++) x = b.conv2d(b.depthwise(x, { pad: 1 }), 32);
  return b.module([x]);
}

function plannersOf(module: Module, target: string): PlannerFor {
  const facts = analyse(mainGraph(module));
  return (optimize) => {
    const options = { ...defaults, faithful: false, optimize };
    const planFor = plannerFor(module, facts, loadTarget(target), options);
    return (resources) => planFor(resources).plan;
  };
}

function shared(context: Mocha.Context, name: string, target: string): PlannerFor {
  const path = fileURLToPath(new URL(`../../../shared/models/${name}.tflite`, import.meta.url));
  if (!existsSync(path)) skip(context, '../shared/models is missing');
  const options = { ...defaults, faithful: false };
  return plannersOf(load({ bytes: readFileSync(path), path, options }).module, target);
}

const rows: readonly (readonly [edge: string, of: (context: Mocha.Context) => PlannerFor])[] = [
  ['outputs that drift, rp2040', () => plannersOf(drifting(), 'rp2040')],
  ['outputs that drift, mps3-an547', () => plannersOf(drifting(), 'mps3-an547')],
  ['kws, rp2040', (context) => shared(context, 'kws', 'rp2040')],
  ['kws_b4_80, stm32f405', (context) => shared(context, 'kws_b4_80', 'stm32f405')],
];

/** Of a budget of RAM, for the firmware of a board and the stack. */
function runtimeBytesOf(target: string, { steps }: Plan): number {
  return firmwareRamBytes(loadTarget(target).firmware as FirmwareMemory, steps.length);
}

describe('plan: budgets', () => {
  for (const [edge, of] of rows) {
    let balanced: PlanWith | null = null;
    const planner = (context: Mocha.Context) => {
      balanced ??= of(context)('balanced');
      return balanced;
    };
    after(() => {
      balanced = null;
    });

    it(`of RAM are met from the least on, whatever the goal: ${edge}`, function () {
      const planWith = planner(this);
      const leanest = planWith({ maxRam: 1 });
      const least = leanest.arenaBytes;
      const runtimeBytes = runtimeBytesOf(edge.split(', ')[1] as string, leanest);
      for (const optimize of ['speed', 'size'] as const) {
        const { arenaBytes } = of(this)(optimize)({ maxRam: 1 });
        expect(arenaBytes, optimize).to.equal(least);
      }
      for (const more of [0, 4, 60, 120, 200, 400, 900, 2000]) {
        const { arenaBytes, decision } = planWith({ maxRam: runtimeBytes + least + more });
        expect(arenaBytes, `${more} B more`).to.be.within(least, least + more);
        if (more === 0) expect(decision.isShortOfRam, 'it is told').to.equal(true);
      }
    });

    it(`of flash are met from the least on: ${edge}`, function () {
      const planWith = planner(this);
      const bytesOf = (plan: Plan) => plan.decision.imageBytes;
      const least = Math.ceil(bytesOf(planWith({ maxFlash: 1 })));
      for (const more of [0, 20, 100, 300, 1000, 3000, 9000]) {
        const plan = planWith({ maxFlash: least + more });
        expect(bytesOf(plan), `${more} B more`).to.be.at.most(least + more);
      }
    });

    it(`of time are met from the least on: ${edge}`, function () {
      const planWith = planner(this);
      const { clockHz } = loadTarget(edge.split(', ')[1] as string);
      const msOf = (plan: Plan) => (1000 * estimatedCount(plan)) / clockHz;
      const least = msOf(planWith({ maxMs: 1e-6 }));
      for (const times of [1.0001, 1.01, 1.04, 1.06, 1.1, 1.3, 1.7, 2.5]) {
        const plan = planWith({ maxMs: times * least });
        expect(msOf(plan), `${times} of the least`).to.be.at.most(times * least);
      }
    });
  }
});
