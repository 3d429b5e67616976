/** Trains a float graph: with labels or teachers, dense or pruned, in float32 or fake-quantized. */

import { elementCount } from '../../compiler/ir/graph.js';
import { BonsaiError } from '../../errors.js';
import type { Candidate } from '../candidate.js';
import { type Augmentation, augmentationOf } from '../data/augment.js';
import { type Dataset, subset } from '../data/dataset.js';
import { makeRandom, permutation, seedFor } from '../random.js';
import type { Tf } from '../tensorflow.js';
import { makeObjective, type Objective } from './objective.js';
import { checkOptions, type EpochReport, type TrainTask } from './options.js';
import { rateOf } from './schedule.js';
import { Session } from './session.js';
import { isBetter } from './validation.js';

export type { EpochReport, StepReport, TrainHooks, TrainOptions, TrainTask } from './options.js';
export { trainDefaults } from './options.js';

/**
 * The trained candidate: the epoch with the best validation where there are samples for it, else the
 * last. The same seed, data and backend give the same bits, also from `resume`.
 *
 * @throws BonsaiError 'usage' for an option out of range, where neither labels nor teachers say what
 *   to learn, and where the loss grows beyond all bounds however often the rate falls
 */
export async function train(tf: Tf, start: Candidate, task: TrainTask): Promise<Candidate> {
  const { options, hooks = {}, resume = null } = task;
  checkOptions(options);
  const objective = makeObjective(tf, start.graph, task);
  const session = new Session(tf, start, options, objective.variables);
  try {
    if (resume !== null) session.restore(resume);
    while (!isDone(session)) {
      const report = await runEpoch(session, objective, task);
      if (report === null) restart(session, task);
      else {
        session.progress.history = [...session.progress.history, report];
        hooks.save?.(session.state());
        hooks.epoch?.(report, session.progress.history);
      }
    }
    if (options.keepBest) session.takeBest();
    return session.trained();
  } finally {
    session.dispose();
  }
}

function isDone({ progress: { epochs, best }, options }: Session): boolean {
  const { patience } = options;
  if (epochs >= options.epochs) return true;
  return patience !== null && best !== null && epochs - best.epoch >= patience;
}

/** A training whose loss grows beyond all bounds, also at lower rates. */
export class Diverged extends BonsaiError {}

/** A training that leads nowhere leaves what was found before. */
export function nullIfDiverged(error: unknown): null {
  if (error instanceof Diverged) return null;
  throw error;
}

/** @throws Diverged where it has begun anew often enough */
function restart(session: Session, { options, hooks }: TrainTask): void {
  const epoch = session.progress.epochs + 1;
  const rate = firstRate(session);
  const message = `the loss grows beyond all bounds in epoch ${epoch}`;
  if (session.progress.restarts >= options.restarts) {
    const hint = `use a lower learning rate than ${rate}`;
    throw new Diverged('usage', 'training', message, hint);
  }
  const next = rateAfter(session, session.progress.restarts + 1);
  const said = `${message}; training begins anew with the learning rate ${next}`;
  session.restart(said);
  hooks?.say?.(said);
}

const firstRate = (session: Session) => rateAfter(session, session.progress.restarts);

/** The highest; a tenth after each restart. */
function rateAfter({ options }: Session, restarts: number): number {
  return Number((options.learningRate / 10 ** restarts).toPrecision(12));
}

/** No loss of a training that learns grows so much; one that begins at 0 may grow to a few. */
function isDiverged(loss: number, first: number): boolean {
  return !(loss <= 100 * Math.max(1, first) && Number.isFinite(loss));
}

/** null where training diverges. */
async function runEpoch(
  session: Session,
  objective: Objective,
  { data, options, hooks = {} }: TrainTask,
): Promise<EpochReport | null> {
  const { progress } = session;
  const masks = hooks.masks?.(progress.epochs, session.values()) ?? null;
  if (masks !== null) session.setMasks(masks);
  const began = performance.now();
  const random = makeRandom(seedFor(options.seed, 'epoch', progress.epochs));
  const order = permutation(data.count, random);
  const change = options.augmentation && augmentationOf(options.augmentation, data.shape);
  const batches = Math.ceil(data.count / options.batch);
  const pause = pauses();
  let sum = 0;
  for (let i = 0; i < batches; i += 1) {
    const chosen = order.subarray(i * options.batch, (i + 1) * options.batch);
    const samples = drawn(data, chosen, change, random);
    const lossOf = () => objective.loss(samples, chosen, session);
    const loss = session.step(ratesOf(session, batches), lossOf, hooks.step);
    progress.firstLoss ??= loss;
    if (isDiverged(loss, progress.firstLoss)) return null;
    sum += loss * chosen.length;
    hooks.batch?.(i + 1, batches, progress.epochs + 1);
    await pause();
  }
  if (!session.isFinite()) return null;
  progress.epochs += 1;
  const validation = objective.validate(session);
  const isBest = validation !== null && isBetter(validation, progress.best?.validation ?? null);
  if (isBest) session.keepBest(validation);
  const seconds = (performance.now() - began) / 1000;
  const { epochs } = options;
  const left = epochs - progress.epochs;
  const secondsLeft = meanSeconds(progress.history, seconds) * left;
  const epoch = progress.epochs;
  return { epoch, epochs, loss: sum / data.count, validation, isBest, seconds, secondsLeft };
}

function meanSeconds(history: readonly EpochReport[], last: number): number {
  return history.reduce((sum, { seconds }) => sum + seconds, last) / (history.length + 1);
}

function ratesOf(session: Session, batches: number) {
  const { options, progress } = session;
  const steps = options.epochs * batches;
  const rate = firstRate(session) * rateOf(options, progress.steps, steps);
  const isFrozen = progress.steps >= (1 - options.frozenScales) * steps;
  return { rate, scaleRate: isFrozen ? 0 : rate * options.scaleRate };
}

/** A copy of the samples, changed at random where that is asked for. */
function drawn(
  data: Dataset,
  chosen: Uint32Array,
  change: Augmentation | null,
  random: () => number,
): Float32Array {
  const samples = subset(data, chosen).x;
  if (change === null) return samples;
  const size = elementCount(data.shape);
  for (let at = 0; at < samples.length; at += size) {
    samples.set(change(samples.subarray(at, at + size), random), at);
  }
  return samples;
}

/** Time that the display, timers and signals wait at most, but for one batch. */
const pauseMs = 50;

function pauses(): () => Promise<void> {
  let last = performance.now();
  return async () => {
    if (performance.now() - last < pauseMs) return;
    await new Promise(setImmediate);
    last = performance.now();
  };
}
