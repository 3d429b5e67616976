/**
 * Post-training quantization: ranges by each method, equalization and bias correction. Each stays
 * that raises the signal to noise of the scores on the validation samples.
 */
import type { Graph } from '../../compiler/ir/graph.js';
import { snrScorer } from '../assess.js';
import type { Candidate } from '../candidate.js';
import { biasCorrected, biasesOf } from '../quantize/bias.js';
import { type CalibrationMethod, calibrationMethods } from '../quantize/calibrate.js';
import { equalized } from '../quantize/equalize.js';
import { type Observation, observe } from '../quantize/observe.js';
import { quantizationOf } from '../quantize/ptq.js';
import { withTypes } from '../quantize/types.js';
import { runnerOf } from '../trace.js';
import type { Step } from './step.js';

interface Attempt {
  readonly name: string;
  readonly candidate: Candidate;
  readonly snrDb: number;
}

/** Lets the display draw. */
function drawn(say: () => void): Promise<unknown> {
  say();
  return new Promise(setImmediate);
}

export const quantizeStep: Step<'quantize'> = {
  async run(candidate, wanted, surroundings, say) {
    const { tf, data } = surroundings;
    const typed = withTypes(candidate.graph, wanted);
    const tried: Attempt[] = [];
    const kept: Attempt[] = [];
    const score = snrScorer(surroundings, typed.graph);
    const observed = (graph: Graph) => observe(tf, runnerOf(tf, graph), data.calibration);
    const attempt = async (
      name: string,
      graph: Graph,
      seen: Observation,
      method: CalibrationMethod,
      corrects = false,
    ): Promise<Attempt> => {
      const { weights, layers } = wanted;
      const options = { calibration: method, weights, layers, types: typed.types };
      const quantization = quantizationOf(graph, seen, options);
      const telling = { say: (text: string) => drawn(() => say(`${name}: ${text}`)) };
      const final = corrects
        ? await biasCorrected(tf, graph, quantization, data.calibration, telling)
        : graph;
      const whole = { masks: candidate.masks, graph: final, quantization };
      const made = corrects ? { ...whole, unrounded: biasesOf(graph) } : whole;
      const one = { name, candidate: made, snrDb: score(made) };
      tried.push(one);
      await drawn(() => say(`${name}: ${one.snrDb.toFixed(1)} dB`));
      return one;
    };
    const methods = wanted.calibration === 'auto' ? calibrationMethods : [wanted.calibration];
    let { graph } = typed;
    let seen = observed(graph);
    let [method] = methods;
    let best = await attempt(`ranges by ${method}`, graph, seen, method);
    for (const other of methods.slice(1)) {
      const one = await attempt(`ranges by ${other}`, graph, seen, other);
      if (one.snrDb > best.snrDb) [best, method] = [one, other];
    }
    kept.push(best);
    if (wanted.equalize) {
      const even = equalized(graph);
      const seenEven = observed(even);
      const one = await attempt('equalize layers', even, seenEven, method);
      if (one.snrDb > best.snrDb) [best, graph, seen] = [one, even, seenEven];
      if (best === one) kept.push(one);
    }
    if (wanted.correctBiases) {
      const one = await attempt('correct biases', graph, seen, method, true);
      if (one.snrDb > best.snrDb) best = one;
      if (best === one) kept.push(one);
    }
    const notes = tried.map((one) => {
      return `${one.name}: ${one.snrDb.toFixed(1)} dB${kept.includes(one) ? ', kept' : ''}`;
    });
    return { candidate: best.candidate, notes };
  },
};
