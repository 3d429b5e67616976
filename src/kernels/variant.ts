/** What a kernel is: how a machine computes an operator. */
import type { Attrs, NodeView } from '../ir/graph.js';
import type { Facts, Feature, Optimize, TargetTraits } from '../ir/op.js';

/** What a kernel may know besides its node. */
export interface KernelContext {
  readonly facts: Facts;
  readonly target: TargetTraits;
  readonly optimize: Optimize;
}

/** What a variant may know while one node is matched. */
export interface MatchContext extends KernelContext {
  /** What several variants ask of the node: as `make` answers it when it is first asked. */
  readonly shared: <T>(question: object, make: () => T) => T;
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
  /** Where the call begins to write in output 0, in bytes; 0 where it is not said. */
  readonly outputBytes?: number;
  /** Choose between texts: `{{#if dilated}}`. Part of the function's identity. */
  readonly flags: Readonly<Record<string, boolean>>;
  /** int32 values: shapes, strides, zero points, clamps. */
  readonly numbers: Readonly<Record<string, number>>;
  readonly tables: Readonly<Record<string, Table>>;
  /**
   * Weights as code, called through their names: functions of type
   * void (const void *, void *, const void *).
   */
  readonly routines?: Readonly<Record<string, Routine>>;
}

/** One assembler function made of weights. */
export interface Routine {
  /**
   * GNU assembler, unified syntax: the label, the instructions and their literal pools. Section,
   * .thumb_func, .type and .size are added around it.
   */
  text(symbol: string): string;
  /** Size of the machine code, literal pools included. */
  readonly bytes: number;
  /** What it computes, in numbers. */
  twin(): RoutineTwin;
}

/**
 * What a routine computes of words that hold a value of each of two pixels, for machines that cannot
 * run it (templates/project/twins.c.hbs).
 */
export interface RoutineTwin {
  /** Where the word of each tap is. */
  readonly words: Int32Array;
  /** [channels, taps] */
  readonly weights: Int8Array;
  /** A row for each channel: the fields of `struct stage`. */
  readonly stages: readonly Int32Array[];
}

/** How often a kernel does one of the things that cost, and what one of them costs. */
export interface WorkTerm {
  readonly count: number;
  /** Cycles each (instructions where a target counts these), where it has no measured cost. */
  readonly cycles: number;
}

/**
 * Where output 0 may share memory with an input that dies in this step: if it begins `lead` bytes
 * or more before the input does; if `exact`, just `lead` bytes before.
 */
export interface Overlap {
  /** Position of the input. */
  readonly input: number;
  /** Bytes; may be negative. */
  readonly lead: number;
  readonly exact: boolean;
}

/** What a variant is of one node: worked out once, when it is matched. */
export interface Kernel {
  /**
   * Bytes of arena that the kernel needs besides its inputs and outputs. Where there are any, every
   * call of the step gets the same ones, as a parameter after the outputs; a kernel that needs them
   * for some nodes only tells these apart by a flag.
   */
  readonly scratchBytes: number;
  /**
   * How many times one run streams through all weights; 1 where it is not said. With `work`, what
   * the misses of a flash cache are reckoned from.
   */
  readonly weightPasses?: number;
  /** Where output 0 may lie on an input; where it is not said, just on those of OpDef.inPlace. */
  readonly overlaps?: readonly Overlap[];
  /**
   * Why it is not chosen for this node whatever its estimate says. Asked for by name it computes the
   * node all the same.
   */
  readonly refusal?: string;
  /** What the kernel does, for choice only: by the name of each term. Costs come from bench/. */
  work(): Readonly<Record<string, WorkTerm>>;
  /**
   * The calls that compute the node, in order, all of the variant's template; nearly always one.
   * Weights are laid out here: `tables` holds them as the kernel reads them.
   */
  calls(): readonly KernelCall[];
}

/** What stands of a variant before it is matched. */
export interface VariantTraits {
  /**
   * Path below templates/kernels without '.hbs': 'portable/conv2d'. A plan names the variant by it:
   * no two variants of an operator have the same, variants of two operators may.
   */
  readonly template: string;
  /** The template's file, where it is not the name: several variants may share one. */
  readonly text?: string;
  readonly needs: readonly Feature[];
  /** It adds a residual where the node has one (layout/residual.ts); others are not asked then. */
  readonly addsResidual?: boolean;
  /** It multiplies no weight that is zero: its time and its bytes are those of the others. */
  readonly skipsZeros?: boolean;
  /** It trades time for weights that are smaller than their int8: taken where that is wanted. */
  readonly packs?: boolean;
}

/** One way to compute an operator. */
export interface KernelVariant<A extends object = Attrs> extends VariantTraits {
  /** The kernel of a node; null where it is none that the variant computes. */
  match(view: NodeView<A>, context: MatchContext): Kernel | null;
}

/** A part of a node that can be computed by itself: a node of the same operator. */
export interface Half<A extends object = Attrs> {
  /** Its tensors are pieces of the node's, each one piece of memory. */
  readonly view: NodeView<A>;
  /** Where the piece of each input begins in it, in bytes; 0 for constants. */
  readonly inputBytes: readonly number[];
  /** The same for output 0. */
  readonly outputBytes: number;
  /** The output channel that is its first one. */
  readonly firstChannel: number;
}

/** Together they write output 0, each element once. */
export type Halves<A extends object = Attrs> = readonly [first: Half<A>, second: Half<A>];

/** How an operator is computed. */
export interface Kernels<A extends object = Attrs> {
  /** Best first by capability; plan/choose takes the cheapest whose needs hold and that match. */
  readonly variants: readonly KernelVariant<A>[];
  /** What two cores can compute at the same time; left out, or null: one computes the node. */
  halves?(view: NodeView<A>): Halves<A> | null;
}

/** A variant and what it is of a node. */
export interface Match {
  readonly variant: VariantTraits;
  readonly kernel: Kernel;
}

/** `make`, called when its value is first asked for. */
export function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** Answers to questions, each worked out when it is first asked. */
export function answers(): MatchContext['shared'] {
  const known = new Map<object, unknown>();
  return <T>(question: object, make: () => T): T => {
    if (!known.has(question)) known.set(question, make());
    return known.get(question) as T;
  };
}
