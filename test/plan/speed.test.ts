/** With --optimize speed a model is no slower, by estimates, than with balanced. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { loadTarget } from '../../src/boards/target/index.js';
import type { Optimize } from '../../src/compiler/ir/op.js';
import { estimatedCount } from '../../src/compiler/plan/types.js';
import { planned } from '../../src/pipeline.js';
import { defaults } from '../support/plan.js';
import { skip } from '../support/skip.js';

/**
 * Each goal has costs of its own, which are fitted: estimates of the same work differ by 0.5 %. As
 * much again speed gives for an image that is an eighth smaller.
 */
const tolerance = 1.01;

const models = ['ad', 'ad_u80', 'kws', 'kws_u90'];

/** A board of each core, and those whose flash has a cache. */
const boards = ['rp2040', 'esp32c3', 'rp2350', 'stm32f405', 'stm32h743', 'mps3-an547', 'lx60'];

describe('plan: speed beside balanced', () => {
  for (const model of models) {
    for (const board of boards) {
      it(`${model} on ${board}`, function () {
        const url = new URL(`../../../shared/models/${model}.tflite`, import.meta.url);
        const path = fileURLToPath(url);
        if (!existsSync(path)) skip(this, 'the shared models are not here');
        const bytes = readFileSync(path);
        const target = loadTarget(board);
        const count = (optimize: Optimize) => {
          const options = { ...defaults, faithful: false, optimize };
          return estimatedCount(planned({ bytes, path, target, options }).plan);
        };
        expect(count('speed')).to.be.at.most(tolerance * count('balanced'));
      });
    }
  }
});
