/**
 * Whole plans as text, for each model and target: what a change of a cost or of a rule does to all
 * of them shows in the difference of these files. UPDATE_GOLDEN=1 writes them.
 */
import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadTarget } from '../../src/boards/target/index.js';
import { analyse, modelSize } from '../../src/compiler/analysis/index.js';
import { mainGraph } from '../../src/compiler/ir/graph.js';
import { makePlan } from '../../src/compiler/plan/index.js';
import { printPlan } from '../../src/compiler/plan/print.js';
import { load } from '../../src/pipeline.js';
import { expectGolden } from '../support/golden.js';
import { defaults } from '../support/plan.js';
import { skip } from '../support/skip.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const models = [
  'examples/activity/activity.tflite',
  ...['ad', 'ic', 'kws', 'kws_u80', 'vww'].map((name) => `../shared/models/${name}.tflite`),
];
const targets = ['rp2040', 'esp32c3', 'stm32f405', 'mps3-an547'];

describe('golden plans', () => {
  for (const model of models) {
    const name = basename(model, '.tflite');
    let loaded: ReturnType<typeof load> | undefined;
    for (const target of targets) {
      it(`${name} on ${target}`, function () {
        const path = `${root}${model}`;
        if (!existsSync(path)) skip(this, 'the shared models are not here');
        const options = { ...defaults, faithful: false };
        loaded ??= load({ bytes: readFileSync(path), path, options });
        const { source, module } = loaded;
        const facts = analyse(mainGraph(module));
        const size = modelSize(mainGraph(source));
        const { plan } = makePlan(module, facts, loadTarget(target), options, size);
        expectGolden(printPlan(plan), `plans/${target}/${name}.txt`);
      });
    }
  }
});
