/**
 * IF and WHILE → the operators that they run. A loop whose number of turns follows from constants, as
 * that of a recurrent layer does, becomes its turns one after the other; a branch whose condition
 * does, becomes that branch. Counters become constants on the way. Weights are shared by all turns.
 */
import { BonsaiError } from '../../errors.js';
import { corrupt, decode } from '../flatbuffer.js';
import { Inference } from './inference.js';
import {
  bufferBytes,
  operatorName,
  placeOf,
  type RawModel,
  type RawOperator,
  type RawSubgraph,
  type RawTensor,
} from './read.js';
import { ifOptions, whileOptions } from './schema.js';
import { checkIndices, main, maxOperators } from './subgraph.js';

export const controlFlowOperators: ReadonlySet<string> = new Set(['IF', 'WHILE']);

const [ifType, whileType] = [92, 93];

/**
 * The model without IF and WHILE in the subgraph that runs.
 *
 * @throws BonsaiError 'unsupported-attribute' where a condition depends on the model's input,
 *   'bad-graph' for a subgraph that calls itself, 'too-large' for more turns than any model has
 */
export function withoutControlFlow(raw: RawModel): RawModel {
  const [subgraph, ...others] = raw.subgraphs;
  const hasControlFlow = subgraph?.operators.some((operator) =>
    controlFlowOperators.has(operatorName(raw, operator)),
  );
  if (subgraph === undefined || hasControlFlow !== true) return raw;
  for (const each of raw.subgraphs) checkIndices(raw, each);
  const inliner = new Inliner(raw, subgraph);
  const { operators, outputs } = inliner.inlined(subgraph);
  const inlined = { ...subgraph, tensors: inliner.inference.tensors, operators, outputs };
  const signatureDefs = raw.signatureDefs.map((signature) => {
    if (signature.subgraphIndex !== main) return signature;
    const renamed = signature.outputs.map((output) => {
      return { ...output, tensorIndex: inliner.now(output.tensorIndex) };
    });
    return { ...signature, outputs: renamed };
  });
  return { ...inliner.inference.current(), signatureDefs, subgraphs: [inlined, ...others] };
}

/** A subgraph that is being run, and where its tensors are in the main subgraph. */
interface Call {
  readonly subgraph: RawSubgraph;
  /** The subgraphs that led here, this one included. */
  readonly stack: readonly number[];
  readonly tensors: Map<number, number>;
}

class Inliner {
  readonly inference: Inference;
  private readonly operators: RawOperator[] = [];
  /** For outputs of IF and WHILE: the tensor that holds the value. */
  private readonly holders = new Map<number, number>();
  /** Constants of subgraphs, which all turns share: 'subgraph tensor' → main's tensor. */
  private readonly constants = new Map<string, number>();
  private count = 0;

  constructor(
    private readonly raw: RawModel,
    subgraph: RawSubgraph,
  ) {
    this.inference = new Inference(raw, subgraph);
  }

  inlined(subgraph: RawSubgraph): Pick<RawSubgraph, 'operators' | 'outputs'> {
    const tensors = new Map(subgraph.tensors.map((_, index) => [index, index]));
    this.run({ subgraph, stack: [main], tensors });
    const outputs = subgraph.outputs.map((index) => this.now(index));
    // Outputs keep their names.
    outputs.forEach((holder, i) => {
      const { name = '' } = subgraph.tensors[subgraph.outputs[i] ?? -1] ?? {};
      const held = this.inference.tensors[holder];
      const isMade = holder >= subgraph.tensors.length;
      if (held !== undefined && isMade) this.inference.tensors[holder] = { ...held, name };
    });
    return { operators: this.operators, outputs };
  }

  /** The tensor that holds the value of a tensor of the main subgraph. */
  now(index: number): number {
    return this.holders.get(index) ?? index;
  }

  private run(call: Call): void {
    call.subgraph.operators.forEach((operator, index) => {
      const where = placeOf(this.raw, call.subgraph, operator, index);
      this.count += 1;
      if (this.count > maxOperators) {
        const message = `runs more than ${maxOperators} operators`;
        throw new BonsaiError('too-large', where, message, 'loop fewer times');
      }
      const place = (inner: number) => (inner < 0 ? inner : this.placeOf(call, inner));
      const inputs = operator.inputs.map(place);
      const outputs = operator.outputs.map(place);
      const placed = { ...operator, inputs, outputs };
      const name = operatorName(this.raw, operator);
      if (controlFlowOperators.has(name)) {
        const results =
          name === 'IF' ? this.branch(placed, call, where) : this.loop(placed, call, where);
        outputs.forEach((output, i) => {
          this.holders.set(output, results[i] ?? output);
        });
      } else if (!this.inference.infer(placed, index)) {
        this.operators.push(placed);
      }
    });
  }

  /** Where a tensor of the called subgraph is in the main one. */
  private placeOf({ subgraph, stack, tensors }: Call, inner: number): number {
    const known = tensors.get(inner);
    if (known !== undefined) return this.now(known);
    const tensor = subgraph.tensors[inner] as RawTensor;
    const key = `${stack.at(-1)} ${inner}`;
    const isConstant = bufferBytes(this.raw, tensor.buffer) !== null;
    const shared = isConstant ? this.constants.get(key) : undefined;
    const place = shared ?? this.inference.tensors.push(tensor) - 1;
    if (isConstant) this.constants.set(key, place);
    tensors.set(inner, place);
    return place;
  }

  /** Runs a subgraph. Returns the tensors that hold its outputs. */
  private call(number: number, inputs: readonly number[], from: Call, where: string) {
    const subgraph = this.raw.subgraphs[number];
    if (subgraph === undefined) throw corrupt(this.raw.source, `${where} calls a missing subgraph`);
    if (from.stack.includes(number)) {
      const message = `calls subgraph ${number} "${subgraph.name}", which calls it`;
      throw new BonsaiError('bad-graph', where, message, 'use loops: no runtime takes recursion');
    }
    if (subgraph.inputs.length !== inputs.length) {
      const message = `gives ${inputs.length} inputs to a subgraph with ${subgraph.inputs.length}`;
      throw new BonsaiError('bad-graph', where, message, 'convert the model again');
    }
    const tensors = new Map(subgraph.inputs.map((inner, i) => [inner, inputs[i] as number]));
    subgraph.inputs.forEach((inner, i) => {
      // The subgraph's own shapes were inferred for another shape of its input.
      const given = this.inference.tensors[inputs[i] as number];
      const declared = subgraph.tensors[inner];
      if (given?.shape.join() !== declared?.shape.join()) {
        this.inference.changed.add(inputs[i] as number);
      }
    });
    const call = { subgraph, stack: [...from.stack, number], tensors };
    this.run(call);
    return subgraph.outputs.map((inner) => this.placeOf(call, inner));
  }

  private branch(operator: RawOperator, from: Call, where: string): readonly number[] {
    const { thenSubgraph, elseSubgraph } = this.options(operator, ifType, ifOptions, where);
    const [condition = -1, ...inputs] = operator.inputs;
    const isTrue = this.truth(condition);
    if (isTrue === null) {
      const message = 'its condition depends on the input of the model';
      const hint = 'compute both branches and choose with tf.where, or choose in the application';
      throw new BonsaiError('unsupported-attribute', where, message, hint);
    }
    return this.call(isTrue ? thenSubgraph : elseSubgraph, inputs, from, where);
  }

  private loop(operator: RawOperator, from: Call, where: string): readonly number[] {
    const { condSubgraph, bodySubgraph } = this.options(operator, whileType, whileOptions, where);
    let values: readonly number[] = operator.inputs;
    for (;;) {
      // What only the condition needs is not kept: it is a constant, or the loop is refused.
      const before = this.operators.length;
      const [condition = -1] = this.call(condSubgraph, values, from, where);
      this.operators.splice(before);
      const goesOn = this.truth(condition);
      if (goesOn === null) {
        const message = 'has no bound: the number of its turns depends on the input of the model';
        const hint = 'loop from one constant to another, or loop in the application';
        throw new BonsaiError('unsupported-attribute', where, message, hint);
      }
      if (!goesOn) return values;
      values = this.call(bodySubgraph, values, from, where);
    }
  }

  /** Whether a condition is true; null: it is computed when the model runs. */
  private truth(index: number): boolean | null {
    const data = this.inference.tensorOf(index)?.data ?? null;
    return data === null ? null : Number(data[0]) !== 0;
  }

  private options<T extends typeof ifOptions | typeof whileOptions>(
    { builtinOptions, builtinOptionsType }: RawOperator,
    type: number,
    fields: T,
    where: string,
  ) {
    if (builtinOptions !== null && builtinOptionsType === type)
      return decode(builtinOptions, fields);
    throw corrupt(this.raw.source, `${where} has no subgraphs`);
  }
}
