/** A .tflite file → graph, and names of inputs and outputs. */
import type { BonsaiError } from '../../../errors.js';
import type { Module } from '../../ir/graph.js';
import type { RuntimeRounding } from '../../ir/rounding.js';
import { type LoopStyle, withControlFlow } from './control-flow.js';
import { withListWrites } from './list-writes.js';
import { printable, type RawModel, rawTensor, readModel } from './read.js';
import { type InputShape, withShapes } from './shapes.js';
import { checkIndices, importMain, main } from './subgraph.js';

/** @throws BonsaiError with exit status 2 */
export function importTflite(
  bytes: Uint8Array,
  options: {
    readonly where: string;
    readonly rounding: RuntimeRounding;
    readonly strict?: boolean;
    readonly shapes?: readonly InputShape[];
    readonly loops?: LoopStyle;
  },
): Pick<Module, 'graphs' | 'inputNames' | 'outputNames' | 'edgeTypes' | 'ignored'> {
  const ignored: BonsaiError[] = [];
  const file = readModel(bytes, options.where, (error) => {
    if (options.strict === true) throw error;
    ignored.push(error);
  });
  const raw = withControlFlow(shapedModel(file, options.shapes), options.rounding, options.loops);
  const { graph, inputs, outputs, edgeTypes } = importMain(raw, options.rounding);
  return {
    graphs: [graph],
    ...(edgeTypes === undefined ? {} : { edgeTypes }),
    ...(ignored.length === 0
      ? {}
      : { ignored: ignored.map(({ where, message }) => `${where} ${message}`) }),
    inputNames: ioNames(raw, 'inputs', inputs),
    outputNames: ioNames(raw, 'outputs', outputs),
  };
}

/** The model with the shapes that the user gives to its inputs, or that it computes itself. */
export function shapedModel(file: RawModel, shapes: readonly InputShape[] = []): RawModel {
  const raw = withListWrites(file);
  const subgraph = raw.subgraphs[main];
  if (subgraph === undefined) return raw;
  checkIndices(raw, subgraph);
  return withShapes(raw, shapes, ioNames(raw, 'inputs', subgraph.inputs));
}

/** Distinct names: those of the main subgraph's signature, else the tensors' own names. */
function ioNames(
  raw: RawModel,
  kind: 'inputs' | 'outputs',
  tensors: readonly number[],
): readonly string[] {
  const signature = raw.signatureDefs.find(({ subgraphIndex }) => subgraphIndex === main);
  const given = new Map(signature?.[kind].map(({ tensorIndex, name }) => [tensorIndex, name]));
  const names = tensors.map((tensor, position) => {
    const subgraph = raw.subgraphs[main];
    const own = subgraph === undefined ? '' : rawTensor(raw, subgraph, tensor).name;
    return printable(given.get(tensor) || own) || `${kind.slice(0, -1)}_${position}`;
  });
  return names.map((name, position) =>
    names.indexOf(name) === position ? name : `${name}_${position}`,
  );
}
