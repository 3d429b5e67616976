/** Operators whose results follow from shapes and constants: the importer computes them. */
import { attempt, BonsaiError } from '../../../errors.js';
import { elementCount, type Shape, type Tensor } from '../../ir/graph.js';
import { broadcastShapes } from '../../ops/shape/broadcast.js';
import { spend } from '../flatbuffer.js';
import { unsupported } from './foreign.js';
import {
  operatorName,
  placeOf,
  type RawModel,
  type RawOperator,
  type RawSubgraph,
  rawTensor,
} from './read.js';
import { tensorTypes } from './schema.js';
import { importTensor } from './tensors.js';

/** What is known of an operator before any is imported. */
export interface Foldable {
  readonly where: string;
  /** The code of its output's type. */
  readonly type: number;
  /** Shapes of its inputs. */
  readonly shapes: readonly Shape[];
  /** Elements of an input that is a constant; null if it is computed. */
  elementsOf(input: number): readonly number[] | null;
}

export interface Folded {
  readonly shape: Shape;
  elements(): readonly number[];
}

/** @throws BonsaiError for inputs that are computed, or do not fit */
type Fold = (operator: Foldable) => Folded;

/** By name. */
export const foldedOperators: ReadonlyMap<string, Fold> = new Map<string, Fold>([
  ['SHAPE', ({ shapes: [shape = []] }) => ({ shape: [shape.length], elements: () => shape })],
  ['RANK', ({ shapes: [shape = []] }) => ({ shape: [], elements: () => [shape.length] })],
  // TFLM sets integers to 0, whatever their zero point.
  ['ZEROS_LIKE', ({ shapes: [shape = []] }) => ({ shape, elements: () => zeros(shape) })],
  ['BROADCAST_ARGS', broadcastArgs],
  ['RANGE', range],
]);

/**
 * @param constants of operators that are computed already
 * @throws BonsaiError 'bad-graph' for an input that is absent
 */
export function foldableOf(
  raw: RawModel,
  subgraph: RawSubgraph,
  { inputs, outputs }: RawOperator,
  where: string,
  constants: ReadonlyMap<number, Tensor>,
): Foldable {
  const tensors = inputs.map((index, i) => {
    if (index >= 0) return rawTensor(raw, subgraph, index);
    throw new BonsaiError('bad-graph', where, `has no input ${i}`, 'convert the model again');
  });
  return {
    where,
    type: rawTensor(raw, subgraph, outputs[0] ?? -1).type,
    shapes: tensors.map(({ shape }) => shape),
    elementsOf(input) {
      const index = inputs[input] ?? -1;
      const tensor = tensors[input];
      if (tensor === undefined) return null;
      const { data } = constants.get(index) ?? importTensor(raw, tensor, index);
      return data === null ? null : Array.from(data, Number);
    },
  };
}

/**
 * What an operator computes; null where it computes no constant, or its inputs do not fit.
 *
 * @param constants of operators that are computed already
 * @throws BonsaiError 'too-large' for more elements than a file may make
 */
export function foldedOf(
  raw: RawModel,
  subgraph: RawSubgraph,
  operator: RawOperator,
  index: number,
  constants: ReadonlyMap<number, Tensor>,
): Folded | null {
  const fold = foldedOperators.get(operatorName(raw, operator));
  if (fold === undefined) return null;
  const where = placeOf(raw, subgraph, operator, index);
  const folded = attempt(() => fold(foldableOf(raw, subgraph, operator, where, constants)));
  if (folded instanceof BonsaiError) return null;
  spend(raw.source, elementCount(folded.shape));
  return folded;
}

const zeros = (shape: Shape) => new Array<number>(elementCount(shape)).fill(0);

/** @throws BonsaiError 'unsupported-attribute' where one of the inputs is computed */
function constantsOf({ where, elementsOf }: Foldable, inputs: readonly string[]) {
  return inputs.map((what, input) => {
    const elements = elementsOf(input);
    if (elements !== null) return elements;
    const hint = `make its ${what} a constant of the model: it must not depend on the input`;
    throw unsupported(where, `its ${what} must be a constant`, hint);
  });
}

/** The shape to which two shapes broadcast. */
function broadcastArgs(operator: Foldable): Folded {
  const [a = [], b = []] = constantsOf(operator, ['first shape', 'second shape']);
  const shape = broadcastShapes(a, b, operator.where);
  return { shape: [shape.length], elements: () => shape };
}

/**
 * Numbers from a start up to a limit (kernels/range.cc of desktop TFLite): each is the one before it
 * plus the step, rounded where they are float32.
 */
function range(operator: Foldable): Folded {
  const constants = constantsOf(operator, ['start', 'limit', 'step']);
  const [start = 0, limit = 0, step = 0] = constants.map(([value]) => value);
  const { where, type } = operator;
  if (step === 0 || !((limit - start) / step >= 0)) {
    const message = `counts from ${start} to ${limit} in steps of ${step}`;
    throw new BonsaiError('bad-shape', where, message, 'give a step that leads to the limit');
  }
  const round = tensorTypes[type] === 'float32' ? Math.fround : (x: number) => x;
  const count = Math.ceil(Math.abs(round(round(limit - start) / step)));
  const elements = () => {
    const values = [start];
    while (values.length < count) values.push(round((values.at(-1) as number) + step));
    return values.slice(0, count);
  };
  return { shape: [count], elements };
}
