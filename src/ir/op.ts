/** What an operator is: one object literal per file in src/ops, checked by OpDef. */
import type { Attrs, NodeView, Shape, Tensor, TensorData } from './graph.js';

/**
 * Instruction sets and units that a kernel may need and a target may have. mul32: a fast 32-bit
 * multiply; thumb1: Armv6-M assembly; dsp, mve: the Arm extensions.
 */
export type Feature = 'mul32' | 'thumb1' | 'dsp' | 'mve' | 'fpu';

/** What a compilation is for: the fewest cycles, the fewest bytes, or a fair share of both. */
export const goals = ['speed', 'balanced', 'size'] as const;
export type Optimize = (typeof goals)[number];

/** What is counted of a run; a device tells it by its position (docs/protocol.md). */
export const countUnits = ['cycles', 'instructions', 'nanoseconds'] as const;
export type CountUnit = (typeof countUnits)[number];

/**
 * Measured cost of each term of a kernel's work: goal → template → term → so many of the target's
 * unit. Compilers are told of the goal, and for 'speed' each shape has a function of its own.
 */
export type Costs = Partial<
  Readonly<Record<Optimize, Readonly<Record<string, Readonly<Record<string, number>>>>>>
>;

/** Measured bytes of machine code, with a serial line. */
export interface CodeSizes {
  /** What every image has. */
  readonly runtimeBytes: number;
  /** What calls a kernel, step by step. */
  readonly stepBytes: number;
  /** By template: its function, with those that it calls. */
  readonly kernels: Readonly<Record<string, number>>;
}

/** What kernel choice asks of a target. Filled in from targets/<name>/target.json. */
export interface TargetTraits {
  readonly name: string;
  readonly features: ReadonlySet<Feature>;
  readonly costs: Costs;
  /** What `costs` count. */
  readonly costUnit: CountUnit;
  /** Absent: no time follows from counts. */
  readonly clockHz?: number;
  /** Absent where it was not measured. */
  readonly code?: Readonly<Record<Optimize, CodeSizes>>;
  /** null: not limited. */
  readonly flashBytes: number | null;
  readonly ramBytes: number | null;
  /** Where weights can live, and what that costs; absent: in flash as fast as RAM. */
  readonly regions?: {
    /** Flash is read through a cache; a miss stalls the core. */
    readonly flash: {
      readonly cacheBytes: number;
      readonly lineBytes: number;
      readonly missCycles: number;
    };
    /** RAM that weights are copied to at start, but for bytes left to the runtime and the stack. */
    readonly sram: { readonly reservedBytes: number };
  };
}

/** Bounds of integers, both inclusive, one entry per channel. */
export interface ChannelBounds {
  readonly min: Int32Array;
  readonly max: Int32Array;
}

/** What analysis has proved about the graph, as kernels ask for it. */
export interface Facts {
  /** Bounds of a tensor's stored values, for every channel of its last axis. */
  range(tensor: Tensor): ChannelBounds;
  /**
   * Bounds of every output channel's accumulator of a conv2d, depthwise_conv2d or fully_connected
   * node: bias + Σ x·w over raw inputs (the input's zero point folded into the bias), a padded tap
   * counting as the zero point.
   */
  accumulator(view: NodeView<object>): ChannelBounds;
}

/**
 * How the channels of a node's operands and outputs belong together, where some of them can be
 * left out: the last axis of a tensor. What is not told stays whole.
 */
export type ChannelFlow =
  | {
      /** Output channels come from their own input channels alone: they stay or go together. */
      readonly kind: 'tied';
      readonly ties: readonly ChannelTie[];
    }
  | {
      /**
       * Every output channel sums over all input channels: weights (input 1) of
       * [outputs][taps][channels], a bias (input 2) of [outputs].
       */
      readonly kind: 'mixed';
      /** For each tap, whether it lies in the padding at some position. */
      readonly padded: readonly boolean[];
    };

export interface ChannelTie {
  /** Position of the operand, computed or constant. */
  readonly input: number;
  readonly output: number;
  /** Channel c of the operand goes to `repeat` output channels, from first + c · repeat on. */
  readonly first: number;
  readonly repeat: number;
}

/** What a kernel may know besides its node. */
export interface KernelContext {
  readonly facts: Facts;
  readonly target: TargetTraits;
  readonly optimize: Optimize;
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

/** One way to compute an operator. One predicate serves choice and scratch. */
export interface KernelVariant<A extends object = Attrs> {
  /**
   * Path below templates/kernels without '.hbs': 'portable/conv2d'. A plan names the variant by it:
   * no two variants of an operator have the same, variants of two operators may.
   */
  readonly template: string;
  /** The template's file, where it is not the name: several variants may share one. */
  readonly text?: string;
  readonly needs: readonly Feature[];
  /**
   * Templates of the C helpers that the kernel calls, and of those that they call, named as their
   * functions: 'portable/support/requantise'. Those that are called are emitted once, first.
   */
  readonly support: readonly string[];
  /** It adds a residual where the node has one (ops/residual.ts); others are not asked then. */
  readonly addsResidual?: boolean;
  /** It multiplies no weight that is zero: its time and its bytes are those of the others. */
  readonly skipsZeros?: boolean;
  /** It trades time for weights that are smaller than their int8: taken where that is wanted. */
  readonly packs?: boolean;
  when(view: NodeView<A>, context: KernelContext): boolean;
  /**
   * Why it is not chosen for this node whatever its estimate says; null where it may be. Asked for by
   * name it computes the node all the same.
   */
  refuses?(view: NodeView<A>, context: KernelContext): string | null;
  /**
   * Bytes of arena that the kernel needs besides its inputs and outputs. Where there are any, every
   * call of the step gets the same ones, as a parameter after the outputs; a kernel that needs them
   * for some nodes only tells these apart by a flag.
   */
  scratch(view: NodeView<A>, context: KernelContext): number;
  /** What the kernel does, for choice only: by the name of each term. Costs come from bench/. */
  work(view: NodeView<A>, context: KernelContext): Readonly<Record<string, WorkTerm>>;
  /**
   * How many times one run streams through all weights; 1 where it is not said. With `work`, what
   * the misses of a flash cache are reckoned from.
   */
  weightPasses?(view: NodeView<A>, context: KernelContext): number;
  /** Where output 0 may lie on an input; where it is not said, just on those of OpDef.inPlace. */
  overlap?(view: NodeView<A>, context: KernelContext): readonly Overlap[];
  /**
   * The calls that compute the node, in order, all of the variant's template; nearly always one.
   * Weights are laid out here: `tables` holds them as the kernel reads them.
   */
  lower(view: NodeView<A>, context: KernelContext): readonly KernelCall[];
}

/** What a node can do besides its own work, so that another node is not needed. */
export interface Absorption {
  /** It clamps its output to the range of its attribute `activation`. */
  readonly activation?: true;
  /** It pads input 0 with the zero point, by its attributes padTop, padBottom, padLeft, padRight. */
  readonly pad?: true;
  /** It adds its input 3 (ops/residual.ts). */
  readonly residual?: true;
  /** Reshapes of input 0: it takes the elements as they follow one another. */
  reshape?(attrs: Attrs): boolean;
  /**
   * The zero point of input 0, into its bias (input 2), by its attribute `zeroPointFolded`: where
   * the output channels are in the shape of its weights (input 1).
   */
  readonly zeroPoint?: 'first' | 'last';
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
  /**
   * Proven bounds of every output, from those of the inputs (null: absent; constants have theirs).
   * Only asked of int8 nodes that pass `check`; left out: all that the type holds.
   */
  range?(view: NodeView<A>, inputs: readonly (ChannelBounds | null)[]): readonly ChannelBounds[];
  /**
   * Of an operator that makes int8 of int8, element by element: its output for −128, −127 … 127;
   * null for a node that does not treat all elements alike.
   */
  lookup?(view: NodeView<A>): Int8Array | null;
  /** What passes may make part of a node; left out: nothing. */
  readonly absorbs?: Absorption;
  /**
   * Of an operator with weights [·, height, width, ·] that counts padding as the zero point: so many
   * rows and columns of its window are kept at least where outer ones are all zero. Left out: all.
   */
  readonly leastWindow?: number;
  /** What Facts.accumulator says, from bounds of the inputs. */
  accumulator?(view: NodeView<A>, inputs: readonly (ChannelBounds | null)[]): ChannelBounds;
  /** Left out, or null: all channels of its tensors stay. */
  channels?(view: NodeView<A>): ChannelFlow | null;
  /** Input positions whose memory output 0 may take over, element by element; [] if none. */
  inPlace(view: NodeView<A>): readonly number[];
  /** What two cores can compute at the same time; left out, or null: one computes the node. */
  halves?(view: NodeView<A>): Halves<A> | null;
  /** Best first by capability; plan/select takes the cheapest whose needs and `when` hold. */
  readonly variants: readonly KernelVariant<A>[];
}

export type OpTable = ReadonlyMap<string, OpDef>;
