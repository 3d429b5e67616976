/**
 * Recipes: the steps of a compression in order, in JSON. A user writes them, and a run leaves the
 * one that it chose.
 */
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { BonsaiError } from '../errors.js';
import { readInput } from '../files.js';
import { issueText } from '../issues.js';
import { isPattern, patternForms } from './prune/patterns.js';
import { scoreKinds } from './prune/scores.js';
import { calibrationMethods } from './quantize/calibrate.js';
import { roundDefaults } from './quantize/round.js';
import { activationTypes, type WeightType, weightTypes } from './quantize/scheme.js';
import { trainDefaults } from './train/loop.js';
import { type ScheduleName, schedules } from './train/schedule.js';

const share = z.number().min(0).max(1);

/** By the names of layers, which may be any: z.record leaves out __proto__. */
function byName<T>(wanted: z.ZodType<T>) {
  const isObject = (value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  return z
    .custom<Readonly<Record<string, z.input<typeof wanted>>>>(isObject, {
      error: 'is not an object of layers',
    })
    .transform((given, { addIssue }): Readonly<Record<string, T>> => {
      const checked = Object.entries(given).flatMap(([name, value]) => {
        const parsed = wanted.safeParse(value, { error: recipeIssueText });
        for (const { path, message } of parsed.error?.issues ?? []) {
          addIssue({ code: 'custom', path: [name, ...path], message });
        }
        return parsed.success ? [[name, parsed.data] as const] : [];
      });
      return Object.fromEntries(checked);
    });
}

/** Of one layer. */
const ownQuantization = z.strictObject({
  /** Of what it reads and makes; conversions stand where its neighbours have the other type. */
  activations: z.enum(activationTypes).optional(),
  /** For the range of its output, in place of the step's. */
  calibration: z.enum(calibrationMethods).optional(),
  /** A scale for each output of a fully connected layer, which has one for all otherwise. */
  perChannel: z.boolean().optional(),
});

/** Post-training quantization. */
const quantize = z.strictObject({
  step: z.literal('quantize'),
  /** How ranges of activations are chosen; auto: the method with the most signal to noise. */
  calibration: z.enum(['auto', ...calibrationMethods]).default('auto'),
  activations: z.enum(activationTypes).default('int8'),
  weights: z.enum(Object.keys(weightTypes) as [WeightType, ...WeightType[]]).default('int8'),
  /** Whether it is tried; it stays if it raises the signal to noise. */
  equalize: z.boolean().default(true),
  correctBiases: z.boolean().default(true),
  /** By name, what is another for these. */
  layers: byName(ownQuantization).optional(),
});

/** A stretch of a schedule of learning rates. */
const piece = z.strictObject({
  until: share.gt(0),
  shape: z.enum(['constant', 'linear', 'cosine']),
  to: share,
});

const pieces = z
  .array(piece)
  .min(1)
  .superRefine((list, { addIssue }) => {
    list.forEach(({ until }, i) => {
      const before = list[i - 1]?.until ?? 0;
      if (until > before) return;
      const message = `is ${until}, not above ${before}, where the piece before ends`;
      addIssue({ code: 'custom', path: [i, 'until'], message });
    });
  });

/** Of classes, in their order. */
const byClass = z
  .array(z.number().min(0))
  .min(2)
  .refine((list) => list.some((weight) => weight > 0), { error: 'are all 0: nothing would count' });

/** The most by which samples change: data/augment.ts. */
const audio = z.strictObject({
  kind: z.literal('audio'),
  shift: share.optional(),
  gain: z.number().min(0).max(120).optional(),
  noise: share.optional(),
});
const image = z.strictObject({
  kind: z.literal('image'),
  shift: share.optional(),
  flip: z.boolean().optional(),
  brightness: share.optional(),
  cutout: share.optional(),
});
const series = z.strictObject({
  kind: z.literal('series'),
  jitter: share.optional(),
  scale: share.optional(),
  shift: share.optional(),
});

/** The name of the model as it was given, as a teacher. */
export const originalTeacher = 'original';

/** What is chosen by trials: train/policy.ts. */
const auto = z.literal('auto');

/** Of every step that trains. With epochs of its own, what else is 'auto' has its usual value. */
const training = {
  epochs: z.union([auto, z.int().min(1).max(10_000)]).default('auto'),
  batch: z.union([auto, z.int().min(1).max(65_536)]).default('auto'),
  /** Trainings of so many epochs in turn; with epochs 'auto' more while the last epoch is the best. */
  rounds: z.int().min(1).max(100).default(1),
  learningRate: z.number().positive().max(10).default(trainDefaults.learningRate),
  /** Float models whose answers are learned: 'original', or files, from the recipe's folder on. */
  teachers: z.array(z.string().min(1)).min(1).max(16).default([originalTeacher]),
  /** What their answers count; null: all alike. */
  teacherWeights: z.array(z.number().positive()).min(1).nullable().default(null),
  /** Share of the loss that compares with teachers; the rest compares with labels. */
  teacherShare: z.union([auto, z.number().min(0).max(1)]).default('auto'),
  temperature: z.number().min(0.001).max(1000).default(trainDefaults.temperature),
  labelSmoothing: z.number().min(0).max(0.99).default(trainDefaults.labelSmoothing),
  weightDecay: z.number().min(0).max(1).default(trainDefaults.weightDecay),
  /** Share of the steps during which the rate rises. */
  warmup: z.number().min(0).max(1).default(trainDefaults.warmup),
  rateSchedule: z
    .union([z.enum(Object.keys(schedules) as [ScheduleName, ...ScheduleName[]]), pieces])
    .default(trainDefaults.rateSchedule as ScheduleName),
  /** Weights of the differences from the original model's features and attention. */
  featureWeight: z.number().min(0).max(1000).default(trainDefaults.featureWeight),
  attentionWeight: z.number().min(0).max(1000).default(trainDefaults.attentionWeight),
  /** The mean of earlier weights teaches too; each step keeps this share of it. */
  averageDecay: z.number().min(0).lt(1).nullable().default(trainDefaults.averageDecay),
  classWeights: z.union([z.enum(['equal', 'balanced']), byClass]).default('equal'),
  /** The longest that a gradient may be. */
  clipNorm: z.number().positive().nullable().default(trainDefaults.clipNorm),
  /** Of learned scales: their rate beside that of weights, and the share of steps without, at the end. */
  scaleRate: z.number().min(0).max(1000).default(trainDefaults.scaleRate),
  frozenScales: z.number().min(0).max(1).default(trainDefaults.frozenScales),
  /** Epochs without a better validation, behind which training stops. */
  patience: z.int().min(1).nullable().default(trainDefaults.patience),
  keepBest: z.boolean().default(trainDefaults.keepBest),
  /** How often a diverged training begins anew at a tenth of its rate. */
  restarts: z.int().min(0).max(10).default(trainDefaults.restarts),
  augmentation: z.discriminatedUnion('kind', [audio, image, series]).nullable().default(null),
} as const;

/** Training in float32, or fake-quantized behind `quantize`; pruned weights stay 0. */
const train = z.strictObject({ step: z.literal('train'), ...training });

const pattern = z.string().refine(isPattern, {
  error: ({ input }) => `is ${JSON.stringify(input)}, not one of auto, ${patternForms}`,
});
const prunedShare = z.number().min(0).lt(1);

/** Weights become 0 and stay so. */
const prune = z
  .strictObject({
    step: z.literal('prune'),
    /** auto: with `time`, each layer's own by cost on the target; else unstructured. */
    pattern: z.union([z.literal('auto'), pattern]).default('auto'),
    /** Of the weights of all layers together, which go where they matter least. */
    share: prunedShare.default(0.8),
    /**
     * In place of `share`, with a target: what is left of the estimated time, as a share. Layers lose
     * where that saves most for the least harm.
     */
    time: z.number().positive().max(1).optional(),
    /** By name, in place of both: these layers alone, each with a share and pattern of its own. */
    layers: byName(z.strictObject({ pattern, share: prunedShare })).optional(),
    score: z.enum(scoreKinds).default('magnitude'),
    /** gradual: more before each of the first two thirds of the epochs. */
    schedule: z.enum(['one-shot', 'gradual']).default('gradual'),
    /** Whether the weights that are left begin again with the original's values. */
    rewind: z.boolean().default(false),
    ...training,
    /** 0: without training. */
    epochs: z.union([auto, z.int().min(0).max(10_000)]).default('auto'),
  })
  .refine(({ time, layers }) => time === undefined || layers === undefined, {
    error: 'has a "time" and "layers" with shares of their own: give one of them',
  })
  .refine(
    ({ score, schedule, epochs }) =>
      score !== 'movement' || (schedule === 'gradual' && (epochs === 'auto' || epochs > 1)),
    {
      error: 'has movement scores, which only a gradual schedule of two epochs and more finds',
    },
  );

/** Behind `quantize`: each weight goes to the integer, below or above, that keeps its layer's output. */
const round = z.strictObject({
  step: z.literal('round'),
  /** Of each layer. */
  iterations: z.int().min(1).max(1_000_000).default(roundDefaults.iterations),
  /** Output positions of a layer: of each iteration, and of all. */
  batch: z.int().min(1).max(65_536).default(roundDefaults.batch),
  rows: z.int().min(1).max(1_000_000).default(roundDefaults.rows),
  learningRate: z.number().positive().max(10).default(roundDefaults.learningRate),
});

/** Channels go, and the graph becomes smaller. */
const shrink = z.strictObject({
  step: z.literal('shrink'),
  /** What is left of the MACs, as a share. */
  macs: z.number().positive().max(1).default(0.5),
  /** In place of `macs`, with a target: what is left of its time, and the most bytes. */
  time: z.number().positive().max(1).optional(),
  flashBytes: z.number().positive().optional(),
  ramBytes: z.number().positive().optional(),
  /** What makes a channel matter: the slope of the loss, or norms of its weights. */
  score: z.enum(['auto', 'taylor', 'l1', 'l2']).default('auto'),
  /** Whether residual branches may go whole, where that harms less; with `taylor`. */
  blocks: z.boolean().default(false),
  /** The fewest channels that a tensor keeps. */
  least: z.int().min(1).default(4),
  /** Counts of channels are multiples of it. */
  multiple: z.union([z.literal('auto'), z.int().min(1).max(64)]).default('auto'),
  ...training,
  /** 0: without training. */
  epochs: z.union([auto, z.int().min(0).max(10_000)]).default('auto'),
});

const stepSettings = z.discriminatedUnion('step', [quantize, round, train, prune, shrink]);

export type StepSettings = z.infer<typeof stepSettings>;
export type StepName = StepSettings['step'];
/** The settings of one step. */
export type SettingsOf<Name extends StepName> = Extract<StepSettings, { step: Name }>;
/** What `settingsOf` takes: settings with defaults may be left out. */
export type GivenSettings = z.input<typeof stepSettings>;

const schema = z.strictObject({
  steps: z
    .array(stepSettings)
    .min(1)
    .superRefine((steps, { addIssue }) => {
      steps.forEach((settings, i) => {
        const message = orderFault(settings, new Set(steps.slice(0, i).map(({ step }) => step)));
        if (message !== null) addIssue({ code: 'custom', path: [i], message });
      });
    }),
});

/** What a step finds behind these others and cannot do; null: nothing. */
function orderFault(settings: StepSettings, before: ReadonlySet<StepName>): string | null {
  if (settings.step === 'round' && !before.has('quantize')) {
    return 'finds a model without scales: put the step "quantize" before it';
  }
  const rewinds = settings.step === 'prune' && settings.rewind;
  return rewinds && before.has('shrink')
    ? 'rewinds weights behind "shrink", where the original has others: leave "rewind" out'
    : null;
}

export interface Recipe {
  readonly steps: readonly StepSettings[];
}

/** A step as people read it: with the type of activations where that is not the usual one. */
export const titleOf = (settings: StepSettings): string =>
  settings.step === 'quantize' && settings.activations === 'int16'
    ? 'quantize int16'
    : settings.step;

/**
 * Settings with every default.
 *
 * @throws BonsaiError 'usage' for values that do not go together
 */
export function settingsOf<Given extends GivenSettings>(given: Given): SettingsOf<Given['step']> {
  const checked = checkedBy(stepSettings, given, `the step ${given.step}`, '');
  return checked as SettingsOf<Given['step']>;
}

const hint = 'a recipe is {"steps": [{"step": "quantize"}, …]}: docs/compression.md, "Recipes"';

/** @throws BonsaiError 'usage' that names the step, the key and what is wrong with it */
export function readRecipe(path: string): Recipe {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(readInput(path, 'config')));
  } catch (error) {
    if (error instanceof BonsaiError) throw error;
    throw new BonsaiError('usage', path, `is not JSON: ${(error as Error).message}`, hint);
  }
  const { steps } = checkedBy(schema, json, path, hint);
  return { steps: steps.map((settings) => withTeachers(settings, dirname(path))) };
}

/** Where teachers lie, as every folder sees them: the recipe is written again beside the result. */
function withTeachers(settings: StepSettings, folder: string): StepSettings {
  if (!('teachers' in settings)) return settings;
  const teachers = settings.teachers.map((name) =>
    name === originalTeacher ? name : resolve(folder, name),
  );
  return { ...settings, teachers };
}

/** An unknown key is a slip of the pen, mostly: the right one is among those that there are. */
function recipeIssueText(issue: z.core.$ZodRawIssue): string | undefined {
  const text = issueText(issue);
  if (issue.code !== 'unrecognized_keys' || !(issue.inst instanceof z.ZodObject)) return text;
  return `${text}; it knows ${Object.keys(issue.inst.shape).join(', ')}`;
}

function checkedBy<T>(wanted: z.ZodType<T>, value: unknown, where: string, advice: string): T {
  const parsed = wanted.safeParse(value, { error: recipeIssueText });
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path: place, message }) =>
    place.length > 0 ? `"${place.join('.')}" ${message}` : message,
  );
  throw new BonsaiError('usage', where, issues.join('; '), advice);
}
