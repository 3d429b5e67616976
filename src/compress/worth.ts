/** Whether a result is worth anything: beside an answer that looks at no sample, and plain int8. */
import { type Answered, type Assessment, isConstant, mostFrequent } from './assess.js';
import type { Dataset } from './data/dataset.js';
import { littleLoss } from './goals.js';
import type { CostFigures } from './workshop.js';

export interface Judged {
  /** Of the original in float, and of the result, on the test samples. */
  readonly wanted: Answered;
  readonly got: Answered;
  readonly test: Dataset;
  /** Of the original as plain int8, and of the result. */
  readonly cost: { readonly before: CostFigures; readonly after: CostFigures } | null;
  /** That was asked for: less of it is no warning but a fault. */
  readonly minAccuracy?: number | undefined;
}

/** One line for each thing that makes a result useless, or dearer than quantization alone. */
export function resultWarnings(judged: Judged): readonly string[] {
  return [...answerWarnings(judged), ...costWarnings(judged)];
}

function answerWarnings({ wanted, got, test, minAccuracy }: Judged): readonly string[] {
  if (test.count < 2) return [];
  const which = isConstant(wanted.values, test) ? 'the float model' : 'the result';
  if (isConstant(got.values, test)) return [`${which} gives the same output for every test sample`];
  const { accuracy, agreement } = got.assessment;
  if (wanted.answers === null) return noiseWarnings(got.assessment, test);
  if (accuracy === null) return agreementWarnings(agreement ?? 1, wanted.answers);
  // The original's own failure is told before.
  if (chanceText('', wanted.assessment.accuracy, test) !== null) return [];
  const chance = chanceText('the result', accuracy, test);
  if (chance !== null) return [chance];
  const loss = minAccuracy === undefined ? lossWarnings(wanted, got, test) : [];
  return [...loss, ...lostClasses(wanted, got, test)];
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

/** Labels that name other classes than the outputs, and samples of another scale, look like this. */
const suspects = "compare --classes, --scale and --offset with the model's training";

/** Of the original on samples: said before anything is trained by them. */
export function originalWarnings(
  { accuracy }: Pick<Assessment, 'accuracy'>,
  data: Dataset,
): readonly string[] {
  const chance = chanceText('the float model', accuracy, data);
  return chance === null ? [] : [`${chance}; ${suspects}`];
}

/** null where more answers are right than by one class for all. */
function chanceText(what: string, accuracy: number | null, data: Dataset): string | null {
  const { labels, classes } = data;
  if (accuracy === null || labels === null) return null;
  const { label, share } = mostFrequent(labels);
  if (accuracy > share) return null;
  const always = `always "${classes?.[label] ?? label}" is right for ${percent(share)}`;
  return `${what} is right for ${percent(accuracy)} of ${data.count} samples; ${always}`;
}

function agreementWarnings(agreement: number, answers: Int32Array): readonly string[] {
  const { share } = mostFrequent(answers);
  if (share === 1 || agreement > share) return [];
  const shares = `${percent(agreement)} of the test samples; one class for all gives ${percent(share)}`;
  return [`the result agrees with the float model on ${shares}`];
}

/** More than little, and than one sample. */
function lossWarnings(wanted: Answered, got: Answered, { count }: Dataset): readonly string[] {
  const [float, own] = [wanted.assessment.accuracy ?? 0, got.assessment.accuracy ?? 0];
  // 1.5: shares of samples are no exact numbers.
  if (float - own <= Math.max(littleLoss, 1.5 / count)) return [];
  const shares = `${percent(own)} of the test samples, the float model for ${percent(float)}`;
  return [`the result is right for ${shares}`];
}

/** Classes of which float was right for two samples or more, and the result is for none. */
function lostClasses(wanted: Answered, got: Answered, test: Dataset): readonly string[] {
  const right = ({ answers }: Answered, label: number) =>
    test.labels?.reduce((sum, own, i) => sum + Number(own === label && answers?.[i] === label), 0);
  const lost = (test.classes ?? []).filter(
    (_, label) => (right(wanted, label) ?? 0) > 1 && right(got, label) === 0,
  );
  const names = lost.map((name) => `"${name}"`).join(', ');
  return lost.length === 0 ? [] : [`the result is right for no test sample of ${names}`];
}

/** Numbers that are no nearer to those wanted than their mean over all samples is. */
function noiseWarnings({ error }: Assessment, { targets }: Dataset): readonly string[] {
  if (error === null || error.explained > 0) return [];
  const what = targets === undefined ? "the float model's outputs" : 'the targets';
  return [`the result is no nearer to ${what} than their mean is`];
}

/** Estimates of one model differ by about so much with the ranges of activations. */
const tolerance = 1.02;

/** RAM is left out: the plan fills what is free with copies of weights. */
function costWarnings({ cost }: Judged): readonly string[] {
  if (cost === null) return [];
  const { before, after } = cost;
  const figures = [
    ['ms', after.ms, before.ms],
    ['bytes of flash', after.flashBytes, before.flashBytes],
  ] as const;
  return figures
    .filter(([, own, plain]) => own > tolerance * plain)
    .map(([unit, own, plain]) => {
      const [more, less] = [own, plain].map((value) => Number(value.toPrecision(4)));
      return `the result takes ${more} ${unit} by estimate, the plain int8 model ${less}`;
    });
}
