/** What passes change is no slower, by estimates, than the source's operators one by one. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { loadTarget } from '../../src/boards/target/index.js';
import { analyse } from '../../src/compiler/analysis/index.js';
import { type Module, mainGraph } from '../../src/compiler/ir/graph.js';
import { runPasses } from '../../src/compiler/passes/index.js';
import { makePlan } from '../../src/compiler/plan/index.js';
import { estimatedCount } from '../../src/compiler/plan/types.js';
import { planned } from '../../src/pipeline.js';
import { GraphBuilder, perTensorQuant, Random } from '../support/module.js';
import { defaults } from '../support/plan.js';
import { keptWeights } from '../support/pruned.js';
import { skip } from '../support/skip.js';

const window = {
  ...{ strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 },
  ...{ padTop: 1, padBottom: 1, padLeft: 1, padRight: 1 },
  ...{ activation: 'relu', rounding: 'double' },
};

/** Two convolutions of 16 channels and a sum; every `blocks`-th block of four is kept. */
function residual(blocks: number, dead: readonly number[]): Module {
  const random = new Random(7);
  const b = new GraphBuilder();
  const quant = perTensorQuant(0.3, -128);
  const conv = (x: number, zeroed: readonly number[]) => {
    const shape = [16, 3, 3, 16];
    const isKept = (filter: number, tap: number, channel: number) =>
      !zeroed.includes(filter) && (filter + tap + (channel >> 2)) % blocks === 0;
    const weights = b.constant(keptWeights(random, shape, isKept), shape, perTensorQuant(0.01, 0));
    return b.node('conv2d', [x, weights, b.constant(random.int32(16, 0, 3000))], window, { quant });
  };
  const x = conv(b.input([1, 16, 16, 16], perTensorQuant(0.5, -7)), []);
  const y = conv(conv(x, dead), []);
  return b.module([b.node('add', [x, y], { activation: 'none' }, { quant })]);
}

/** Terms of costs are fitted: estimates of the same work differ by so much. */
const tolerance = 1.005;

describe('plan: balanced beside --faithful', () => {
  const rows: [edge: string, blocks: number, dead: number[]][] = [
    ['a sum after dense convolutions', 1, []],
    ['a sum after convolutions in blocks', 5, []],
    ['a block that loses a channel', 5, [5]],
    ['a block that loses three', 5, [1, 2, 3]],
  ];
  for (const [edge, blocks, dead] of rows) {
    for (const name of ['rp2040', 'stm32f405', 'mps2-an500', 'mps3-an547']) {
      it(`${edge}, ${name}`, () => {
        const count = (faithful: boolean) => {
          const module = runPasses(residual(blocks, dead), { faithful });
          const facts = analyse(mainGraph(module));
          return estimatedCount(
            makePlan(module, facts, loadTarget(name), { ...defaults, faithful }).plan,
          );
        };
        expect(count(false)).to.be.at.most(tolerance * count(true));
      });
    }
  }
});

describe('plan: balanced beside --faithful, models', () => {
  // Those that passes change, or whose rule for zeros gives up kernels.
  const models = ['ad_u80', 'ic', 'ic_u80', 'kws_b4_80', 'kws_u90', 'vww'];
  for (const name of models) {
    for (const target of ['rp2040', 'stm32f405', 'mps3-an547']) {
      it(`${name} on ${target}`, function () {
        const path = fileURLToPath(
          new URL(`../../../shared/models/${name}.tflite`, import.meta.url),
        );
        if (!existsSync(path)) skip(this, 'the shared models are not here');
        const bytes = readFileSync(path);
        const count = (faithful: boolean) => {
          const options = { ...defaults, faithful };
          return estimatedCount(planned({ bytes, path, target: loadTarget(target), options }).plan);
        };
        expect(count(false)).to.be.at.most(tolerance * count(true));
      });
    }
  }
});
