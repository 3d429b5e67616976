/** What an operator is: one object literal per file in src/ops, checked by OpDef. */
import type { Attrs, NodeView, Shape, TensorData } from './graph.js';

/** Instruction sets and units that a kernel may need and a target may have. */
export type Feature = 'mul32' | 'dsp' | 'mve' | 'fpu';

/** What kernel choice asks of a target. Filled in from targets/<name>/target.json. */
export interface TargetTraits {
  readonly name: string;
  readonly features: ReadonlySet<Feature>;
}

/** What analysis has proved about the graph, as kernel choice asks for it. */
export interface Facts {
  /** Share of zero weights of the node's weight tensor, 0 to 1; 0 where it has none. */
  sparsity(view: NodeView): number;
}

/** A constant array in the generated C. */
export interface Table {
  readonly data: Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Float32Array;
  /** 'weights': encoded weights and their indices. 'table': biases, multipliers, look-up tables. */
  readonly role: 'weights' | 'table';
}

/**
 * One call of a kernel's C function, in the field's terms; codegen/c.ts makes C of it.
 *
 * Calls of one template with the same flags share one C function: a number or table that is the
 * same in all of them is a constant in its text, one that differs becomes a field of its const
 * descriptor. A template names each by {{name}} and does not know which.
 */
export interface KernelCall {
  /** Positions of the node's inputs passed as pointers, in the order of the C parameters. */
  readonly inputs: readonly number[];
  /** Positions of the node's outputs passed as pointers, after the inputs. */
  readonly outputs: readonly number[];
  /** Choose between texts: `{{#if dilated}}`. Part of the function's identity. */
  readonly flags: Readonly<Record<string, boolean>>;
  /** int32 values: shapes, strides, zero points, clamps. */
  readonly numbers: Readonly<Record<string, number>>;
  readonly tables: Readonly<Record<string, Table>>;
}

/** One way to compute an operator. One predicate serves choice and scratch. */
export interface KernelVariant<A extends object = Attrs> {
  /**
   * Path below templates/kernels without '.hbs': 'portable/conv2d'. A plan names the variant by it:
   * no two variants of an operator have the same, variants of two operators may.
   */
  readonly template: string;
  readonly needs: readonly Feature[];
  /**
   * Templates of the C helpers that the kernel calls, and of those that they call, named as their
   * functions: 'portable/support/requantise'. Those that are called are emitted once, first.
   */
  readonly support: readonly string[];
  when(view: NodeView<A>, facts: Facts): boolean;
  /**
   * Bytes of arena that the kernel needs besides its inputs and outputs. Where there are any, every
   * call of the step gets the same ones, as a parameter after the outputs; a kernel that needs them
   * for some nodes only tells these apart by a flag.
   */
  scratch(view: NodeView<A>): number;
  /** Estimated cycles on the target, for choice only. From measurement (bench/). */
  cost(view: NodeView<A>, target: TargetTraits): number;
  /**
   * The calls that compute the node, in order, all of the variant's template; nearly always one.
   * Weights are laid out here: `tables` holds them as the kernel reads them.
   */
  lower(view: NodeView<A>): readonly KernelCall[];
}

export interface OpDef<A extends object = Attrs> {
  /** The file's name in src/ops. */
  readonly name: string;
  /** Shapes of the outputs. @throws BonsaiError 'bad-shape' when ranks or extents do not fit. */
  infer(view: NodeView<A>): readonly Shape[];
  /**
   * Refuses what `evaluate` and the kernels cannot do exactly (types, quantisation, attributes).
   * Called for integer nodes only: a float model passes the importer with `infer` alone.
   * @throws BonsaiError
   */
  check(view: NodeView<A>): void;
  /**
   * The exact outputs. `inputs` has the elements of every input, constants included; null where an
   * optional input is absent. Only called for nodes that pass `check`.
   */
  evaluate(view: NodeView<A>, inputs: readonly (TensorData | null)[]): readonly TensorData[];
  /** Multiply-accumulates of one run. */
  macs(view: NodeView<A>): number;
  /** Input positions whose memory output 0 may take over, element by element; [] if none. */
  inPlace(view: NodeView<A>): readonly number[];
  /** Best first by capability; plan/select takes the cheapest whose needs and `when` hold. */
  readonly variants: readonly KernelVariant<A>[];
}

export type OpTable = ReadonlyMap<string, OpDef>;
