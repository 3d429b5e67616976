/**
 * Chooses the steps from the goals: quantization first; where that meets them and loses little, it
 * is all. A smaller model costs training, so it is made only for a budget that asks for it.
 */
import { type Goals, leastQuality, quality, strain } from './goals.js';
import { settingsOf } from './recipe.js';
import type { Stage, Workshop } from './workshop.js';

export interface Effort {
  /** Of each training. */
  readonly epochs: number;
}

/** The best stage that was found; it may miss the goals. It is quantized. */
export async function chooseSteps(
  workshop: Workshop,
  goals: Goals,
  { epochs }: Effort,
): Promise<Stage> {
  const { first } = workshop;
  const least = leastQuality(goals, first.validation);
  const isGood = ({ validation }: Stage) => quality(validation) >= least;
  const plain = await workshop.perform(first, settingsOf({ step: 'quantize' }));
  if (isGood(plain)) return plain;
  const trained = await workshop.perform(
    plain,
    settingsOf({ step: 'train', epochs, learningRate: 0.0003 }),
  );
  return better(plain, trained, goals);
}

/** Budgets first, then quality; where neither meets the budgets, the one that is nearer. */
function better(a: Stage, b: Stage, goals: Goals): Stage {
  const [ofA, ofB] = [strain(goals, a.cost), strain(goals, b.cost)];
  if (ofA <= 1 && ofB <= 1) return quality(b.validation) > quality(a.validation) ? b : a;
  return ofB < ofA ? b : a;
}
