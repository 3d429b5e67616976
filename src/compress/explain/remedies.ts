/** What helps the layers that lose most: each remedy tried on one layer, the others in float. */
import { type TensorId, tensorOf } from '../../compiler/ir/graph.js';
import type { Candidate } from '../candidate.js';
import type { Cost, CostOf } from '../cost.js';
import { type Dataset, thinned } from '../data/dataset.js';
import { nodeNames, weighted, withValues } from '../float-graph.js';
import { type CalibrationMethod, calibrationMethods } from '../quantize/calibrate.js';
import { equalized } from '../quantize/equalize.js';
import { lower, type ModuleHead } from '../quantize/lower.js';
import { type Observation, observe } from '../quantize/observe.js';
import { quantizationOf } from '../quantize/ptq.js';
import { learnedRounding, roundDefaults } from '../quantize/round.js';
import {
  type Quantization,
  scaleAxis,
  tiesOf,
  type WeightQuant,
  weightQuant,
} from '../quantize/scheme.js';
import type { GivenSettings } from '../recipe.js';
import { signalToNoise } from '../score.js';
import type { Tf } from '../tensorflow.js';
import { runnerOf } from '../trace.js';
import { type ExplainedLayer, partialQuantizer, scoresOf, type Twin } from './layers.js';
import { wider } from './wider.js';

export interface Remedy {
  /** Index of the node. */
  readonly layer: number;
  readonly name: string;
  readonly remedy: string;
  /** Rise of `scoresDb` of the layer, in dB. */
  readonly gainDb: number;
  /** Rise of the signal to noise of the scores of the whole int8 model, in dB. */
  readonly wholeDb: number;
  /** What does it in a recipe. */
  readonly step: GivenSettings;
  /** Estimates of the whole model more than without it; null without a target. */
  readonly added: Pick<Cost, 'count' | 'unit' | 'flashBytes' | 'ramBytes'> | null;
}

/** Layers that remedies are looked for, and samples whose scores are compared, at most. */
const [mostLayers, mostSamples] = [3, 64];
/** A smaller gain is no remedy, nor is one that harms the whole: other layers may hide the gain. */
const [leastGainDb, leastWholeDb] = [0.2, -0.1];
/** Enough to tell the gain; a recipe's step takes more. */
const roundOptions = { ...roundDefaults, iterations: 300, rows: 4096 };

/** A candidate with one thing changed, and its float twin. */
interface Attempt {
  readonly remedy: string;
  readonly twin: Twin;
  readonly step: GivenSettings;
}

export interface RemedyMaterials {
  readonly tf: Tf;
  readonly head: ModuleHead;
  readonly calibration: Dataset;
  readonly costOf: CostOf | null;
  readonly seed: number;
}

/**
 * Remedies of the layers with weights that cost the scores most signal, best first for each; int16,
 * which costs time, comes last.
 */
export async function findRemedies(
  { tf, head, calibration, costOf, seed }: RemedyMaterials,
  twin: Twin,
  layers: readonly ExplainedLayer[],
  test: Dataset,
): Promise<readonly Remedy[]> {
  const few = thinned(test, mostSamples);
  /** Of the scores with the layer of this output quantized; null: with all. */
  const snrOf = (tried: Twin, output: TensorId | null) => {
    const partly = partialQuantizer(tf, tried);
    const { nodes } = tried.graph;
    const hooks = partly.hooks((one) => output === null || nodes[one]?.outputs[0] === output);
    const wanted = scoresOf(tf, tried.float, few, {});
    const got = scoresOf(tf, tried.graph, few, hooks);
    partly.dispose();
    return signalToNoise(wanted, got);
  };
  const costOfTwin = ({ graph, quantization }: Twin) =>
    costOf === null ? null : costOf(lower(head, graph, quantization));
  const worst = layers
    .filter(({ op, scoresDb }) => weighted.has(op) && Number.isFinite(scoresDb))
    .sort((a, b) => a.scoresDb - b.scoresDb)
    .slice(0, mostLayers);
  const before = costOfTwin(twin);
  const whole = snrOf(twin, null);
  const found: Remedy[] = [];
  const even = evenTwin(tf, twin, calibration);
  const seen = observe(tf, runnerOf(tf, twin.float), calibration);
  const ranges = rangesByMethod(twin, seen);
  for (const { index, name } of worst) {
    const output = twin.graph.nodes[index]?.outputs[0] ?? null;
    const base = snrOf(twin, output);
    const measured = (attempt: Attempt | null): readonly Remedy[] => {
      if (attempt === null) return [];
      const { remedy, twin: tried, step } = attempt;
      const gainDb = snrOf(tried, output) - base;
      if (!(gainDb >= leastGainDb)) return [];
      const wholeDb = snrOf(tried, null) - whole;
      if (!(wholeDb >= leastWholeDb)) return [];
      const added = addedBy(costOfTwin(tried), before);
      return [{ layer: index, name, remedy, gainDb, wholeDb, added, step }];
    };
    const attempts = [
      even,
      bestRanges(twin, index, ranges, (tried) => snrOf(tried, output)),
      perChannel(twin, index),
      await rounded(tf, twin, index, calibration, seed),
    ];
    const own = attempts.flatMap(measured).sort((a, b) => b.gainDb - a.gainDb);
    // It alone costs much time: the last way, where the others do less for the whole.
    const least = Math.max(0, ...own.map(({ wholeDb }) => wholeDb)) + leastGainDb;
    const wide = measured(inInt16(twin, index, seen)).filter(({ wholeDb }) => wholeDb >= least);
    found.push(...own, ...wide);
  }
  return found;
}

function addedBy(after: Cost | null, before: Cost | null): Remedy['added'] {
  if (after === null || before === null) return null;
  return {
    ...{ count: after.count - before.count, unit: after.unit },
    flashBytes: after.flashBytes - before.flashBytes,
    ramBytes: after.ramBytes - before.ramBytes,
  };
}

/** What a quantization has, as options for another one. */
function optionsOf({ weights, activations }: Quantization) {
  const types = new Map([...activations].map(([id, { type }]) => [id, type] as const));
  return { weights: [...weights.values()][0]?.type ?? 'int8', types };
}

function evenTwin(tf: Tf, { float, quantization }: Twin, calibration: Dataset): Attempt {
  const graph = equalized(float);
  const seen = observe(tf, runnerOf(tf, graph), calibration);
  const options = { calibration: 'min-max', ...optionsOf(quantization) } as const;
  const scales = quantizationOf(graph, seen, options);
  const even = { float: graph, graph, quantization: scales };
  return { remedy: 'equalize', twin: even, step: { step: 'quantize', equalize: true } };
}

type Ranges = ReadonlyMap<CalibrationMethod, Quantization['activations']>;

function rangesByMethod({ float, quantization }: Twin, seen: Observation): Ranges {
  const rest = optionsOf(quantization);
  return new Map(
    calibrationMethods.map((method) => {
      const options = { calibration: method, ...rest };
      return [method, quantizationOf(float, seen, options).activations];
    }),
  );
}

/** The method that suits the range of the layer's output best. */
function bestRanges(
  twin: Twin,
  index: number,
  ranges: Ranges,
  snrOf: (tried: Twin) => number,
): Attempt {
  const { float, quantization } = twin;
  const ties = tiesOf(float);
  const name = nodeNames(float)[index] ?? '';
  const leader = ties.leader(float.nodes[index]?.outputs[0] as TensorId);
  const attempts = [...ranges].map(([method, activations]) => {
    const mixed = [...quantization.activations].map(
      ([id, quant]) =>
        [id, ties.leader(id) === leader ? (activations.get(id) ?? quant) : quant] as const,
    );
    const own = { ...quantization, activations: new Map(mixed) };
    const step = { step: 'quantize', layers: { [name]: { calibration: method } } } as const;
    return { remedy: `ranges by ${method}`, twin: { ...twin, quantization: own }, step };
  });
  const snrs = attempts.map((attempt) => snrOf(attempt.twin));
  return attempts[snrs.indexOf(Math.max(...snrs))] as Attempt;
}

/** A scale for each output of a fully connected layer, which has one for all. */
function perChannel(twin: Twin, index: number): Attempt | null {
  const node = twin.float.nodes[index];
  const id = node?.inputs[1] ?? null;
  const quant = id === null ? undefined : twin.quantization.weights.get(id);
  if (node === undefined || id === null || quant === undefined || quant.axis !== null) return null;
  if (scaleAxis(node) !== null) return null;
  const own = weightQuant(tensorOf(twin.float, id), weighted.get(node.op) ?? 0, quant.type);
  const weights = new Map<TensorId, WeightQuant>([...twin.quantization.weights, [id, own]]);
  const graph = withValues(
    twin.graph,
    new Map([[id, tensorOf(twin.float, id).data as Float32Array]]),
  );
  const name = nodeNames(twin.float)[index] ?? '';
  return {
    remedy: 'a scale for each channel',
    twin: { ...twin, graph, quantization: { ...twin.quantization, weights } },
    step: { step: 'quantize', layers: { [name]: { perChannel: true } } },
  };
}

/** int16 for the layer, and for those that read its output. */
function inInt16(twin: Twin, index: number, seen: Observation): Attempt | null {
  const found = wider(twin, index, seen);
  if (found === null) return null;
  const remedy = found.withReaders ? 'int16 for it and its readers' : 'int16';
  return { remedy, twin: found.twin, step: { step: 'quantize', layers: found.layers } };
}

async function rounded(
  tf: Tf,
  twin: Twin,
  index: number,
  calibration: Dataset,
  seed: number,
): Promise<Attempt> {
  const { float, quantization } = twin;
  const start: Candidate = { graph: float, masks: new Map(), quantization };
  const only = new Set([float.nodes[index]?.inputs[1] as TensorId]);
  const options = { ...roundOptions, seed, only };
  const { candidate } = await learnedRounding(tf, start, float, calibration, options);
  const learned = { ...twin, graph: candidate.graph };
  return { remedy: 'learned rounding', twin: learned, step: { step: 'round' } };
}
