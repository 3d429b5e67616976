/** The float model of this example, from the images. */
import type { Dataset } from '../../src/compress/data/dataset.js';
import { agreement, classesOf, floatAnswers } from '../../src/compress/score.js';
import type { Tf } from '../../src/compress/tensorflow.js';
import { epochLine, learningCurve } from '../../src/compress/train/curve.js';
import { train, trainDefaults } from '../../src/compress/train/loop.js';
import type { TrainOptions } from '../../src/compress/train/options.js';
import { type Graph, type Module, mainGraph } from '../../src/ir/graph.js';
import type { Say } from '../../src/progress.js';

export interface Parts {
  readonly train: Dataset;
  readonly validation: Dataset;
  readonly test: Dataset;
}

/** Twelve epochs with labels, unless the options say otherwise; images shift and are flipped. */
export async function trained(
  tf: Tf,
  untrained: Module,
  parts: Parts,
  options: Partial<TrainOptions> & { readonly seed: number; readonly teacher?: Graph },
  say: Say,
): Promise<Module> {
  const start = { graph: mainGraph(untrained), masks: new Map(), quantization: null };
  const { teacher, ...rest } = options;
  const { graph } = await train(tf, start, {
    data: parts.train,
    validation: parts.validation,
    teachers: teacher === undefined ? [] : [teacher],
    options: {
      ...{ ...trainDefaults, epochs: 12, batch: 128, learningRate: 0.002 },
      augmentation: { kind: 'image', flip: true, shift: 0.05, brightness: 0 },
      ...rest,
    },
    hooks: { epoch: (report, history) => say(epochLine(report), learningCurve(history)) },
  });
  return { ...untrained, graphs: [graph] };
}

/** The share of samples that a float model puts into the class of their label. */
export function rightShare(tf: Tf, module: Module, test: Dataset): number {
  const answers = classesOf(floatAnswers(tf, mainGraph(module), test));
  return agreement(answers, test.labels ?? new Int32Array());
}
