/**
 * The nodes of a frozen TensorFlow graph, as JSON: attributes are tagged with their type, numbers of
 * 64 bits are text, texts are base64 (tensorflow/core/framework/{node_def,attr_value}.proto).
 */
import { BonsaiError } from '../../../errors.js';
import { printableLine } from '../../../printable.js';
import { convertAgain, corrupt, type Fields, fieldsOf, shown } from './fields.js';

export interface GraphNode {
  readonly index: number;
  readonly name: string;
  readonly op: string;
  /** Names of nodes with the number of their output. Inputs that only order nodes are left out. */
  readonly inputs: readonly (readonly [name: string, output: number])[];
  readonly attrs: NodeAttrs;
}

export interface NodeAttrs {
  has(name: string): boolean;
  integers(name: string): readonly number[];
  number(name: string, otherwise: number): number;
  boolean(name: string, otherwise: boolean): boolean;
  text(name: string, otherwise: string): string;
  texts(name: string): readonly string[];
  /** Extents; −1 where one is unknown. null where the rank is. */
  shape(name: string): readonly number[] | null;
}

const maxNodes = 65536;

/** @throws BonsaiError 'corrupt-model', 'too-large' */
export function nodesOf(topology: Fields): readonly GraphNode[] {
  const list = topology.list('node');
  if (list.length > maxNodes) {
    const message = `has ${list.length} nodes; at most ${maxNodes} are possible`;
    throw new BonsaiError('too-large', topology.where, message, 'use a smaller model');
  }
  return list.map((entry, index): GraphNode => {
    const fields = fieldsOf(entry, `${topology.where}, node ${index}`);
    const [name, op] = [fields.text('name'), fields.text('op')];
    const where = `node ${index} (${printableLine(op)}) "${printableLine(name)}"`;
    const inputs = fields.list('input').flatMap((input) => referenceOf(input, where));
    const attrs = attrsOf(fieldsOf(fields.raw('attr') ?? {}, where));
    return { index, name, op, inputs, attrs };
  });
}

/** 'name', 'name:1', or '^name' for a node that has to run before. */
export function referenceOf(input: unknown, where: string): readonly (readonly [string, number])[] {
  if (typeof input !== 'string') throw corrupt(where, `reads ${shown(input)}`);
  if (input.startsWith('^')) return [];
  const [, name = input, output = '0'] = /^(.*):(\d+)$/.exec(input) ?? [];
  return [[name, Number(output)]];
}

function attrsOf(fields: Fields): NodeAttrs {
  const { where } = fields;
  const value = (name: string, tag: string): unknown => {
    const tagged = fields.raw(name);
    return tagged === undefined ? undefined : fieldsOf(tagged, where).raw(tag);
  };
  const wrong = (name: string) => corrupt(where, `its ${name} is ${shown(fields.raw(name))}`);
  const integer = (name: string, text: unknown) => {
    const found = Number(text);
    if (Number.isSafeInteger(found) && text !== '' && typeof text !== 'object') return found;
    throw wrong(name);
  };
  const list = (name: string, tag: string): readonly unknown[] => {
    const found = value(name, 'list');
    return found === undefined ? [] : fieldsOf(found, where).list(tag);
  };
  return {
    has: (name) => fields.raw(name) !== undefined,
    integers: (name) => list(name, 'i').map((text) => integer(name, text)),
    number(name, otherwise) {
      const found = value(name, 'f') ?? value(name, 'i') ?? otherwise;
      const number = Number(found);
      if (Number.isFinite(number)) return number;
      throw wrong(name);
    },
    boolean(name, otherwise) {
      const found = value(name, 'b') ?? otherwise;
      if (typeof found === 'boolean') return found;
      throw wrong(name);
    },
    text(name, otherwise) {
      const found = value(name, 's');
      if (found === undefined) return otherwise;
      return textOf(found, () => wrong(name));
    },
    texts: (name) => list(name, 's').map((found) => textOf(found, () => wrong(name))),
    shape(name) {
      const found = value(name, 'shape');
      if (found === undefined) return null;
      const shape = fieldsOf(found, where);
      if (shape.boolean('unknownRank', shape.boolean('unknown_rank', false))) return null;
      return shape.list('dim').map((dim) => integer(name, fieldsOf(dim, where).raw('size') ?? 0));
    },
  };
}

function textOf(found: unknown, wrong: () => BonsaiError): string {
  if (typeof found !== 'string') throw wrong();
  try {
    return atob(found);
  } catch {
    throw wrong();
  }
}

/** @throws BonsaiError 'bad-graph' */
export function missing(where: string, message: string): BonsaiError {
  return new BonsaiError('bad-graph', where, message, convertAgain);
}
