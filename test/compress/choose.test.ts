/** Which steps the goals choose, by what each step would give: nothing is trained here. */
import { expect } from 'chai';
import type { Assessment, Standard } from '../../src/compress/assess.js';
import { chooseSteps } from '../../src/compress/choose.js';
import { type Goals, goalsFault, isUseful } from '../../src/compress/goals.js';
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

const assessed = (accuracy: number): Assessment => ({
  ...{ accuracy, agreement: null, error: null, snrDb: 20 },
});

/** Float is right for 90 %, one class for all for 10 %: the floor is at 70 %. */
const standard: Standard = { task: 'classes', original: assessed(0.9), blind: 0.1, samples: 1e9 };

function stageOf(path: readonly string[], outcomes: Outcomes): Stage {
  const name = path.join(' ');
  const outcome = outcomes[name] ?? outcomes.otherwise ?? [0, 100];
  if (outcome instanceof BonsaiError) throw outcome;
  const [accuracy, ms] = outcome;
  const validation = assessed(accuracy / 100);
  const cost = { count: ms, unit: 'cycles', ms, flashBytes: 1000 * ms, ramBytes: 1000 } as const;
  const candidate = {
    graph: { name: '', tensors: [], nodes: [], inputs: [], outputs: [] },
    ...{ masks: new Map(), quantization: null },
  };
  return { candidate, steps: [], validation, cost };
}

/** 'half', 'quarter': of the way from 100 ms to a budget of time. */
function nameOf(settings: StepSettings, { maxMs = 100 }: Goals): string {
  if (settings.step === 'quantize') return settings.activations === 'int16' ? 'wide' : 'quantize';
  if (settings.step !== 'shrink' || settings.time === undefined) return settings.step;
  const way = Math.log(settings.time) / Math.log((0.98 * maxMs) / 100);
  return ({ '0.50': 'half', '0.25': 'quarter' } as const)[way.toFixed(2)] ?? 'shrink';
}

/** @param canPrune whether a pruning meets the budgets by estimate */
async function chosen(outcomes: Outcomes, goals: Goals, canPrune: boolean) {
  const tried: string[] = [];
  const paths = new Map<Stage, readonly string[]>();
  const workshop: Workshop = {
    first: stageOf([], { '': [90, 100] }),
    ...{ tried: [], results: [], standard, floatCost: null },
    async perform(stage, settings) {
      const path = [...(paths.get(stage) ?? []), nameOf(settings, goals)];
      tried.push(path.join(' '));
      const made = stageOf(path, outcomes);
      paths.set(made, path);
      return made;
    },
    think: async () => (canPrune ? settingsOf({ step: 'prune' }) : null) as never,
  };
  const result = await chooseSteps(workshop, {} as Surroundings, goals, { epochs: 2 });
  return { path: paths.get(result)?.join(' '), tried };
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
      'half prune quantize': [89.9, 30],
    },
    goals: { maxMs: 30 },
    ...{ path: 'half prune quantize', tried: 10 },
  },
  {
    edge: 'nothing meets the budget: the nearest',
    outcomes: {
      quantize: [90, 100],
      'prune quantize': [85, 60],
      'prune quantize train': [88, 60],
      'shrink quantize': [75, 45],
      otherwise: [40, 70],
    },
    goals: { maxMs: 10 },
    ...{ path: 'shrink quantize', tried: 11 },
  },
  {
    edge: 'what is nearest to the budget is of no use: the nearest that is',
    outcomes: {
      quantize: [90, 100],
      'prune quantize': [85, 60],
      'prune quantize train': [88, 60],
      'shrink quantize': [50, 45],
      otherwise: [40, 70],
    },
    goals: { maxMs: 10 },
    ...{ path: 'prune quantize train', tried: 11 },
  },
  {
    edge: 'what meets the budget is of no use: a quarter of the way to it',
    outcomes: { quantize: [90, 100], 'quarter quantize': [80, 70], otherwise: [22, 10] },
    goals: { maxMs: 10 },
    ...{ path: 'quarter quantize', tried: 13 },
  },
  {
    edge: 'nothing but plain int8 is of use',
    outcomes: { quantize: [90, 100], otherwise: [69.9, 10] },
    goals: { maxMs: 10 },
    ...{ path: 'quantize', tried: 13 },
  },
  {
    edge: 'at the floor, within the budget',
    outcomes: { quantize: [90, 100], otherwise: [70, 10] },
    goals: { maxMs: 10 },
    ...{ path: 'prune quantize', tried: 11 },
  },
  {
    edge: 'below the floor, which an accuracy that is asked for allows',
    outcomes: { quantize: [90, 100], 'prune quantize': [22, 10] },
    goals: { maxMs: 10, minAccuracy: 0.22 },
    ...{ path: 'prune quantize', tried: 3 },
  },
  {
    edge: 'above the floor, which an accuracy that is asked for does not allow',
    outcomes: { quantize: [90, 100], otherwise: [80, 10] },
    goals: { maxMs: 10, minAccuracy: 0.85 },
    ...{ path: 'quantize', tried: 13 },
  },
  {
    edge: 'even plain int8 is of no use: the best',
    outcomes: { quantize: [50, 100], 'quantize round': [60, 100], otherwise: [40, 100] },
    goals: {},
    ...{ path: 'quantize round', tried: 4 },
  },
  {
    edge: 'no pruning leads to the budgets behind fewer channels: these alone',
    outcomes: {
      quantize: [90, 100],
      'shrink quantize': [50, 10],
      'shrink quantize train': [55, 10],
      'half quantize': [85, 30],
    },
    goals: { maxMs: 10 },
    canPrune: false,
    ...{ path: 'half quantize', tried: 7 },
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

describe('compress: what a missed goal is told with', () => {
  const cost = { count: 1, unit: 'cycles', ms: 2, flashBytes: 1000, ramBytes: 10 } as const;
  const reached = { got: assessed(0.9), standard, cost };
  const rows: readonly (readonly [edge: string, goals: Goals, hint: RegExp | null])[] = [
    ['nothing', { maxMs: 2, minAccuracy: 0.9 }, null],
    ['a budget', { maxMs: 1 }, /written; allow more, .* smaller model$/],
    [
      'accuracy alone: no budget',
      { maxMs: 2, minAccuracy: 0.95 },
      /written; ask for less accuracy, train/,
    ],
    ['both', { maxMs: 1, minAccuracy: 0.95 }, /allow more/],
  ];
  for (const [edge, goals, hint] of rows) {
    it(edge, () => {
      const fault = goalsFault('net', goals, reached);
      if (hint === null) expect(fault).to.equal(null);
      else expect(fault?.hint).to.match(hint);
    });
  }

  it('what the float model misses itself is told as that', () => {
    const worse = { ...reached, got: assessed(0.8) };
    const misses = (minAccuracy: number) => goalsFault('net', { minAccuracy }, worse)?.message;
    expect(misses(0.9)).to.match(/ is [\d.]+ %$/);
    expect(misses(0.91)).to.match(/ is [\d.]+ %, which the float model misses too$/);
  });

  it('RAM is told as what it is: that of a run has the firmware, too', () => {
    const fault = goalsFault('net', { maxRam: 9 }, reached);
    expect(fault?.message).to.match(/needs 10 bytes of RAM by estimate/);
  });
});

/** Numbers whose variance is explained by this share, with noise of so many dB. */
const explaining = (
  explained: number,
  snrDb = 9,
  from: 'targets' | 'float' = 'float',
): Assessment => ({
  ...{ accuracy: null, agreement: null, snrDb },
  error: { from, mse: 4, mae: 1.5, explained },
});
const predicting = (explained: number) => explaining(explained, 9, 'targets');
const agreeing = (agreement: number): Assessment => ({ ...assessed(0), accuracy: null, agreement });

describe('compress: the floor', () => {
  const many = 1e9;
  const numbers: Standard = {
    ...{ task: 'none', blind: 0, samples: 4 },
    original: {
      ...explaining(1, Number.POSITIVE_INFINITY),
      error: { from: 'float', mse: 0, mae: 0, explained: 1 },
    },
  };
  const targets: Standard = { ...numbers, task: 'values', original: predicting(0.8) };
  const unlabelled: Standard = {
    ...{ task: 'none', original: agreeing(1), blind: 0.2, samples: many },
  };
  const rows: readonly {
    readonly edge: string;
    readonly standard: Standard;
    readonly got: Assessment;
    readonly goals?: Goals;
    readonly says?: RegExp;
  }[] = [
    { edge: 'three quarters of what float has over one class', standard, got: assessed(0.7) },
    {
      edge: 'less than three quarters of it',
      ...{ standard, got: assessed(0.6999) },
      says: /^69\.99 % of the test samples are right, the floor is 70\.00 % \(the float model has 90\.00 %, one class for all 10\.00 %\)$/,
    },
    {
      edge: 'that, where it is asked for',
      standard,
      got: assessed(0.22),
      goals: { minAccuracy: 0 },
    },
    {
      edge: 'one sample less, of ten',
      standard: { ...standard, samples: 10 },
      got: assessed(0.6),
    },
    {
      edge: 'two samples less, of ten',
      standard: { ...standard, samples: 10 },
      got: assessed(0.5),
      says: /50\.00 % of the test samples/,
    },
    {
      edge: 'a float model that knows nothing has nothing to lose',
      standard: { ...standard, original: assessed(0.1) },
      got: assessed(0),
    },
    { edge: 'classes without labels: agreement', standard: unlabelled, got: agreeing(0.8) },
    {
      edge: 'classes without labels that agree too little',
      ...{ standard: unlabelled, got: agreeing(0.79) },
      says: /^79\.00 % .*in the float model's class, the floor is 80\.00 % \(one class for all gives 20\.00 %\)$/,
    },
    {
      edge: 'numbers: three quarters of their power',
      standard: numbers,
      got: explaining(0.1, 6.03),
    },
    {
      edge: 'numbers: a little less',
      ...{ standard: numbers, got: explaining(0.9, 6.01) },
      says: /SNR of 6\.0 dB on the test samples, the floor is 6\.0 dB$/,
    },
    {
      edge: 'numbers far from 0, no nearer than their mean',
      ...{ standard: numbers, got: explaining(0, 40) },
      says: /SNR of 40\.0 dB on the test samples, but are no nearer to the float model's than their mean/,
    },
    {
      edge: 'numbers: less, few samples or not',
      ...{ standard: numbers, got: explaining(0.29, 1.5) },
      says: /^the outputs have an SNR of 1\.5 dB on the test samples, the floor is 6\.0 dB$/,
    },
    {
      edge: 'that, with an SNR',
      standard: numbers,
      got: explaining(0.29, 1.5),
      goals: { minSnr: 1 },
    },
    {
      edge: 'numbers above the floor, below an SNR that is asked for',
      ...{ standard: numbers, got: explaining(0.9, 9), goals: { minSnr: 9.5 } },
      says: /^the outputs have an SNR of 9\.0 dB on the test samples, --min-snr is 9\.5 dB$/,
    },
    {
      edge: 'at the error that is asked for, below the floor',
      ...{ standard: numbers, got: explaining(0.5), goals: { maxError: 1.5 } },
    },
    {
      edge: 'above it',
      ...{ standard: numbers, got: explaining(0.99), goals: { maxError: 1.4 } },
      says: /^the mean absolute error is 1\.5 on the test samples, --max-error is 1\.4$/,
    },
    { edge: 'targets: three quarters of float', standard: targets, got: predicting(0.601) },
    {
      edge: 'targets: less',
      ...{ standard: targets, got: predicting(0.59) },
      says: /explain 0\.59 of the variance of the targets \(R²\) of the test samples, the float model 0\.80; the floor is 0\.60$/,
    },
    {
      edge: 'outputs that are always the same explain nothing, nor has anyone to',
      standard: { ...numbers, blind: 1 },
      got: explaining(0, 0),
    },
  ];
  for (const { edge, standard: own, got, goals = {}, says } of rows) {
    it(edge, () => {
      const fault = goalsFault('net', goals, { got, standard: own, cost: null });
      expect(isUseful(goals, got, own)).to.equal(says === undefined);
      if (says === undefined) return expect(fault).to.equal(null);
      expect(fault?.code).to.equal('over-budget');
      expect(fault?.message).to.match(says);
    });
  }

  it('says by which flag a result below it is accepted, with which it is', () => {
    for (const [own, got, flag] of [
      [standard, assessed(0.229), '--min-accuracy 22'],
      [numbers, explaining(0.2, -1.5), '--min-snr -2'],
      [unlabelled, agreeing(0.1), '--min-snr 20'],
    ] as const) {
      const fault = goalsFault('net', {}, { got, standard: own, cost: null });
      expect(fault?.hint).to.match(new RegExp(`, or accept this with ${flag}$`));
    }
    const accepted = [{ minAccuracy: 0.22 }, { minSnr: -2 }];
    expect(isUseful(accepted[0] ?? {}, assessed(0.229), standard)).to.equal(true);
    expect(isUseful(accepted[1] ?? {}, explaining(0.2, -1.5), numbers)).to.equal(true);
  });
});
