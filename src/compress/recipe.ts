/**
 * Recipes: the steps of a compression in order, in JSON. A user writes them, and a run leaves the
 * one that it chose.
 */
import { z } from 'zod';
import { BonsaiError } from '../errors.js';
import { readInput } from '../files.js';
import { issueText } from '../issues.js';
import { calibrationMethods } from './quantize/calibrate.js';
import { type WeightType, weightTypes } from './quantize/scheme.js';
import { trainDefaults } from './train/loop.js';

/** Post-training quantization. */
const quantize = z.strictObject({
  step: z.literal('quantize'),
  /** How ranges of activations are chosen; auto: the method with the most signal to noise. */
  calibration: z.enum(['auto', ...calibrationMethods]).default('auto'),
  weights: z.enum(Object.keys(weightTypes) as [WeightType, ...WeightType[]]).default('int8'),
  /** Whether it is tried; it stays if it raises the signal to noise. */
  equalize: z.boolean().default(true),
  correctBiases: z.boolean().default(true),
});

/** Of every step that trains. */
const training = {
  epochs: z.int().min(1).max(10_000).default(trainDefaults.epochs),
  batch: z.int().min(1).max(65_536).default(trainDefaults.batch),
  learningRate: z.number().positive().max(10).default(trainDefaults.learningRate),
  /** Share of the loss that compares with the original model; the rest compares with labels. */
  teacherShare: z.number().min(0).max(1).default(trainDefaults.teacherShare),
  temperature: z.number().positive().max(1000).default(trainDefaults.temperature),
  labelSmoothing: z.number().min(0).max(0.99).default(trainDefaults.labelSmoothing),
  weightDecay: z.number().min(0).max(1).default(trainDefaults.weightDecay),
} as const;

/** Training in float32, or fake-quantized behind `quantize`; pruned weights stay 0. */
const train = z.strictObject({ step: z.literal('train'), ...training });

const stepSettings = z.discriminatedUnion('step', [quantize, train]);

export type StepSettings = z.infer<typeof stepSettings>;
export type StepName = StepSettings['step'];
/** The settings of one step. */
export type SettingsOf<Name extends StepName> = Extract<StepSettings, { step: Name }>;
/** What `settingsOf` takes: settings with defaults may be left out. */
export type GivenSettings = z.input<typeof stepSettings>;

const schema = z.strictObject({ steps: z.array(stepSettings).min(1) });

export interface Recipe {
  readonly steps: readonly StepSettings[];
}

/** Settings with every default. */
export function settingsOf<Given extends GivenSettings>(given: Given): SettingsOf<Given['step']> {
  return stepSettings.parse(given) as SettingsOf<Given['step']>;
}

/** @throws BonsaiError 'usage' that names the step, the key and what is wrong with it */
export function readRecipe(path: string): Recipe {
  const hint = 'a recipe is {"steps": [{"step": "quantize"}, …]}: docs/compression.md, "Recipes"';
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(readInput(path, 'config')));
  } catch (error) {
    if (error instanceof BonsaiError) throw error;
    throw new BonsaiError('usage', path, `is not JSON: ${(error as Error).message}`, hint);
  }
  const parsed = schema.safeParse(json, { error: issueText });
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path: place, message }) =>
    place.length > 0 ? `"${place.join('.')}" ${message}` : message,
  );
  throw new BonsaiError('usage', path, issues.join('; '), hint);
}
