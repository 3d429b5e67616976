/** What a step of training lowers: differences from labels and from teachers. */

import { type Graph, type TensorId, tensorOf } from '../../compiler/ir/graph.js';
import { BonsaiError } from '../../errors.js';
import { type Dataset, rowsAt } from '../data/dataset.js';
import { rebatched } from '../float-graph.js';
import type { FakeQuantizer } from '../quantize/fake.js';
import { batchOf, inputsOf } from '../quantize/observe.js';
import { type Answer, answerOf, outputSizes, type Task, taskOf } from '../task.js';
import type { Tf, TfTensor, TfVariable } from '../tensorflow.js';
import { type Hooks, runnerOf } from '../trace.js';
import {
  crossEntropy,
  distillation,
  type LabelOptions,
  scores,
  squaredError,
  type Unit,
  unitsOf,
} from './loss.js';
import { type Matcher, makeMatcher, type Tensors } from './match.js';
import type { TrainOptions, TrainTask } from './options.js';
import type { ParameterOf } from './session.js';
import {
  meanOf,
  rowsOf,
  type Taught,
  type Teacher,
  taught,
  taughtOnce,
  teachersOf,
} from './teach.js';

import type { Validation } from './validation.js';

/** The model as it is in a step. */
export interface Student {
  readonly quantizer: FakeQuantizer | null;
  readonly parameter: ParameterOf;
  /** The mean of earlier weights. */
  readonly average: ParameterOf;
}

export interface Objective {
  /** What is trained beside the student, by name. */
  readonly variables: ReadonlyMap<string, TfVariable>;
  /** Mean over a batch, whose samples may have been changed. Call it within tf.tidy. */
  loss(samples: Float32Array, chosen: Uint32Array, student: Student): TfTensor;
  /** On the validation samples; null without them. */
  validate(student: Student): Validation | null;
}

/** @throws BonsaiError 'usage' where neither labels nor teachers say what to learn */
export function makeObjective(tf: Tf, student: Graph, task: TrainTask): Objective {
  const { data, options, validation = null } = task;
  const answer = answerOf(student, data);
  const runner = runnerOf(tf, answer.graph);
  const { teachers: graphs = [] } = task;
  const teachers = teachersOf(tf, student, graphs, options.teacherWeights, data);
  const asks = taskOf(answer, data);
  if (asks === 'none' && teachers.length === 0) {
    const hint = 'give labels, or a teacher: without labels the original model is one';
    throw new BonsaiError('usage', data.where, 'has no labels to learn from', hint);
  }
  const asked = asks === 'none' ? 1 : options.teacherShare;
  const teach = asked > 0 ? teaching(tf, answer, teachers, data, options) : null;
  const share = teach === null ? 0 : asked;
  const units = unitsFor(tf, answer, data, teachers);
  const rule: Rule = { answer, share, options, units, labels: labelOptionsOf(data, options) };
  const matcher = matcherOf(tf, answer.graph, teachers, options);
  return {
    variables: matcher?.variables ?? new Map(),
    loss(samples, chosen, model) {
      const x = inputsOf(tf, data, samples);
      const wanted = teach?.(x, chosen, model) ?? null;
      const seen = new Map<TensorId, TfTensor>();
      const hooks = watching(hooksOf(model), seen, matcher !== null);
      const own = scores(tf, answer, runner.run(x, hooks));
      const loss = lossOf(tf, rule, own, wanted, askedOf(tf, data, asks, chosen));
      if (matcher === null || teachers[0] === undefined) return loss;
      return tf.add(loss, matcher.loss(seen, tensorsOf(teachers[0], x)));
    },
    validate: validator(tf, validation, teachers, rule, (x, model) =>
      scores(tf, answer, runner.run(x, hooksOf(model))),
    ),
  };
}

/** How differences are weighed. */
interface Rule {
  readonly answer: Answer;
  /** Of teachers. */
  readonly share: number;
  readonly options: TrainOptions;
  /** Of the outputs; empty for classes. */
  readonly units: readonly Unit[];
  readonly labels: LabelOptions;
}

/** What outputs of numbers are measured in: the spread of targets, else of what teachers say. */
function unitsFor(
  tf: Tf,
  { graph, kind }: Answer,
  data: Dataset,
  teachers: readonly Teacher[],
): readonly Unit[] {
  if (kind !== 'values') return [];
  const wanted = data.targets ?? taughtOnce(tf, teachers, data, 1).values;
  return unitsOf(wanted, outputSizes(graph));
}

/** What samples themselves ask for: classes, or rows of numbers; null: nothing. */
type Asked = Int32Array | TfTensor | null;

function askedOf(tf: Tf, data: Dataset, asks: Task, chosen: Uint32Array): Asked {
  const { labels, targets = new Float32Array(), count } = data;
  if (asks === 'classes') return Int32Array.from(chosen, (i) => labels?.[i] ?? 0);
  if (asks === 'none') return null;
  const size = targets.length / count;
  return tf.tensor(rowsAt(targets, size, chosen), [chosen.length, size]);
}

function lossOf(
  tf: Tf,
  { answer, share, options, units, labels: labelOptions }: Rule,
  own: TfTensor,
  wanted: TfTensor | null,
  asked: Asked,
): TfTensor {
  const terms: TfTensor[] = [];
  if (wanted !== null && share > 0) {
    const difference =
      answer.kind === 'values'
        ? squaredError(tf, own, wanted, units)
        : distillation(tf, own, wanted, options.temperature);
    terms.push(tf.mul(difference, share));
  }
  if (asked !== null && share < 1) {
    const difference =
      asked instanceof Int32Array
        ? crossEntropy(tf, own, asked, labelOptions)
        : squaredError(tf, own, asked, units);
    terms.push(tf.mul(difference, 1 - share));
  }
  return tf.addN(terms);
}

/** @throws BonsaiError 'usage' for weights of another number of classes, or below 0 */
function labelOptionsOf(data: Dataset, options: TrainOptions): LabelOptions {
  const { classWeights, labelSmoothing: smoothing } = options;
  const { labels, classes } = data;
  if (labels === null || classes === null || classWeights === 'equal') return { smoothing };
  if (classWeights === 'balanced') {
    const counts = new Array<number>(classes.length).fill(0);
    for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
    const present = counts.filter((count) => count > 0).length;
    // The mean over all samples is 1.
    const weights = counts.map((count) => (count === 0 ? 0 : labels.length / (present * count)));
    return { smoothing, weights };
  }
  const isWrong = classWeights.some((weight) => !(weight >= 0 && Number.isFinite(weight)));
  if (classWeights.length === classes.length && !isWrong)
    return { smoothing, weights: classWeights };
  const message = `are ${classWeights.join(', ')}; there are ${classes.length} classes`;
  throw new BonsaiError('usage', 'class weights', message, 'give one for each class, none below 0');
}

type Teach = (x: readonly TfTensor[], chosen: Uint32Array, student: Student) => TfTensor;

/** What teachers and earlier weights say about a batch; null without them. */
function teaching(
  tf: Tf,
  answer: Answer,
  teachers: readonly Teacher[],
  data: Dataset,
  { augmentation, averageDecay, temperature }: TrainOptions,
): Teach | null {
  if (teachers.length === 0 && averageDecay === null) return null;
  // Here, not in the first step: a step that looks for gradients keeps every tensor until its end.
  const isAskedOnce = augmentation === null && teachers.length > 0;
  const known = isAskedOnce ? taughtOnce(tf, teachers, data, temperature) : null;
  const weights = teachers.map(({ weight }) => weight);
  const total = weights.reduce((a, b) => a + b, 0);
  const given = (x: readonly TfTensor[], chosen: Uint32Array): TfTensor => {
    if (known !== null) return rowsOf(tf, known, chosen);
    return meanOf(
      tf,
      teachers.map((one) => taught(tf, one, x, temperature)),
      weights,
    );
  };
  const self = runnerOf(tf, answer.graph);
  return (x, chosen, { average }) => {
    if (averageDecay === null) return given(x, chosen);
    const own = taught(tf, { answer, runner: self }, x, temperature, { parameter: average });
    return teachers.length === 0 ? own : meanOf(tf, [given(x, chosen), own], [total, 1]);
  };
}

function hooksOf({ quantizer, parameter }: Student): Hooks {
  return quantizer === null ? { parameter } : quantizer.hooks(parameter);
}

/** `hooks` that also put every tensor into `seen`. */
function watching(hooks: Hooks, seen: Map<TensorId, TfTensor>, isAsked = true): Hooks {
  if (!isAsked) return hooks;
  return {
    ...hooks,
    computed(id, value) {
      const kept = hooks.computed?.(id, value) ?? value;
      seen.set(id, kept);
      return kept;
    },
  };
}

function tensorsOf({ runner }: Teacher, x: readonly TfTensor[]): Tensors {
  const seen = new Map<TensorId, TfTensor>();
  runner.run(x, watching({}, seen));
  return seen;
}

/** @throws BonsaiError 'usage' for graphs whose tensors cannot be compared */
function matcherOf(
  tf: Tf,
  student: Graph,
  teachers: readonly Teacher[],
  options: TrainOptions,
): Matcher | null {
  if (options.featureWeight === 0 && options.attentionWeight === 0) return null;
  const teacher = teachers[0]?.answer.graph;
  const hint = 'leave out feature and attention matching';
  if (teacher === undefined) {
    throw new BonsaiError('usage', 'feature matching', 'has no teacher to compare with', hint);
  }
  for (const graph of [student, teacher]) {
    if (rebatched(graph, 2) !== null) continue;
    const name = tensorOf(graph, graph.outputs[0] ?? 0).name;
    const message = `the graph of "${name}" mixes samples, so that they run one by one`;
    throw new BonsaiError('usage', 'feature matching', message, hint);
  }
  return makeMatcher(tf, student, teacher, options);
}

const validationBatch = 256;

function validator(
  tf: Tf,
  data: Dataset | null,
  teachers: readonly Teacher[],
  rule: Rule,
  answers: (x: readonly TfTensor[], student: Student) => TfTensor,
): Objective['validate'] {
  if (data === null || data.count === 0) return () => null;
  const asks = taskOf(rule.answer, data);
  if (asks === 'none' && teachers.length === 0) return () => null;
  let known: Taught | null = null;
  // Labels and targets decide where there are some.
  const plain = { ...rule, share: asks === 'none' ? 1 : 0 };
  return (student) => {
    if (asks === 'none') known ??= taughtOnce(tf, teachers, data, rule.options.temperature);
    let [loss, right] = [0, 0];
    for (let first = 0; first < data.count; first += validationBatch) {
      const count = Math.min(validationBatch, data.count - first);
      const chosen = Uint32Array.from({ length: count }, (_, i) => first + i);
      tf.tidy(() => {
        const x = batchOf(tf, data, first, count);
        const own = answers(x, student);
        const wanted = known === null ? null : rowsOf(tf, known, chosen);
        const asked = askedOf(tf, data, asks, chosen);
        loss += (lossOf(tf, plain, own, wanted, asked).dataSync()[0] ?? Number.NaN) * count;
        if (!(asked instanceof Int32Array)) return;
        tf.argMax(own, 1)
          .dataSync()
          .forEach((label: number, i: number) => {
            right += label === asked[i] ? 1 : 0;
          });
      });
    }
    return { loss: loss / data.count, accuracy: asks === 'classes' ? right / data.count : null };
  };
}
