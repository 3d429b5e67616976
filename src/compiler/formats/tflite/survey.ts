/** What a .tflite file computes with, operator by operator, whether or not bonsaic supports it. */
import { type BonsaiError, refusalOf } from '../../../errors.js';
import type { Graph, Node } from '../../ir/graph.js';
import type { RuntimeRounding } from '../../ir/rounding.js';
import { GraphBuilder } from './builder.js';
import { controlFlowOperators, withControlFlow } from './control-flow.js';
import { edgesOf } from './edges.js';
import {
  bufferBytes,
  operatorName,
  placeOf,
  type RawModel,
  type RawOperator,
  type RawSubgraph,
} from './read.js';
import { tensorTypes } from './schema.js';
import { checkIndices } from './subgraph.js';

/** An operator of the file. */
export interface SurveyedOperator {
  /** Its name in TensorFlow: 'CONV_2D'. */
  readonly name: string;
  /** For errors: 'operator 3 (CONV_2D) "block1/conv"'. */
  readonly where: string;
  /** Types of its computed inputs, its outputs, and constants with another type: 'int8 × int4 → int8'. */
  readonly types: string;
  /** Why it cannot be imported; null: it can. */
  readonly refusal: BonsaiError | null;
  /** Its node in `graph`; null where it has none. */
  readonly node: Node | null;
  /** The graph of the operators that can be imported: tensors of refused ones have no writer. */
  readonly graph: Graph;
}

/**
 * The operators of all subgraphs, in the order of the file.
 *
 * @throws BonsaiError where the file is damaged
 */
export function surveyOperators(
  raw: RawModel,
  rounding: RuntimeRounding,
): readonly SurveyedOperator[] {
  const flow = refusalOf(() => withControlFlow(raw, rounding));
  return raw.subgraphs.flatMap((subgraph) =>
    surveySubgraph(raw, subgraph, rounding).map((operator) =>
      controlFlowOperators.has(operator.name) ? { ...operator, refusal: flow } : operator,
    ),
  );
}

function surveySubgraph(
  raw: RawModel,
  subgraph: RawSubgraph,
  rounding: RuntimeRounding,
): readonly SurveyedOperator[] {
  checkIndices(raw, subgraph);
  const edges = edgesOf(raw, subgraph);
  const builder = new GraphBuilder(raw, subgraph, edges, rounding);
  const found = subgraph.operators.map((operator, index) => {
    const before = builder.nodes.length;
    const refusal = edges.skipped.has(index) ? null : refusalOf(() => builder.add(operator, index));
    return {
      name: operatorName(raw, operator),
      where: placeOf(raw, subgraph, operator, index),
      types: typesText(raw, subgraph, operator),
      refusal,
      node: builder.nodes[before] ?? null,
    };
  });
  const { nodes, tensors } = builder;
  const graph = { name: subgraph.name, inputs: [], outputs: [], nodes, tensors };
  return found.map((operator) => ({ ...operator, graph }));
}

/** Types of constants that say nothing of an operator: biases, axes, shapes. */
const common: ReadonlySet<string> = new Set(['int32', 'int64']);

function typesText(raw: RawModel, subgraph: RawSubgraph, operator: RawOperator): string {
  const tensors = (indices: readonly number[]) =>
    indices.flatMap((index) => subgraph.tensors[index] ?? []);
  const typeOf = ({ type }: { readonly type: number }) => tensorTypes[type] ?? `type ${type}`;
  const isStored = ({ buffer }: { readonly buffer: number }) => bufferBytes(raw, buffer) !== null;
  const inputs = tensors(operator.inputs);
  const computed = new Set(inputs.filter((tensor) => !isStored(tensor)).map(typeOf));
  const outputs = new Set(tensors(operator.outputs).map(typeOf));
  const constants = new Set(inputs.filter(isStored).map(typeOf));
  const special = [...constants].filter((type) => !common.has(type) && !computed.has(type));
  const taken = [[...computed].join(', '), special.join(', ')].filter((text) => text !== '');
  const given = [...outputs].join(', ');
  const alone = taken.length === 0 || (taken.length === 1 && taken[0] === given);
  return alone ? given || '' : `${taken.join(' × ')} → ${given || 'nothing'}`;
}
