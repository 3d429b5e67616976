/** A frozen graph (TensorFlow.js's graph model) → the IR's graph. */
import { BonsaiError } from '../../../errors.js';
import { printableLine } from '../../../printable.js';
import type { TensorId } from '../../ir/graph.js';
import { newBuild, type Rounding } from './build.js';
import { convertAgain, fieldsOf } from './fields.js';
import { type GraphNode, missing, nodesOf, referenceOf } from './graph-def.js';
import { fixedShape, type Imported } from './keras.js';
import { supported } from './layers.js';
import { type Operation, ops, type Value } from './ops.js';
import type { RawModel } from './read.js';

/** Nodes without an output that others read. */
const silent: ReadonlySet<string> = new Set(['NoOp', 'Assert']);

/** @throws BonsaiError with exit status 2 */
export function importGraphModel(raw: RawModel, rounding: Rounding): Imported {
  const nodes = nodesOf(raw.topology);
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const signature = raw.json.raw('signature') ?? raw.json.raw('userDefinedMetadata');
  const outputs = outputsOf(raw, nodes, signature);
  const needed = inOrder(
    byName,
    outputs.map(({ reference }) => reference[0]),
  );
  const build = newBuild(rounding);
  const values = new Map<string, Value>();
  const inputNames: string[] = [];
  const inputNameOf = namesOf(signature, 'inputs', raw.where);
  for (const node of needed) {
    build.begin({
      index: node.index,
      kind: printableLine(node.op),
      name: printableLine(node.name),
    });
    if (silent.has(node.op)) continue;
    if (node.op === 'Placeholder') {
      const dtype = node.attrs.has('dtype') ? raw.topology : null;
      inputNames.push(inputNameOf(node.name) ?? printableLine(node.name));
      const shape = node.attrs.shape('shape');
      if (dtype === null || shape === null) {
        const hint = 'fix the shape of the input, and convert the model again';
        throw new BonsaiError('bad-shape', build.where, 'has an input without a shape', hint);
      }
      const id = build.input(printableLine(node.name), fixedShape(build, shape));
      values.set(node.name, { kind: 'computed', id });
      continue;
    }
    if (node.op === 'Const') {
      const weight = raw.weights.get(node.name);
      if (weight === undefined) throw missing(build.where, 'has no weight in the manifest');
      values.set(node.name, { kind: 'constant', weight });
      continue;
    }
    const op = ops.get(node.op);
    if (op === undefined) {
      const message = `the operator ${printableLine(node.op)} is not supported`;
      const hint = `replace the layer: ${supported(ops.keys())}`;
      throw new BonsaiError('unsupported-operator', build.where, message, hint);
    }
    values.set(node.name, op(operationOf(build, node, values)));
  }
  const ids = outputs.map(({ reference: [name] }): TensorId => {
    const value = values.get(name);
    if (value?.kind === 'computed') return value.id;
    throw missing(`output "${printableLine(name)}"`, 'is not computed from an input');
  });
  const outputNames = outputs.map(({ name }) => name);
  return { graph: build.finish(ids), inputNames, outputNames };
}

function operationOf(
  build: Operation['build'],
  node: GraphNode,
  values: ReadonlyMap<string, Value>,
): Operation {
  const value = (i: number): Value => {
    const [name, output] = node.inputs[i] ?? ['', 0];
    const found = values.get(name);
    if (found !== undefined && output === 0) return found;
    throw missing(build.where, `has no input ${i}, or one that is not supported`);
  };
  return {
    ...{ build, node, attrs: node.attrs, count: node.inputs.length, value },
    tensor(i) {
      const found = value(i);
      if (found.kind === 'computed') return found.id;
      const { name, shape, data } = found.weight;
      if (data instanceof Float32Array) return build.constant(name, shape, data);
      const hint = 'convert the model with fixed shapes';
      const message = `its input ${i} holds integers`;
      throw new BonsaiError('unsupported-type', build.where, message, hint);
    },
    constant(i) {
      const found = value(i);
      if (found.kind === 'constant') return found.weight;
      const message = `its input ${i} must be a constant`;
      throw new BonsaiError('unsupported-attribute', build.where, message, convertAgain);
    },
  };
}

interface Output {
  readonly name: string;
  readonly reference: readonly [node: string, output: number];
}

/** Those of the signature; without one, the nodes that no other reads. */
function outputsOf(
  raw: RawModel,
  nodes: readonly GraphNode[],
  signature: unknown,
): readonly Output[] {
  const declared = entriesOf(signature, 'outputs', raw.where);
  const read = new Set(nodes.flatMap(({ inputs }) => inputs.map(([name]) => name)));
  const ends = nodes.filter(({ name, op }) => !read.has(name) && !silent.has(op));
  const outputs =
    declared.length > 0
      ? declared
      : ends.map(({ name }): Output => ({ name: printableLine(name), reference: [name, 0] }));
  const strange = outputs.find(({ reference: [, output] }) => output !== 0);
  if (strange !== undefined)
    throw missing(`output "${strange.name}"`, 'is not the first of a node');
  if (outputs.length > 0) return outputs;
  throw missing(raw.where, 'has no nodes');
}

/** { inputs: { name: { name: 'node:0' } } } */
function entriesOf(signature: unknown, kind: string, where: string): readonly Output[] {
  if (signature === undefined) return [];
  const place = `${where}: signature`;
  const outer = fieldsOf(signature, place);
  const fields =
    outer.raw('signature') === undefined ? outer : fieldsOf(outer.raw('signature'), place);
  const list = fields.raw(kind);
  if (list === undefined) return [];
  fieldsOf(list, place);
  return Object.entries(list as object).flatMap(([name, entry]): Output[] => {
    const [reference] = referenceOf(fieldsOf(entry, place).raw('name') ?? name, place);
    return reference === undefined ? [] : [{ name: printableLine(name), reference }];
  });
}

function namesOf(signature: unknown, kind: string, where: string) {
  const names = new Map(
    entriesOf(signature, kind, where).map(({ name, reference: [node] }) => [node, name]),
  );
  return (node: string) => names.get(node);
}

/** The nodes that outputs depend on, each after those that it reads. */
function inOrder(
  byName: ReadonlyMap<string, GraphNode>,
  outputs: readonly string[],
): readonly GraphNode[] {
  const ordered: GraphNode[] = [];
  const state = new Map<string, 'open' | 'done'>();
  // A stack of its own: graphs may be deeper than calls.
  const stack = outputs.map((name) => ({ name, reader: '' })).reverse();
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const { name, reader } = top;
    const node = byName.get(name);
    if (node === undefined) {
      const where = reader === '' ? 'outputs of the model' : `node "${printableLine(reader)}"`;
      throw missing(where, `reads "${printableLine(name)}", which is no node`);
    }
    if (state.get(name) !== undefined) {
      stack.pop();
      if (state.get(name) === 'open') ordered.push(node);
      state.set(name, 'done');
      continue;
    }
    state.set(name, 'open');
    for (const [input] of [...node.inputs].reverse()) {
      if (state.get(input) === 'open') {
        throw missing(
          `node "${printableLine(name)}"`,
          `is part of a cycle with "${printableLine(input)}"`,
        );
      }
      if (state.get(input) === undefined) stack.push({ name: input, reader: name });
    }
  }
  return ordered;
}
