/**
 * Measures the costs of kernels on a board: runs every variant of every operator on layers of all
 * kinds, and fits the cost of each term of work.
 */
import { type Costs, type CountUnit, goals, type Optimize } from '../../compiler/ir/op.js';
import { fitCosts } from './fit.js';
import { calibration, costLayers } from './layers.js';
import { type MeasuredTrial, type MeasureRequest, measureLayers } from './measure.js';

/** One kernel's fitted costs. */
export interface TunedKernel {
  readonly template: string;
  readonly optimize: Optimize;
  /** Term of work → cycles (or instructions, if the target counts these). */
  readonly costs: Readonly<Record<string, number>>;
  readonly layers: number;
  /** The largest relative deviation of a layer from the fit. */
  readonly worstError: number;
}

export interface Tuning {
  /** The unit of the costs. */
  readonly unit: CountUnit;
  readonly kernels: readonly TunedKernel[];
}

/**
 * Measures every kernel that the target can run, compiled for each of the goals.
 *
 * @throws BonsaiError of the toolchain or the device; 'outputs-differ' when a kernel is not exact
 */
export async function tune(
  request: MeasureRequest,
  compiledFor: readonly Optimize[] = goals,
): Promise<Tuning> {
  let unit = request.target.costUnit;
  const kernels: TunedKernel[] = [];
  const layers = [...calibration, ...costLayers];
  const { place, finish } = layerCounter(layers.length * compiledFor.length);
  const watched: MeasureRequest = {
    ...request,
    observe: (what) => request.observe?.(`${place()}: ${what}`),
    finish,
  };
  for (const optimize of compiledFor) {
    const measured = await measureLayers(layers, optimize, watched);
    unit = measured.unit;
    kernels.push(...fitAll(measured.trials, optimize));
  }
  return { unit, kernels };
}

/**
 * Counts the layers that are measured.
 *
 * @param now a clock in milliseconds; tests replace it
 * @returns `place` tells how many there are and how long the rest may take: 'layer 12/340, about 3
 *   min left'
 */
export function layerCounter(total: number, now: () => number = () => performance.now()) {
  const begin = now();
  let done = 0;
  return {
    finish: (layers: number) => {
      done += layers;
    },
    place(): string {
      const shown = `layer ${Math.min(done + 1, total)}/${total}`;
      if (done === 0 || done >= total) return shown;
      const seconds = ((now() - begin) / 1000 / done) * (total - done);
      const left = seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.round(seconds / 60)} min`;
      return `${shown}, about ${left} left`;
    },
  };
}

function fitAll(trials: readonly MeasuredTrial[], optimize: Optimize): readonly TunedKernel[] {
  const templates = [...new Set(trials.map(({ template }) => template))].sort();
  return templates.map((template) => {
    const samples = trials
      .filter((trial) => trial.template === template)
      .map(({ work, count }) => ({ counts: work, measured: count }));
    const { costs, worstError } = fitCosts(samples);
    return { template, optimize, costs, layers: samples.length, worstError };
  });
}

/** The costs in the format of costs.json. */
export function costTable(kernels: readonly TunedKernel[]): Required<Costs> {
  const of = (goal: Optimize) =>
    Object.fromEntries(
      kernels.flatMap(({ template, optimize, costs }) =>
        optimize === goal ? [[template, costs]] : [],
      ),
    );
  return { balanced: of('balanced'), speed: of('speed'), size: of('size') };
}
