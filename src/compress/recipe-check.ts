/** What a recipe asks of a model and its samples: checked before any step takes time. */

import type { Graph } from '../compiler/ir/graph.js';
import { BonsaiError } from '../errors.js';
import { augmentationOf } from './data/augment.js';
import { nodeNames } from './float-graph.js';
import { namedPlan } from './prune/plan.js';
import { withTypes } from './quantize/types.js';
import { originalTeacher, type Recipe, type StepSettings } from './recipe.js';
import type { Surroundings } from './steps/step.js';
import { teacherGraphs, usualPlan } from './steps/training.js';
import { trainDefaults } from './train/loop.js';
import { makeObjective } from './train/objective.js';

/** The files of a recipe's teachers. */
export function teachersIn({ steps }: Recipe): readonly string[] {
  const names = steps.flatMap((settings) => ('teachers' in settings ? settings.teachers : []));
  return [...new Set(names)].filter((name) => name !== originalTeacher);
}

/**
 * @throws BonsaiError 'usage' that names the step: for layers that the model does not have, teachers
 *   that do not fit it, augmentation of other samples, and weights of another number of classes;
 *   'unsupported-type' for layers that have no int16 kernel
 */
export function checkRecipe({ steps }: Recipe, surroundings: Surroundings): void {
  steps.forEach((settings, i) => {
    try {
      checkStep(settings, surroundings);
    } catch (error) {
      if (!(error instanceof BonsaiError)) throw error;
      const { code, where, message, hint } = error;
      throw new BonsaiError(code, `recipe, "steps.${i}"`, `${where}: ${message}`, hint);
    }
  });
}

function checkStep(settings: StepSettings, surroundings: Surroundings): void {
  if (settings.step === 'prune' && settings.layers !== undefined) {
    namedPlan(surroundings.original, settings.layers);
  }
  if (settings.step === 'quantize') {
    checkNames(settings.layers ?? {}, surroundings.original);
    withTypes(surroundings.original, settings);
  }
  if (!('epochs' in settings) || settings.epochs === 0) return;
  const { tf, original, teachers, data, seed } = surroundings;
  const { teachers: names, augmentation, ...rest } = { ...settings, ...usualPlan(settings) };
  if (augmentation !== null) augmentationOf(augmentation, data.train.shape);
  const options = { ...trainDefaults, ...rest, augmentation, seed };
  const graphs = teacherGraphs(names, original, teachers);
  const task = { data: data.train, teachers: graphs, options };
  tf.dispose([...makeObjective(tf, original, task).variables.values()]);
}

function checkNames(layers: object, graph: Graph): void {
  const known = nodeNames(graph);
  const unknown = Object.keys(layers).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const hint = `layers are ${known.map((name) => `"${name}"`).join(', ')}`;
  throw new BonsaiError('usage', 'quantize', `there is no layer "${unknown}"`, hint);
}
