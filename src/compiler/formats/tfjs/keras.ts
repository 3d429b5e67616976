/** A model of layers (Keras's Sequential and Functional) → the IR's graph. */
import { BonsaiError } from '../../../errors.js';
import { printableLine } from '../../../printable.js';
import type { Graph, Shape, TensorId } from '../../ir/graph.js';
import { type Build, newBuild, type Rounding } from './build.js';
import { convertAgain, corrupt, type Fields, fieldsOf, shown } from './fields.js';
import { layers, supported } from './layers.js';
import type { RawModel, Weight } from './read.js';

export interface Imported {
  readonly graph: Graph;
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
}

/** A layer of the file. */
interface RawLayer {
  readonly kind: string;
  readonly name: string;
  readonly config: Fields;
  readonly entry: Fields;
}

/** The walk over a model and the models inside of it. */
interface Walk {
  readonly build: Build;
  readonly weights: ReadonlyMap<string, Weight>;
  /** Names of the models around, outermost first. */
  readonly path: readonly string[];
  readonly inputNames: string[];
  /** Counts layers. */
  readonly next: () => number;
}

/** The most layers, and models inside of models, that a file may have; real ones have hundreds. */
const maxLayers = 65536;
const maxDepth = 32;

const containers: ReadonlySet<string> = new Set(['Sequential', 'Functional', 'Model']);

/** @throws BonsaiError with exit status 2 */
export function importLayers(raw: RawModel, rounding: Rounding): Imported {
  const { topology, where, weights } = raw;
  const model = topology.raw('model_config') ?? raw.json.raw('modelTopology');
  const build = newBuild(rounding);
  let count = 0;
  const next = () => {
    count += 1;
    if (count <= maxLayers) return count - 1;
    throw new BonsaiError('too-large', where, `has more than ${maxLayers} layers`, convertAgain);
  };
  const inputNames: string[] = [];
  const outputs = applied({ build, weights, path: [], inputNames, next }, layerOf(model), []);
  return {
    graph: build.finish(outputs),
    inputNames,
    outputNames: outputs.map((_, i) => (outputs.length === 1 ? 'output' : `output_${i}`)),
  };
}

function layerOf(entry: unknown, where = 'modelTopology'): RawLayer {
  const fields = fieldsOf(entry, where);
  const kind = fields.text('class_name');
  const own = fields.raw('config');
  // Old Sequential models are a list of layers.
  const config = fieldsOf(Array.isArray(own) ? { layers: own } : own, `${where}, ${kind}`);
  const name = printableLine(config.text('name', fields.text('name', kind)));
  return { kind, name, config, entry: fields };
}

/** The outputs of a model for `inputs`; without any, those that its own input layers make. */
function applied(walk: Walk, model: RawLayer, inputs: readonly TensorId[]): readonly TensorId[] {
  if (walk.path.length > maxDepth) {
    throw corrupt(`model "${model.name}"`, `lies in ${maxDepth} models, one in another`);
  }
  if (model.kind === 'Sequential') return [sequence(walk, model, inputs)];
  if (containers.has(model.kind)) return functional(walk, model, inputs);
  const hint = 'give a Sequential or Functional model';
  const message = `${shown(model.kind)} is not supported`;
  throw new BonsaiError('unsupported-operator', `model "${model.name}"`, message, hint);
}

function sequence(walk: Walk, model: RawLayer, inputs: readonly TensorId[]): TensorId {
  const all = model.config.list('layers').map((entry) => layerOf(entry));
  const [first, ...rest] = all;
  if (first === undefined) throw corrupt(`model "${model.name}"`, 'has no layers');
  const [given] = inputs;
  const isInput = first.kind === 'InputLayer';
  // A model in front makes its own inputs.
  const isBare = given === undefined && !isInput && !containers.has(first.kind);
  let current: readonly TensorId[] = inputs;
  if (given === undefined && (isInput || isBare)) current = [inputOf(walk, first)];
  for (const layer of isInput ? rest : all) current = place(walk, layer, current);
  const [output] = current;
  if (output === undefined) throw corrupt(`model "${model.name}"`, 'has no output');
  return output;
}

/** The outputs of one layer, or of a model as a layer. */
function place(walk: Walk, layer: RawLayer, inputs: readonly TensorId[]): readonly TensorId[] {
  const { kind, name, config } = layer;
  if (containers.has(kind)) {
    return applied({ ...walk, path: [...walk.path, name] }, layer, inputs);
  }
  const { build, path } = walk;
  build.begin({ index: walk.next(), kind, name: [...path, name].join('/') });
  const compute = layers.get(kind);
  if (compute === undefined) throw unknownLayer(build, kind);
  const weight = (own: string): Weight => {
    const found = weightOf(walk, name, own);
    if (found !== undefined) return found;
    const message = `has no weight "${printableLine(`${name}/${own}`)}" in the manifest`;
    throw new BonsaiError('corrupt-model', build.where, message, convertAgain);
  };
  return [compute({ build, config, inputs, weight })];
}

const recurrent = /LSTM|GRU|RNN|Bidirectional|TimeDistributed/;

function unknownLayer({ where }: Build, kind: string): BonsaiError {
  const advice = recurrent.test(kind) ? 'use convolutions over time' : 'replace the layer';
  const hint = `${advice}: ${supported(layers.keys())}`;
  const message = `the layer ${shown(kind)} is not supported`;
  return new BonsaiError('unsupported-operator', where, message, hint);
}

/** Names are 'layer/kernel', in some files with the names of the models around in front. */
function weightOf({ weights, path }: Walk, layer: string, own: string): Weight | undefined {
  return path
    .map((_, depth) => path.slice(depth))
    .concat([[]])
    .map((around) => weights.get([...around, layer, own].join('/')))
    .find((weight) => weight !== undefined);
}

/** A new input of the graph. */
function inputOf(walk: Walk, { config, name, kind }: RawLayer): TensorId {
  const { build } = walk;
  build.begin({ index: walk.next(), kind, name });
  const declared = config.raw('batch_input_shape') ?? config.raw('batch_shape');
  if (!Array.isArray(declared)) {
    const hint = "give the first layer 'inputShape', and save the model again";
    throw new BonsaiError('bad-shape', build.where, 'declares no shape of the input', hint);
  }
  const dtype = config.text('dtype', 'float32');
  if (dtype !== 'float32') {
    const hint = 'use an input of float32';
    throw new BonsaiError('unsupported-type', build.where, `takes an input of ${dtype}`, hint);
  }
  walk.inputNames.push(name);
  return build.input(name, fixedShape(build, declared));
}

/** An unknown batch becomes 1. @throws BonsaiError 'bad-shape' for any other unknown extent */
export function fixedShape(build: Build, declared: readonly unknown[]): Shape {
  const [batch, ...rest] = declared;
  const isBatch = batch === null || batch === -1 || batch === 1;
  if (isBatch && rest.every((extent) => Number.isInteger(extent) && Number(extent) > 0)) {
    return [1, ...(rest as number[])];
  }
  const message = `has an input of the dynamic shape ${shown(declared)}`;
  const hint = 'fix every extent of the input but the batch, which is 1, and save the model again';
  throw new BonsaiError('bad-shape', build.where, message, hint);
}

/** [layer, index of its call, output] */
type Reference = readonly [string, number, number];

/** A call of a layer, whose inputs are outputs of others. */
interface Call {
  readonly layer: RawLayer;
  readonly key: string;
  readonly inputs: readonly Reference[];
}

function functional(walk: Walk, model: RawLayer, given: readonly TensorId[]): readonly TensorId[] {
  const { config } = model;
  const all = config.list('layers').map((entry) => layerOf(entry));
  const values = new Map<string, readonly TensorId[]>();
  const inputs = references(config.raw('input_layers'), model);
  const byName = new Map(all.map((layer) => [nameOf(layer), layer]));
  inputs.forEach(([name, call], i) => {
    const layer = byName.get(name);
    if (layer === undefined) throw corrupt(`model "${model.name}"`, `has no layer ${shown(name)}`);
    const own = given[i];
    values.set(keyOf(name, call), [own ?? inputOf(walk, layer)]);
  });
  const outputs = references(config.raw('output_layers'), model);
  runInOrder(walk, callsOf(all, outputs), values, model);
  return outputs.map(([name, call, output]) => {
    const value = values.get(keyOf(name, call))?.[output];
    if (value !== undefined) return value;
    throw corrupt(`model "${model.name}"`, `has no output of the layer ${shown(name)}`);
  });
}

function nameOf({ entry, name }: RawLayer): string {
  return entry.text('name', name);
}

function keyOf(layer: string, call: number): string {
  return `${call}/${layer}`;
}

/**
 * Calls are counted from 0; those of a model as a layer from 1 where 0 was its own making (Keras's
 * _should_skip_first_node).
 */
function callsOf(all: readonly RawLayer[], outputs: readonly Reference[]): readonly Call[] {
  const given = all.map((layer) => ({
    layer,
    calls: layer.entry.list('inbound_nodes').map((node) => references(node, layer)),
  }));
  const read = [...given.flatMap(({ calls }) => calls.flat()), ...outputs];
  const firsts = new Set(read.map(([name, call]) => keyOf(name, call)));
  return given.flatMap(({ layer, calls }) => {
    const name = nameOf(layer);
    const from = containers.has(layer.kind) && !firsts.has(keyOf(name, 0)) ? 1 : 0;
    return calls.map((inputs, i): Call => ({ layer, key: keyOf(name, from + i), inputs }));
  });
}

/**
 * [["a", 0, 0], ["b", 0, 0, {}]], one of them alone, or a call as Keras 3 writes it, with tensors
 * among its arguments.
 */
function references(value: unknown, layer: RawLayer): readonly Reference[] {
  if (!Array.isArray(value)) {
    const found: Reference[] = [];
    historiesIn(value, found);
    return found;
  }
  const list = typeof value[0] === 'string' ? [value] : value;
  return list.map((entry): Reference => {
    const [name, call = 0, output = 0] = Array.isArray(entry) ? entry : [entry];
    if (typeof name === 'string' && Number.isInteger(call) && Number.isInteger(output)) {
      return [name, call, output];
    }
    throw corrupt(`layer "${layer.name}"`, `refers to ${shown(entry)}`);
  });
}

function historiesIn(value: unknown, found: Reference[], depth = 0): void {
  if (typeof value !== 'object' || value === null || depth > maxDepth) return;
  const { keras_history: history } = value as { keras_history?: unknown };
  if (Array.isArray(history)) {
    const [name, call, output] = history;
    found.push([String(name), Number(call), Number(output)]);
    return;
  }
  for (const inner of Object.values(value)) historiesIn(inner, found, depth + 1);
}

/** Calls each layer when its inputs are there. @throws BonsaiError 'bad-graph' for a cycle */
function runInOrder(
  walk: Walk,
  calls: readonly Call[],
  values: Map<string, readonly TensorId[]>,
  model: RawLayer,
): void {
  const waiting = new Map<string, Call[]>();
  const missing = new Map<Call, number>();
  const ready: Call[] = [];
  for (const call of calls) {
    if (values.has(call.key)) continue;
    const open = new Set(
      call.inputs.map(([name, i]) => keyOf(name, i)).filter((key) => !values.has(key)),
    );
    missing.set(call, open.size);
    for (const key of open) {
      const readers = waiting.get(key) ?? [];
      readers.push(call);
      waiting.set(key, readers);
    }
    if (open.size === 0) ready.push(call);
  }
  // Grows while it runs.
  for (const call of ready) {
    const operands = call.inputs.map(([name, i, output]) => {
      const value = values.get(keyOf(name, i))?.[output];
      if (value !== undefined) return value;
      throw corrupt(`layer "${call.layer.name}"`, `reads output ${output} of ${shown(name)}`);
    });
    values.set(call.key, place(walk, call.layer, operands));
    missing.delete(call);
    for (const reader of waiting.get(call.key) ?? []) {
      const open = (missing.get(reader) ?? 0) - 1;
      missing.set(reader, open);
      if (open === 0) ready.push(reader);
    }
  }
  const [stuck] = missing.keys();
  if (stuck === undefined) return;
  const where = `layer "${stuck.layer.name}"`;
  const message = `reads ${shown(stuck.inputs)}, which depends on it, or which nothing computes`;
  throw new BonsaiError('bad-graph', where, `${message} (in "${model.name}")`, convertAgain);
}
