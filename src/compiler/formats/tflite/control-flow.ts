/**
 * IF and WHILE: what they run. An IF whose condition follows from constants becomes the branch that it
 * takes; a WHILE of few and short turns becomes its turns one after the other, whose counters become
 * constants. Others keep their subgraphs, of which each is laid out in the same way for the shapes and
 * constants that it is given.
 */
import { BonsaiError, InternalError, refusalOf } from '../../../errors.js';
import { checkNodeAlone } from '../../ir/check.js';
import { at } from '../../ir/graph.js';
import type { RuntimeRounding } from '../../ir/rounding.js';
import { operators } from '../../ops/index.js';
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
 * The most operators of a loop's turns, together, that are laid out one after the other. Each has code
 * and constants of its own there, but no counter, and the first turn is often a constant.
 */
export const mostLaidOut = 24;

/** Whether loops that could run as such are laid out. A float model that is trained has none. */
export type LoopStyle = 'by size' | 'laid out';

/**
 * The model whose operators IF and WHILE, in the subgraph that runs, have their `graphs`, as far as they
 * are not laid out.
 *
 * @throws BonsaiError 'unsupported-attribute' where a loop has no bound, 'bad-graph' for a subgraph that
 *   calls itself, 'too-large' for more turns than any model has
 */
export function withControlFlow(
  raw: RawModel,
  rounding: RuntimeRounding,
  style: LoopStyle = 'by size',
): RawModel {
  const [subgraph, ...others] = raw.subgraphs;
  const hasControlFlow = subgraph?.operators.some((operator) =>
    controlFlowOperators.has(operatorName(raw, operator)),
  );
  if (subgraph === undefined || hasControlFlow !== true) return raw;
  for (const each of raw.subgraphs) checkIndices(raw, each);
  const inliner = new Inliner(raw, subgraph, { rounding, style, stack: [main] });
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

interface How {
  readonly rounding: RuntimeRounding;
  readonly style: LoopStyle;
  /** The subgraphs that led here, this one included. */
  readonly stack: readonly number[];
}

class Inliner {
  readonly inference: Inference;
  private readonly operators: RawOperator[] = [];
  /** For outputs of IF and WHILE: the tensor that holds the value. */
  private readonly holders = new Map<number, number>();
  /** Constants of subgraphs, which all turns share: 'subgraph tensor' → main's tensor. */
  private readonly constants = new Map<string, number>();
  /** Undoes each change of the two maps. */
  private readonly undo: (() => void)[] = [];
  private count = 0;

  constructor(
    private readonly raw: RawModel,
    subgraph: RawSubgraph,
    private readonly how: How,
    buffers?: Inference['buffers'],
  ) {
    this.inference = new Inference(raw, subgraph, buffers);
  }

  /** What is done now may be undone by the function that this returns, in time linear in it. */
  private mark(): () => void {
    const { count } = this;
    const [operators, undo] = [this.operators.length, this.undo.length];
    const { tensors, buffers } = this.inference;
    const [tensorCount, bufferCount] = [tensors.length, buffers.length];
    return () => {
      this.count = count;
      this.operators.length = operators;
      this.inference.forget(tensorCount, bufferCount);
      while (this.undo.length > undo) this.undo.pop()?.();
    };
  }

  /** Sets a value, until it is undone. */
  private set<K>(map: Map<K, number>, key: K, value: number): void {
    const before = map.get(key);
    this.undo.push(() => {
      if (before === undefined) map.delete(key);
      else map.set(key, before);
    });
    map.set(key, value);
  }

  inlined(subgraph: RawSubgraph): Pick<RawSubgraph, 'operators' | 'outputs'> {
    const tensors = new Map(subgraph.tensors.map((_, index) => [index, index]));
    this.run({ subgraph, stack: this.how.stack, tensors });
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
          this.set(this.holders, output, results[i] ?? output);
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
    if (isConstant && shared === undefined) this.set(this.constants, key, place);
    tensors.set(inner, place);
    return place;
  }

  /** A subgraph that can be called from here with these inputs. @throws BonsaiError */
  private callee(
    number: number,
    inputs: readonly number[],
    from: Call,
    where: string,
  ): RawSubgraph {
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
    return subgraph;
  }

  /** Runs a subgraph. Returns the tensors that hold its outputs. */
  private call(number: number, inputs: readonly number[], from: Call, where: string) {
    const subgraph = this.callee(number, inputs, from, where);
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
    if (isTrue !== null) {
      return this.call(isTrue ? thenSubgraph : elseSubgraph, inputs, from, where);
    }
    const isOpen = inputs.map((input) => !this.isConstant(input));
    const graphs = [thenSubgraph, elseSubgraph].map((number) =>
      this.owned(number, inputs, isOpen, from, where),
    );
    const given = inputs.filter((_, i) => isOpen[i]);
    this.keep({ ...operator, inputs: [condition, ...given], graphs });
    return operator.outputs;
  }

  private isConstant(index: number): boolean {
    const { buffer } = this.inference.tensors[index] as RawTensor;
    return bufferBytes(this.inference.current(), buffer) !== null;
  }

  /**
   * A subgraph for the shapes of its inputs, and for the constants among those that are not open,
   * without these as inputs.
   */
  private owned(
    number: number,
    inputs: readonly number[],
    isOpen: readonly boolean[],
    from: Call,
    where: string,
  ): RawSubgraph {
    const declared = this.callee(number, inputs, from, where);
    const tensors = [...declared.tensors];
    const changed = declared.inputs.filter((inner, i) => {
      const own = tensors[inner] as RawTensor;
      const { shape, buffer } = this.inference.tensors[inputs[i] as number] as RawTensor;
      tensors[inner] = { ...own, shape, buffer: isOpen[i] ? own.buffer : buffer };
      return shape.join() !== own.shape.join();
    });
    const subgraph = { ...declared, tensors };
    const how = { ...this.how, stack: [...from.stack, number] };
    const { buffers } = this.inference;
    const inliner = new Inliner(this.raw, subgraph, how, buffers);
    inliner.count = this.count;
    for (const index of changed) inliner.inference.changed.add(index);
    const { operators, outputs } = inliner.inlined(subgraph);
    this.count = inliner.count;
    const open = declared.inputs.filter((_, i) => isOpen[i]);
    return { ...subgraph, tensors: inliner.inference.tensors, inputs: open, operators, outputs };
  }

  /** Adds an operator with graphs: its outputs have the shapes of the last graph's. */
  private keep(operator: RawOperator): void {
    const made = operator.graphs?.at(-1);
    operator.outputs.forEach((output, i) => {
      const tensor = made?.tensors[made.outputs[i] ?? -1];
      if (tensor !== undefined) this.inference.setShape(output, tensor.shape);
    });
    this.operators.push(operator);
  }

  private loop(operator: RawOperator, from: Call, where: string): readonly number[] {
    const few = this.laidOut(operator, from, where, mostLaidOut);
    if (typeof few === 'object') return few;
    const isKept = few === 'unknown' || this.how.style === 'by size';
    let kept: readonly number[] | null = null;
    const back = this.mark();
    const fault = refusalOf(() => {
      if (isKept) kept = this.keptLoop(operator, from, where);
    });
    if (kept !== null) return kept;
    back();
    const all = few === 'many' ? this.laidOut(operator, from, where, maxOperators) : few;
    if (typeof all === 'object') return all;
    throw fault ?? new InternalError('import', `${where} has neither turns nor a fault`);
  }

  /**
   * The tensors that hold the results of a loop's turns, one after the other. 'many': these have more
   * than `most` operators; 'unknown': their number depends on the model's input.
   */
  private laidOut(
    operator: RawOperator,
    from: Call,
    where: string,
    most: number,
  ): readonly number[] | 'many' | 'unknown' {
    const { condSubgraph, bodySubgraph } = this.options(operator, whileType, whileOptions, where);
    const back = this.mark();
    const begin = this.operators.length;
    const first = this.count;
    let values: readonly number[] = operator.inputs;
    for (;;) {
      // What only the condition needs is not kept: it is a constant, or the loop is not laid out.
      const before = this.operators.length;
      const [condition = -1] = this.call(condSubgraph, values, from, where);
      this.operators.length = before;
      const goesOn = this.truth(condition);
      if (goesOn === false) return values;
      if (goesOn !== null) values = this.call(bodySubgraph, values, from, where);
      // A loop without an end may do nothing in its turns.
      const isLong = this.operators.length - begin > most || this.count - first > 16 * most;
      if (goesOn !== null && !(isLong && most < maxOperators)) continue;
      back();
      return goesOn === null ? 'unknown' : 'many';
    }
  }

  /** Keeps a loop. @throws BonsaiError where it has no bound, or cannot run as a loop */
  private keptLoop(operator: RawOperator, from: Call, where: string): readonly number[] {
    const { condSubgraph, bodySubgraph } = this.options(operator, whileType, whileOptions, where);
    const { inputs, outputs } = operator;
    const body = this.callee(bodySubgraph, inputs, from, where);
    // What stays as it is, and is a constant, is none of the loop's values.
    const isOpen = inputs.map(
      (input, i) => body.outputs[i] !== body.inputs[i] || !this.isConstant(input),
    );
    const open = <T>(all: readonly T[]) => all.filter((_, i) => isOpen[i]);
    const [condition, turn] = [condSubgraph, bodySubgraph].map((number) =>
      this.owned(number, inputs, isOpen, from, where),
    ) as [RawSubgraph, RawSubgraph];
    const graphs = [condition, { ...turn, outputs: open(turn.outputs) }];
    const kept = { ...operator, inputs: open(inputs), outputs: open(outputs), graphs };
    this.keep(kept);
    this.check(kept, where);
    return outputs.map((output, i) => (isOpen[i] ? output : (inputs[i] as number)));
  }

  /** Checks the node of an operator with graphs. @throws BonsaiError */
  private check(operator: RawOperator, where: string): void {
    const { graph, node } = this.inference.nodeOf(operator, this.how.rounding);
    const fault = refusalOf(() => checkNodeAlone(graph, node, operators));
    if (fault === null) return;
    const isOwn = fault.where === at(node);
    throw isOwn ? new BonsaiError(fault.code, where, fault.message, fault.hint) : fault;
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
