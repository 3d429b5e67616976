/** Which steps the goals choose, by what each step would give: nothing is trained here. */
import { expect } from 'chai';
import { chooseSteps, usualEpochs } from '../../src/compress/choose.js';
import { type Goals, goalsFault } from '../../src/compress/goals.js';
import { type StepSettings, settingsOf } from '../../src/compress/recipe.js';
import type { Surroundings } from '../../src/compress/steps/step.js';
import { Diverged } from '../../src/compress/train/loop.js';
import type { Stage, Workshop } from '../../src/compress/workshop.js';
import { BonsaiError } from '../../src/errors.js';

/**
 * What a path of steps gives: accuracy in percent, ms; or what it throws. The step 'quantize' in
 * int16 is 'wide'.
 */
type Outcomes = Readonly<Record<string, readonly [accuracy: number, ms: number] | BonsaiError>>;

const diverges = new Diverged('usage', 'training', 'grows', '');
const noKernel = new BonsaiError('unsupported-type', 'node', 'has no kernel for int16', '');

function stageOf(path: readonly string[], outcomes: Outcomes): Stage {
  const name = path.join(' ');
  const outcome = outcomes[name] ?? outcomes.otherwise ?? [0, 100];
  if (outcome instanceof BonsaiError) throw outcome;
  const [accuracy, ms] = outcome;
  const validation = { accuracy: accuracy / 100, agreement: null, snrDb: 20 };
  const cost = { count: ms, unit: 'cycles', ms, flashBytes: 1000 * ms, ramBytes: 1000 } as const;
  const steps = path.map((step) => ({
    settings: settingsOf(
      (step === 'wide' ? { step: 'quantize', activations: 'int16' } : { step }) as never,
    ) as StepSettings,
    ...{ notes: [], validation, cost },
  }));
  const candidate = {
    graph: { name: '', tensors: [], nodes: [], inputs: [], outputs: [] },
    ...{ masks: new Map(), quantization: null },
  };
  return { candidate, steps, validation, cost };
}

/** @param canPrune whether a pruning meets the budgets by estimate */
async function chosen(outcomes: Outcomes, goals: Goals, canPrune: boolean) {
  const tried: string[] = [];
  const nameOf = (settings: StepSettings) =>
    settings.step === 'quantize' && settings.activations === 'int16' ? 'wide' : settings.step;
  const pathOf = ({ steps }: Stage) => steps.map(({ settings }) => nameOf(settings));
  const workshop: Workshop = {
    first: stageOf([], { '': [90, 100] }),
    tried: [],
    async perform(stage, settings) {
      const path = [...pathOf(stage), nameOf(settings)];
      tried.push(path.join(' '));
      return stageOf(path, outcomes);
    },
    think: async () => (canPrune ? settingsOf({ step: 'prune' }) : null) as never,
  };
  const result = await chooseSteps(workshop, {} as Surroundings, goals, { epochs: 2 });
  return { path: pathOf(result).join(' '), tried };
}

const rows: readonly {
  readonly edge: string;
  readonly outcomes: Outcomes;
  readonly goals: Goals;
  readonly canPrune?: boolean;
  readonly path: string;
  readonly tried: number;
}[] = [
  {
    edge: 'quantization is enough',
    outcomes: { quantize: [89.6, 100] },
    goals: {},
    ...{ path: 'quantize', tried: 1 },
  },
  {
    edge: 'more than half a point is lost, and rounding brings it back',
    outcomes: { quantize: [89.4, 100], 'quantize round': [89.5, 100] },
    goals: {},
    ...{ path: 'quantize round', tried: 2 },
  },
  {
    edge: 'rounding is not enough, training goes on from it',
    outcomes: {
      quantize: [85, 100],
      'quantize round': [88, 100],
      'quantize round train': [89.8, 100],
    },
    goals: {},
    ...{ path: 'quantize round train', tried: 3 },
  },
  {
    edge: 'rounding harms, training goes on from before it',
    outcomes: { quantize: [85, 100], 'quantize round': [80, 100], 'quantize train': [86, 100] },
    goals: {},
    ...{ path: 'quantize train', tried: 4 },
  },
  {
    edge: 'an accuracy that is asked for allows more loss',
    outcomes: { quantize: [85, 100] },
    goals: { minAccuracy: 0.85 },
    ...{ path: 'quantize', tried: 1 },
  },
  {
    edge: 'a budget of time: pruning meets it',
    outcomes: { quantize: [90, 100], prune: [90, 50], 'prune quantize': [89.7, 50] },
    goals: { maxMs: 50 },
    ...{ path: 'prune quantize', tried: 3 },
  },
  {
    edge: 'pruning meets it behind training as int8',
    outcomes: {
      quantize: [90, 100],
      'prune quantize': [88, 50],
      'prune quantize train': [89.7, 50],
    },
    goals: { maxMs: 50 },
    ...{ path: 'prune quantize train', tried: 4 },
  },
  {
    edge: 'no pruning is fast enough: fewer channels',
    outcomes: { quantize: [90, 100], shrink: [89, 40], 'shrink quantize': [89.6, 40] },
    goals: { maxMs: 40 },
    canPrune: false,
    ...{ path: 'shrink quantize', tried: 3 },
  },
  {
    edge: 'pruning loses too much, fewer channels less',
    outcomes: {
      quantize: [90, 100],
      'prune quantize': [80, 40],
      'prune quantize train': [81, 40],
      'shrink quantize': [89.6, 40],
    },
    goals: { maxMs: 40 },
    ...{ path: 'shrink quantize', tried: 6 },
  },
  {
    edge: 'only both together meet it',
    outcomes: {
      quantize: [90, 100],
      'shrink quantize': [70, 30],
      'shrink quantize train': [75, 30],
      'prune quantize': [60, 30],
      'prune quantize train': [65, 30],
      'shrink prune quantize': [89.9, 30],
    },
    goals: { maxMs: 30 },
    ...{ path: 'shrink prune quantize', tried: 10 },
  },
  {
    edge: 'nothing meets the budget: the nearest',
    outcomes: {
      quantize: [90, 100],
      'prune quantize': [85, 60],
      'prune quantize train': [88, 60],
      'shrink quantize': [50, 45],
      otherwise: [40, 70],
    },
    goals: { maxMs: 10 },
    ...{ path: 'shrink quantize', tried: 11 },
  },
  {
    edge: 'the budget is met, the accuracy by none: the best of those within the budget',
    outcomes: {
      quantize: [90, 100],
      'prune quantize': [70, 20],
      'prune quantize train': [80, 20],
      otherwise: [60, 20],
    },
    goals: { maxMs: 20 },
    ...{ path: 'prune quantize train', tried: 11 },
  },
  {
    edge: 'a training diverges: the next way',
    outcomes: { quantize: [90, 100], prune: diverges, 'shrink quantize': [89.6, 40] },
    goals: { maxMs: 40 },
    ...{ path: 'shrink quantize', tried: 4 },
  },
  {
    edge: 'every training diverges: what was found before',
    outcomes: { quantize: [85, 100], 'quantize round': [84, 100], 'quantize train': diverges },
    goals: {},
    ...{ path: 'quantize', tried: 4 },
  },
  {
    edge: 'int8 is too coarse, int16 is not',
    outcomes: { quantize: [60, 100], 'quantize round': [70, 100], wide: [89.5, 220] },
    goals: { maxMs: 220 },
    ...{ path: 'wide', tried: 4 },
  },
  {
    edge: 'int16 is too slow: the best in int8',
    outcomes: { quantize: [60, 100], 'quantize round': [70, 100], wide: [89.5, 220] },
    goals: { maxMs: 219 },
    ...{ path: 'quantize round', tried: 4 },
  },
  {
    edge: 'int16 loses too much as well, but half as much',
    outcomes: { quantize: [60, 100], 'quantize round': [70, 100], wide: [80, 220] },
    goals: {},
    ...{ path: 'wide', tried: 4 },
  },
  {
    edge: 'int16 hardly loses less: int8, which is faster',
    outcomes: { quantize: [60, 100], 'quantize round': [70, 100], wide: [79.9, 220] },
    goals: {},
    ...{ path: 'quantize round', tried: 4 },
  },
  {
    edge: 'int8 loses nothing, more is asked for than the float model has: no int16 that gains nothing',
    outcomes: { quantize: [90, 100], wide: [90, 220], otherwise: [89, 100] },
    goals: { minAccuracy: 0.95 },
    ...{ path: 'quantize', tried: 4 },
  },
  {
    edge: 'training as int8 gives more than the float model has, int16 less',
    outcomes: { quantize: [89, 100], 'quantize round': [92, 100], wide: [91.5, 220] },
    goals: { minAccuracy: 0.95 },
    ...{ path: 'quantize round', tried: 4 },
  },
  {
    edge: 'an operator has no kernel for int16: the best in int8',
    outcomes: { quantize: [60, 100], 'quantize round': [70, 100], wide: noKernel },
    goals: {},
    ...{ path: 'quantize round', tried: 4 },
  },
  {
    edge: 'a budget of flash',
    outcomes: { quantize: [90, 100], 'prune quantize': [90, 49] },
    goals: { maxFlash: 50_000 },
    ...{ path: 'prune quantize', tried: 3 },
  },
];

describe('compress: steps that the goals choose', () => {
  for (const { edge, outcomes, goals, canPrune = true, path, tried } of rows) {
    it(edge, async () => {
      const found = await chosen(outcomes, goals, canPrune);
      expect(found.path).to.equal(path);
      expect(found.tried, found.tried.join('\n')).to.have.length(tried);
    });
  }
});

describe('compress: the usual epochs', () => {
  const rows: readonly [edge: string, samples: number, epochs: number][] = [
    ['one batch: at most 100', 1, 100],
    ['three full batches are 300 steps', 192, 100],
    ['four batches, of which one has a sample', 193, 75],
    ['29 batches need one epoch more', 1856, 11],
    ['30 batches make 300 steps', 1857, 10],
    ['enough batches', 60000, 10],
  ];
  for (const [edge, samples, epochs] of rows) {
    it(edge, () => {
      expect(usualEpochs(samples)).to.equal(epochs);
    });
  }
});

describe('compress: what a missed goal is told with', () => {
  const cost = { count: 1, unit: 'cycles', ms: 2, flashBytes: 1000, ramBytes: 10 } as const;
  const report = { accuracy: { int8: 0.9 }, cost: { after: cost }, steps: [] };
  const rows: readonly (readonly [edge: string, goals: Goals, hint: RegExp | null])[] = [
    ['nothing', { maxMs: 2, minAccuracy: 0.9 }, null],
    ['a budget', { maxMs: 1 }, /written; allow more, .* smaller model$/],
    ['accuracy alone: no budget', { maxMs: 2, minAccuracy: 0.95 }, /written; ask for less, train/],
    ['both', { maxMs: 1, minAccuracy: 0.95 }, /allow more/],
  ];
  for (const [edge, goals, hint] of rows) {
    it(edge, () => {
      const fault = goalsFault('net', goals, report);
      if (hint === null) expect(fault).to.equal(null);
      else expect(fault?.hint).to.match(hint);
    });
  }

  it('RAM is told as what it is: that of a run has the firmware, too', () => {
    const fault = goalsFault('net', { maxRam: 9 }, report);
    expect(fault?.message).to.match(/needs 10 bytes of RAM without the firmware's own by estimate/);
  });
});
