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

/** What a node can do besides its own work, so that another node is not needed. */
export interface Absorption {
  /** It clamps its output to the range of its attribute `activation`. */
  readonly activation?: true;
  /** It pads input 0 with the zero point, by its attributes padTop, padBottom, padLeft, padRight. */
  readonly pad?: true;
  /** It adds its input 3 (ops/arithmetic/residual.ts). */
  readonly residual?: true;
  /** Reshapes of input 0: it takes the elements as they follow one another. */
  reshape?(attrs: Attrs): boolean;
  /**
   * The zero point of input 0, into its bias (input 2), by its attribute `zeroPointFolded`: where
   * the output channels are in the shape of its weights (input 1).
   */
  readonly zeroPoint?: 'first' | 'last';
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
}

export type OpTable = ReadonlyMap<string, OpDef>;
