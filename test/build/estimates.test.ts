/** What is said of RAM and flash before a build is true of the linked image, and of its run. */
import { expect } from 'chai';
import { loadTarget } from '../../src/boards/target/index.js';
import { measureRuntime } from '../../src/boards/tune/memory.js';
import { writeTflite } from '../../src/compiler/formats/tflite/write.js';
import type { Optimize } from '../../src/compiler/ir/op.js';
import type { Assessment } from '../../src/compress/assess.js';
import { goalsFault } from '../../src/compress/goals.js';
import { figuresOn } from '../../src/pipeline/compare.js';
import type { DeviceJob } from '../../src/pipeline/types.js';
import { compile, run } from '../../src/pipeline.js';
import type { Budgets } from '../../src/report/budgets.js';
import { memoryOf } from '../../src/report/index.js';
import { NetworkBuilder } from '../support/networks.js';
import { defaults } from '../support/plan.js';

const job: DeviceJob = {
  progress: (_, work) => Promise.resolve(work(() => {})),
  ...{ port: 'sim', xip: 'model', budgets: {} },
};

function model(): Uint8Array {
  const builder = new NetworkBuilder();
  const conv = builder.conv2d(builder.input([1, 8, 8, 4]), 8, { kernel: 3 });
  return writeTflite(builder.module([builder.depthwise(conv)]));
}

/** Of what is measured: alignment, and a stack that this model does not need. */
const ramSlack = 1024;

const float: Assessment = { accuracy: null, agreement: null, error: null, snrDb: 60 };
/** Only budgets can be missed. */
const asGood = {
  got: float,
  standard: { task: 'none', original: float, blind: 0, samples: 9 },
} as const;

describe('what is told before a build', () => {
  const rows: readonly (readonly [target: string, optimize: Optimize])[] = [
    ['stm32f405', 'balanced'],
    ['mps3-an547', 'speed'],
  ];
  for (const [name, optimize] of rows) {
    const target = loadTarget(name);
    const request = { bytes: model(), path: 'small.tflite', target };
    const options = { ...defaults, faithful: false, optimize };

    it(`is at most so much more than the image and its run, on ${name}`, async () => {
      const { emission } = compile({ ...request, options });
      const estimated = memoryOf(emission.manifest, target);
      const { report } = await run({ ...request, options }, job);
      const ramBytes = report.memory.ramBytes as number;
      expect(estimated.ramMostBytes).to.be.within(ramBytes, ramBytes + ramSlack);
      expect(estimated.flashMostBytes).to.be.at.least(report.memory.flashBytes as number);
    });

    it(`compress and run judge a model alike, on ${name}`, async () => {
      const { memory, latency } = (await run({ ...request, options }, job)).report;
      const [maxRam, maxFlash] = [memory.ramBytes as number, memory.flashBytes as number];
      const maxMs = latency?.ms as number;
      // What is chosen without a budget just keeps its own figures, and no less. Budgets may change
      // the choice: then only the verdicts have to agree.
      const cases: readonly (readonly [chosenFor: Budgets, Budgets, isMet: boolean | null])[] = [
        [{}, { maxRam, maxFlash, maxMs }, true],
        [{}, { maxRam: maxRam - 1 }, false],
        [{ maxRam, maxFlash, maxMs }, { maxRam, maxFlash, maxMs }, null],
      ];
      for (const [chosenFor, budgets, isMet] of cases) {
        const within = { ...request, options: { ...options, ...chosenFor } };
        const { board: linked, refusal } = await figuresOn(within, job);
        expect(refusal).to.equal(null);
        const report = { ...asGood, cost: null, linked };
        const isAccepted = goalsFault('small', budgets, report) === null;
        const { fault } = await run(within, { ...job, budgets });
        const which = JSON.stringify(budgets);
        expect(linked.basis, which).to.equal('simulated');
        expect(fault?.code ?? null, which).to.equal(isAccepted ? null : 'over-budget');
        if (isMet !== null) expect(isAccepted, which).to.equal(isMet);
      }
    });
  }

  it('of a model that does not fit the board the figures are estimates, beside why', async () => {
    const target = { ...loadTarget('stm32f405'), ramBytes: 1024 };
    const options = { ...defaults, faithful: false, optimize: 'balanced' } as const;
    const request = { bytes: model(), path: 'small.tflite', target, options };
    const { board, refusal } = await figuresOn(request, job);
    expect(board.basis).to.equal('estimated');
    expect(board.ramBytes).to.be.above(1024);
    expect(refusal?.code).to.equal('over-budget');
    expect(board.note).to.equal(refusal?.message);
  });

  for (const name of ['stm32f405', 'rp2350']) {
    it(`memory.json of ${name} is what its firmware takes`, async () => {
      const target = loadTarget(name);
      const { staticBytes } = await measureRuntime(target, ['balanced']);
      expect(target.firmware?.staticBytes).to.equal(staticBytes);
    });
  }

  it('codeBytes of a board is how much larger its images are', async () => {
    const [other, reference] = [loadTarget('nrf52840'), loadTarget('stm32f405')];
    const [a, b] = [
      await measureRuntime(other, ['balanced']),
      await measureRuntime(reference, ['balanced']),
    ];
    expect(other.firmware?.codeBytes).to.equal(a.codeBytes.balanced - b.codeBytes.balanced);
  });
});
