/** Runs layers on a board, each with every kernel that the target has for it. */

import { analyse } from '../../compiler/analysis/index.js';
import type { Shape, TensorData } from '../../compiler/ir/graph.js';
import type { CountUnit, Optimize } from '../../compiler/ir/op.js';
import { opOf } from '../../compiler/ops/index.js';
import type { Implementation } from '../../compiler/plan/schedule/parts.js';
import { BonsaiError, InternalError } from '../../errors.js';
import { findImage, flashableImage } from '../build/index.js';
import { isSimulated } from '../device/index.js';
import { flash } from '../flash/index.js';
import { measure } from '../profile/measure.js';
import { seededVectors } from '../profile/seeded-vectors.js';
import type { Target } from '../target/index.js';
import type { Layer } from './layers.js';
import { emptyGraph, type Program, withProgram } from './program.js';
import { type Trial, trialsOf } from './trials.js';

export interface MeasureRequest {
  readonly target: Target;
  /** As for `measure` of profile/measure.ts. */
  readonly port: string;
  readonly cc?: string | undefined;
  /** Called with a description of the next action. */
  readonly observe?: (what: string) => void;
  /** Called with the number of layers that a program has measured. */
  readonly finish?: (layers: number) => void;
  /** Chooses the kernels for each layer; by default every kernel that can compute it. */
  readonly trials?: typeof trialsOf;
  /**
   * Counts each layer of a program in one run: a model of the core whose simulator counts
   * instructions, for instance. By default the board counts.
   */
  readonly countLayers?: CountLayers;
}

export type CountLayers = (
  program: Pick<Program, 'manifest' | 'built'>,
  inputs: readonly TensorData[],
) => Promise<readonly number[]>;

/** The measurement of one kernel on one layer. */
export interface MeasuredTrial extends Trial {
  /** Term of work → number of times. */
  readonly work: Readonly<Record<string, number>>;
  /** Cycles (or instructions, if the target counts these), above 0. */
  readonly count: number;
  /** Encoded weights and their indices. */
  readonly weightBytes: number;
  readonly macs: number;
  readonly outputs: readonly Shape[];
}

export interface MeasuredLayers {
  readonly unit: CountUnit;
  /** The deepest of all programs; 0: not measured. */
  readonly stackBytes: number;
  readonly trials: readonly MeasuredTrial[];
}

/**
 * Measures all layers in one program if it fits the board, otherwise in several. Each trial is
 * checked bit for bit.
 *
 * @throws BonsaiError of the toolchain or the device; 'outputs-differ' when a kernel is not exact
 */
export async function measureLayers(
  layers: readonly Layer[],
  optimize: Optimize,
  request: MeasureRequest,
): Promise<MeasuredLayers> {
  try {
    const measured = await measureProgram(layers, optimize, request);
    request.finish?.(layers.length);
    return measured;
  } catch (error) {
    const isTooLarge = error instanceof BonsaiError && error.code === 'over-budget';
    if (!isTooLarge || layers.length < 2) throw error;
    const middle = Math.ceil(layers.length / 2);
    const first = await measureLayers(layers.slice(0, middle), optimize, request);
    const second = await measureLayers(layers.slice(middle), optimize, request);
    const stackBytes = Math.max(first.stackBytes, second.stackBytes);
    return { unit: first.unit, stackBytes, trials: [...first.trials, ...second.trials] };
  }
}

async function measureProgram(
  layers: readonly Layer[],
  optimize: Optimize,
  request: MeasureRequest,
): Promise<MeasuredLayers> {
  const { target, port, cc, observe = () => {}, trials: choose = trialsOf, countLayers } = request;
  // Without cache misses, which are modelled separately.
  const { regions: _, ...flat } = target;
  const { module, trials } = choose(layers, {
    ...{ target: flat, optimize },
    facts: analyse(emptyGraph),
  });
  observe(`Build ${trials.length} layers for ${target.name}`);
  return withProgram({ module, trials, target, optimize, cc }, async (program) => {
    const { planned, manifest, built } = program;
    const image = findImage(built);
    if (!isSimulated(port)) {
      observe(`Flash over ${port}`);
      await flash(flashableImage(built), port, target);
    }
    observe(`Run ${trials.length} layers`);
    const vectors = seededVectors(manifest.plan, module).slice(0, 1);
    const { verify, latency, layerCounts, stackBytes } = await measure({
      ...{ manifest, module, target, port, image, vectors },
      ...{ xip: 'ideal', tell: observe },
    });
    if (verify.mismatches > 0) {
      throw new BonsaiError(
        'outputs-differ',
        port,
        `layer "${verify.firstDivergingLayer?.name}" is not what the evaluator computes`,
        'please report this with the board and the compiler',
      );
    }
    const counts = await (countLayers?.(program, vectors[0]?.inputs ?? []) ?? layerCounts);
    return {
      unit: latency.unit,
      stackBytes: stackBytes ?? 0,
      trials: trials.map((trial, position) => ({
        ...trial,
        ...doneBy(planned.implementations[position] ?? null),
        count: Math.max(1, counts[position] ?? 1),
      })),
    };
  });
}

/** What a trial's kernel does and stores. */
function doneBy(
  implementation: Implementation | null,
): Pick<MeasuredTrial, 'work' | 'weightBytes' | 'macs' | 'outputs'> {
  const [part] = implementation?.parts ?? [];
  if (part === undefined) throw new InternalError('tune', 'a layer without a kernel');
  const { view, kernel } = part;
  const work = Object.entries(kernel.work());
  return {
    macs: opOf(view.node).macs(view),
    outputs: view.outputs.map(({ shape }) => shape),
    work: Object.fromEntries(work.map(([term, { count }]) => [term, count])),
    weightBytes: kernel.outlines().reduce((sum, { bytes }) => sum + bytes.weights, 0),
  };
}
