/** bonsaic quantize: a float model and samples → an int8 model, and what that cost. */
import { BonsaiError } from '../errors.js';
import { readBeside } from '../files.js';
import { importModel } from '../import/index.js';
import { type Graph, type Module, mainGraph, tensorOf } from '../ir/graph.js';
import type { Progress } from '../progress.js';
import { writeTflite } from '../write/tflite.js';
import { type Dataset, subset } from './data/dataset.js';
import { loadDataset } from './data/load.js';
import { split } from './data/split.js';
import { floatGraph } from './float-graph.js';
import { biasCorrected } from './quantize/bias.js';
import { type CalibrationMethod, calibrationMethods } from './quantize/calibrate.js';
import { equalized } from './quantize/equalize.js';
import { lower } from './quantize/lower.js';
import { type LayerNoise, layerNoise } from './quantize/noise.js';
import { type Observation, observe } from './quantize/observe.js';
import { quantizationOf } from './quantize/ptq.js';
import { separated, type WeightType } from './quantize/scheme.js';
import { makeRandom, permutation, seedFor } from './random.js';
import {
  agreement,
  classesOf,
  confusion,
  floatAnswers,
  integerAnswers,
  signalToNoise,
} from './score.js';
import { type BackendName, loadBackend, type Tf } from './tensorflow.js';
import { runnerOf } from './trace.js';
import { answerOf } from './train/loss.js';

export interface QuantizeRequest {
  readonly bytes: Uint8Array;
  readonly path: string;
  /** Path of the samples. */
  readonly data: string;
  readonly classes?: readonly string[] | undefined;
  /** 'auto': the method with the most signal to noise. */
  readonly calibration: CalibrationMethod | 'auto';
  readonly weights: WeightType;
  /** Samples that ranges are taken from. */
  readonly samples: number;
  readonly seed: number;
  readonly backend?: BackendName | undefined;
}

/** One attempt, in the order of trying. */
export interface QuantizeStep {
  readonly step: string;
  /** Of the scores on the validation samples, in dB. */
  readonly snrDb: number;
  /** Whether the result has it. */
  readonly kept: boolean;
}

export interface Accuracy {
  readonly float: number;
  readonly int8: number;
}

export interface QuantizeReport {
  readonly model: { readonly source: string; readonly bytes: number };
  readonly data: {
    readonly source: string;
    readonly calibration: number;
    readonly validation: number;
    readonly test: number;
  };
  readonly steps: readonly QuantizeStep[];
  /** On the test samples; null without labels. */
  readonly accuracy: Accuracy | null;
  /** Share of the test samples that both models put into one class; null for other models. */
  readonly agreement: number | null;
  /** Of the outputs on the test samples, in dB. */
  readonly snrDb: number;
  readonly layers: readonly LayerNoise[];
  /** [label][answer] → test samples of the int8 model; null without labels. */
  readonly confusion: readonly (readonly number[])[] | null;
  readonly classes: readonly string[] | null;
  readonly backend: BackendName;
  readonly seed: number;
}

export interface QuantizedModel {
  readonly file: Uint8Array;
  readonly report: QuantizeReport;
}

/** Samples that compare attempts, at most: more do not change the choice. */
const mostValidation = 256;

/** @throws BonsaiError for a model that is not float or has several inputs, and for its data */
export async function quantizeModel(
  request: QuantizeRequest,
  progress: Progress,
): Promise<QuantizedModel> {
  const { path, bytes, seed } = request;
  const options = { name: 'model', where: path, rounding: 'tflm' } as const;
  const module = importModel(bytes, { ...options, beside: readBeside(path) });
  const graph = separated(floatGraph(module));
  requireOneInput(graph, path);
  const parts = await progress('read samples', () => partsOf(request, graph));
  const { tf, name } = await loadBackend(request.backend);
  const chosen = await progress('quantize', (say) =>
    search(tf, module, graph, parts, request, say),
  );
  const file = writeTflite(chosen.module);
  const report = await progress('compare on the test samples', () =>
    compared(tf, graph, mainGraph(chosen.module), parts.test),
  );
  const { calibration, validation, test } = parts;
  return {
    file,
    report: {
      model: { source: path, bytes: file.length },
      data: {
        source: request.data,
        calibration: calibration.count,
        validation: validation.count,
        test: test.count,
      },
      steps: chosen.steps,
      ...report,
      classes: test.classes,
      backend: name,
      seed,
    },
  };
}

function requireOneInput(graph: Graph, path: string): void {
  if (graph.inputs.length === 1 && graph.outputs.length === 1) return;
  const message = `has ${graph.inputs.length} inputs and ${graph.outputs.length} outputs; data has one of each`;
  throw new BonsaiError('unsupported-attribute', path, message, 'give a model with one of each');
}

interface Parts {
  readonly calibration: Dataset;
  readonly validation: Dataset;
  readonly test: Dataset;
}

/** A test sample is in no other part, so that no choice has seen it. */
async function partsOf({ data, classes, samples, seed }: QuantizeRequest, graph: Graph) {
  const shape = tensorOf(graph, graph.inputs[0] ?? 0).shape.slice(1);
  const all = await loadDataset(data, { shape, ...(classes === undefined ? {} : { classes }) });
  const { train, validation, test } = split(all, { validation: 0.15, test: 0.25, seed });
  const draw = (from: Dataset, most: number, purpose: string): Dataset => {
    if (from.count <= most) return from;
    const order = permutation(from.count, makeRandom(seedFor(seed, purpose)));
    return subset(from, order.subarray(0, most).sort());
  };
  return {
    calibration: draw(train, samples, 'calibration'),
    validation: draw(validation.count > 0 ? validation : train, mostValidation, 'validation'),
    test: test.count > 0 ? test : validation.count > 0 ? validation : train,
  };
}

interface Attempt {
  readonly module: Module;
  readonly graph: Graph;
  readonly snrDb: number;
}

/** Tries methods one after the other, and keeps each that raises the signal to noise. */
async function search(
  tf: Tf,
  module: Module,
  graph: Graph,
  parts: Parts,
  { calibration, weights }: QuantizeRequest,
  say: (text: string) => void,
): Promise<{ readonly module: Module; readonly steps: readonly QuantizeStep[] }> {
  const { graphs: _, ...head } = module;
  const score = scorer(tf, graph, parts.validation);
  const attempt = (from: Graph, seen: Observation, method: CalibrationMethod, correct: boolean) => {
    const quantization = quantizationOf(from, seen, { calibration: method, weights });
    const final = correct ? biasCorrected(tf, from, quantization, parts.calibration) : from;
    const made = lower(head, final, quantization);
    return { module: made, graph: final, snrDb: score(mainGraph(made)) };
  };
  const tried: { step: string; attempt: Attempt }[] = [];
  const note = async (step: string, made: Attempt): Promise<Attempt> => {
    tried.push({ step, attempt: made });
    say(`${step}: ${made.snrDb.toFixed(1)} dB`);
    // Lets the display draw.
    await new Promise(setImmediate);
    return made;
  };
  const seen = observe(tf, runnerOf(tf, graph), parts.calibration);
  const methods = calibration === 'auto' ? calibrationMethods : [calibration];
  let best: Attempt | null = null;
  let method: CalibrationMethod = methods[0];
  for (const candidate of methods) {
    const made = await note(`ranges by ${candidate}`, attempt(graph, seen, candidate, false));
    if (best === null || made.snrDb > best.snrDb) [best, method] = [made, candidate];
  }
  const even = equalized(graph);
  const seenEven = observe(tf, runnerOf(tf, even), parts.calibration);
  const balanced = await note('equalize layers', attempt(even, seenEven, method, false));
  const isEven = best === null || balanced.snrDb > best.snrDb;
  if (isEven) best = balanced;
  const corrected = await note(
    'correct biases',
    attempt(isEven ? even : graph, isEven ? seenEven : seen, method, true),
  );
  if (best === null || corrected.snrDb > best.snrDb) best = corrected;
  const kept = new Set([best, isEven && best !== balanced ? balanced : null]);
  const steps = tried.map(({ step, attempt: made }) => ({
    step,
    snrDb: made.snrDb,
    kept: kept.has(made) || step === `ranges by ${method}`,
  }));
  return { module: best.module, steps };
}

/** The signal to noise of an int8 graph's scores, before the activation that ends the graph. */
function scorer(tf: Tf, float: Graph, data: Dataset): (integer: Graph) => number {
  const open = (graph: Graph) => answerOf(graph, data.classes?.length ?? null).graph;
  const wanted = floatAnswers(tf, open(float), data).values;
  return (integer) => signalToNoise(wanted, integerAnswers(tf, open(integer), data).values);
}

function compared(tf: Tf, float: Graph, integer: Graph, test: Dataset) {
  const [wanted, got] = [floatAnswers(tf, float, test), integerAnswers(tf, integer, test)];
  const { kind } = answerOf(float, test.classes?.length ?? null);
  const classes = kind === 'values' ? null : ([classesOf(wanted), classesOf(got)] as const);
  const { labels } = test;
  const isLabelled = labels !== null && classes !== null;
  return {
    accuracy: isLabelled
      ? { float: agreement(classes[0], labels), int8: agreement(classes[1], labels) }
      : null,
    agreement: classes === null ? null : agreement(...classes),
    snrDb: signalToNoise(wanted.values, got.values),
    layers: layerNoise(tf, float, integer, test),
    confusion: isLabelled ? confusion(labels, classes[1], test.classes?.length ?? 0) : null,
  };
}
