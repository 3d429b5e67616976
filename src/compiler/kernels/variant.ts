/** A kernel: the way in which a machine computes an operator. */
import type { Attrs, DType, NodeView } from '../ir/graph.js';
import type { Facts, Feature, Optimize, TargetTraits } from '../ir/op.js';
import type { Expression } from '../ops/arithmetic/expression.js';

/** What a kernel may know, apart from its node. */
export interface KernelContext {
  readonly facts: Facts;
  readonly target: TargetTraits;
  readonly optimize: Optimize;
}

/** What of a target kernels depend on: targets that agree on it share them. */
export interface KernelTarget {
  /** It issues two instructions at a time. */
  readonly isDual: boolean;
  /** Weights may lie in two memories. */
  readonly hasRegions: boolean;
}

/** What a variant may know while it is matched to a node. */
export interface MatchContext extends Pick<KernelContext, 'facts' | 'optimize'> {
  readonly target: KernelTarget;
  /** Shares an answer between the variants of a node: `make` is called once per question. */
  readonly shared: <T>(question: object, make: () => T) => T;
}

/** A constant array in the generated C. */
export interface Table {
  readonly data:
    | Int8Array
    | Uint8Array
    | Int16Array
    | Uint16Array
    | Int32Array
    | Uint32Array
    | BigInt64Array
    | Float32Array;
  /** 'weights': encoded weights and their indices. 'table': biases, multipliers, look-up tables. */
  readonly role: 'weights' | 'table';
}

export type Flags = Readonly<Record<string, boolean | string>>;

/**
 * Text for a template: names of helpers, operators, types. A record holds the texts of one way to
 * compute; its `word` is what a helper's name has of it.
 */
export type Words = string | boolean | readonly Words[] | { readonly [name: string]: Words };

/**
 * One call of a kernel's C function, in the field's terms; codegen/c.ts turns it into C.
 *
 * Calls of one template with the same flags share one C function. A number or table that is the
 * same in all of them is a constant in its text; otherwise it is a field of the call's const
 * descriptor. A template writes {{name}} in both cases.
 */
export interface KernelCall {
  /** Positions of the node's inputs passed as pointers, in the order of the C parameters. */
  readonly inputs: readonly number[];
  /** Positions of the node's outputs passed as pointers, after the inputs. */
  readonly outputs: readonly number[];
  /** First byte of output 0 that the call writes; default 0. */
  readonly outputBytes?: number;
  /**
   * Choose between texts, as in `{{#if dilated}}`, or between helpers, as in `rounding=rounding`: one of
   * several words, '' for the usual way. Part of the function's identity.
   */
  readonly flags: Flags;
  /**
   * What a template writes or calls by value, as in `{{use loop}}`: what follows from flags and types.
   */
  readonly words?: Readonly<Record<string, Words>>;
  /** Operands with their types: constant ones are tables `<name>_data`, the others parameters. */
  readonly operands?: Readonly<Record<string, DType>>;
  /**
   * Types of elements, which a template writes in C as {{name}}. Part of the function's identity.
   */
  readonly types?: Readonly<Record<string, DType>>;
  /**
   * Functions of elements x and y, float32 or integers. A template writes {{#each f.named}}, which are
   * declarations, and {{f.value}}. Part of the function's identity.
   */
  readonly expressions?: Readonly<
    Record<string, { readonly of: Expression; readonly isWhole: boolean }>
  >;
  /**
   * Tensors are passed as int8_t *, whatever their type; otherwise each is passed as a pointer to
   * its own type.
   */
  readonly bytes?: true;
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
  readonly isa: 'thumb' | 'rv32';
  /**
   * GNU assembler, unified syntax: the label, the instructions and their literal pools. Section,
   * .thumb_func, .type and .size are added around it.
   */
  text(symbol: string): string;
  /** Size of the machine code, literal pools included. */
  readonly bytes: number;
  /** The computation as numbers. */
  twin(): RoutineTwin;
}

/** What a routine computes, for machines that cannot run it (templates/project/twins.c.hbs). */
export type RoutineTwin = PixelsTwin | RowTwin;

/**
 * The int32 sums of a row of int8 inputs, or the int8 outputs of these, which are the routine's second
 * argument.
 */
export interface RowTwin {
  readonly kind: 'row';
  readonly depth: number;
  readonly channels: number;
  /** [channels, depth] */
  readonly weights: Int8Array;
  /** Of each channel; null for sums. */
  readonly stages: readonly StageTwin[] | null;
}

/**
 * What a routine computes of words that hold a value of each of two pixels. */
export interface PixelsTwin {
  readonly kind: 'pixels';
  /** Where the word of each tap is. */
  readonly words: Int32Array;
  /**
   * Words from there to the word of a second pair of pixels, and the routine's second argument are
   * the four pixels' outputs: of the first pair 0 and 2, of the second 1 and 3. null: there is one
   * pair, whose outputs are the second and the third argument.
   */
  readonly second: number | null;
  /** [channels, taps] */
  readonly weights: Int8Array;
  /** Of each channel. */
  readonly stages: readonly StageTwin[];
}

/** From the sum of a channel to its output. */
export interface StageTwin {
  /** The first fields of `struct stage`. */
  readonly fields: Int32Array;
  /** Sums less than 2^bits above an output's least one; a bit in eight words for each that is lowered. */
  readonly ties: { readonly bits: number; readonly lowered: Int32Array } | null;
}

/** How often a kernel does one kind of work, and the cost of doing it once. */
export interface WorkTerm {
  readonly count: number;
  /** Cycles each (or instructions, if the target counts these), without a measured cost. */
  readonly cycles: number;
}

/**
 * Output 0 may share memory with an input that dies in this step if it begins at least `lead` bytes
 * before the input; if `exact`, exactly `lead` bytes before.
 */
export interface Overlap {
  /** Position of the input. */
  readonly input: number;
  /** Bytes; may be negative. */
  readonly lead: number;
  readonly exact: boolean;
}

/** A variant applied to one node. Everything is computed once, when it is matched. */
export interface Kernel {
  /**
   * Bytes of the arena that the kernel needs besides its inputs and outputs. If there are any,
   * every call of the step gets them, as a parameter after the outputs. A kernel that needs scratch
   * for some nodes only distinguishes these by a flag.
   */
  readonly scratchBytes: number;
  /**
   * How many times a run streams through all weights; default 1. With `work` it determines the
   * misses of a flash cache.
   */
  readonly weightPasses?: number;
  /** Where output 0 may lie on an input; by default on the inputs of OpDef.inPlace. */
  readonly overlaps?: readonly Overlap[];
  /**
   * Why it is never chosen for this node, whatever its estimate. It can still be asked for by name.
   */
  readonly refusal?: string;
  /**
   * What the kernel does, by the name of each term, for the choice only. Costs come from bench/.
   */
  work(): Readonly<Record<string, WorkTerm>>;
  /**
   * The calls that compute the node, in order, all of the variant's template; nearly always one.
   * This lays the weights out: `tables` holds them as the kernel reads them.
   */
  calls(): readonly KernelCall[];
}

/** What is known of a variant before it is matched. */
export interface VariantTraits {
  /**
   * Path below templates/kernels without '.hbs': 'portable/conv2d'. A plan names the variant by it:
   * it is unique among the variants of an operator.
   */
  readonly template: string;
  /** The template's file if it differs from the name: several variants may share one. */
  readonly text?: string;
  /** Another variant's template that is its text too; its functions keep its own name. */
  readonly file?: string;
  readonly needs: readonly Feature[];
  /** The types of computed inputs and of outputs that it knows. Default: int8 alone. */
  readonly types?: readonly DType[];
  /** The goals that it serves: for others it is not matched. Default: all. */
  readonly goals?: readonly Optimize[];
  /**
   * It adds a residual if the node has one (layout/residual.ts). Other variants do not apply then.
   */
  readonly addsResidual?: boolean;
  /** It skips zero weights: time and bytes depend on the others. */
  readonly skipsZeros?: boolean;
  /** It stores weights in fewer bytes than int8, for more time. */
  readonly packs?: boolean;
}

/** One way to compute an operator. */
export interface KernelVariant<A extends object = Attrs> extends VariantTraits {
  /** The kernel of a node; null if the variant does not apply. */
  match(view: NodeView<A>, context: MatchContext): Kernel | null;
}

/** A part of a node that can be computed independently: a node of the same operator. */
export interface Half {
  /** Its tensors are pieces of the node's, each contiguous in memory. */
  readonly view: NodeView;
  /** First byte of each input's piece; 0 for constants. */
  readonly inputBytes: readonly number[];
  /** First byte of the piece of output 0. */
  readonly outputBytes: number;
  /** Its first output channel. */
  readonly firstChannel: number;
}

/** Together they write each element of output 0 once. */
export type Halves = readonly [first: Half, second: Half];

/** The kernels of an operator. */
export interface Kernels<A extends object = Attrs> {
  /**
   * The most capable first. plan/choose takes the cheapest that matches and whose needs are met.
   */
  readonly variants: readonly KernelVariant<A>[];
}

/** Bytes of a call's constants. */
export interface CallBytes {
  /** Weights, as tables or as code. */
  readonly weights: number;
  /** Biases, multipliers, look-up tables. */
  readonly tables: number;
}

/** What of a call decides between kernels. The call itself holds all weights. */
export interface CallOutline {
  readonly bytes: CallBytes;
  /** Calls with the same key call one C function. */
  readonly functionKey: string;
}

/** A kernel of which a plan may hold many: weights are laid out in `calls` alone, each time. */
export interface MatchedKernel extends Kernel {
  outlines(): readonly CallOutline[];
}

/** A variant, and its kernel for a node. */
export interface Match {
  readonly variant: VariantTraits;
  readonly kernel: MatchedKernel;
}

/** Calls `make` when its value is first needed, and once only. */
export function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** Remembers the answer to each question. */
export function answers(): MatchContext['shared'] {
  const known = new Map<object, unknown>();
  return <T>(question: object, make: () => T): T => {
    if (!known.has(question)) known.set(question, make());
    return known.get(question) as T;
  };
}
