/** TensorFlow.js's own models as files, and what it predicts. */
import type * as tfLayers from '@tensorflow/tfjs-layers';
import { importModel } from '../../src/compiler/formats/index.js';
import { elementCount, type Graph, type Module, mainGraph } from '../../src/compiler/ir/graph.js';
import type { Tf, TfTensor } from '../../src/compress/tensorflow.js';
import { runnerOf } from '../../src/compress/trace.js';
import { Random } from '../support/module.js';

export interface Saved {
  readonly json: Uint8Array;
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** The files that `model.save('file://…')` writes. */
export async function saved(model: tfLayers.LayersModel): Promise<Saved> {
  let result: Saved | null = null;
  await model.save({
    async save(artifacts) {
      const { modelTopology, weightSpecs = [], weightData } = artifacts;
      const buffers = Array.isArray(weightData) ? weightData : [weightData];
      const bytes = Buffer.concat(buffers.map((part) => Buffer.from(part as ArrayBuffer)));
      const weightsManifest = [{ paths: ['weights.bin'], weights: weightSpecs }];
      const json = { format: 'layers-model', modelTopology, weightsManifest };
      result = {
        json: Buffer.from(JSON.stringify(json)),
        files: new Map([['weights.bin', bytes]]),
      };
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
    },
  });
  return result as unknown as Saved;
}

export function imported({ json, files }: Saved): Module {
  return importModel(json, {
    ...{ name: 'model', where: 'model.json', rounding: 'tflm' },
    beside: (name) => {
      const file = files.get(name);
      if (file === undefined) throw new Error(`no file ${name}`);
      return file;
    },
  });
}

export function shapeOf(graph: Graph, id: number | undefined): readonly number[] {
  return graph.tensors[id ?? 0]?.shape ?? [];
}

/** Random inputs of the graph for `batch` samples. */
export function inputsFor(tf: Tf, graph: Graph, batch: number, seed: number): TfTensor[] {
  const random = new Random(seed);
  return graph.inputs.map((id) => {
    const [, ...shape] = shapeOf(graph, id);
    const count = batch * elementCount(shape);
    const x = Float32Array.from({ length: count }, () => random.integer(-1000, 1000) / 500);
    return tf.tensor(x, [batch, ...shape]);
  });
}

export function run(tf: Tf, graph: Graph, inputs: readonly TfTensor[]): readonly TfTensor[] {
  return runnerOf(tf, graph).run(inputs);
}

/** The largest difference of two tensors, in units of the larger of 1 and the largest value. */
export function difference(a: TfTensor, b: TfTensor): number {
  if (String(a.shape) !== String(b.shape)) return Number.POSITIVE_INFINITY;
  const [x, y] = [a.dataSync(), b.dataSync()];
  let most = 0;
  let scale = 1;
  for (let i = 0; i < x.length; i += 1) {
    most = Math.max(most, Math.abs((x[i] as number) - (y[i] as number)));
    scale = Math.max(scale, Math.abs(y[i] as number));
    if (!Number.isFinite(x[i])) return Number.POSITIVE_INFINITY;
  }
  return most / scale;
}

export { mainGraph };
