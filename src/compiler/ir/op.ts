/** The definition of an operator: one object literal per file in src/compiler/ops, checked by OpDef. */
import {
  type Attrs,
  type DType,
  isInteger,
  type NodeView,
  type Shape,
  type Tensor,
  type TensorData,
} from './graph.js';

/**
 * Instruction sets and units that a kernel may need and a target may have. mul32: a fast 32-bit
 * multiply; swar: no SIMD, so that words are used as lanes; thumb1: Armv6-M assembly; rv32: RV32IM
 * assembly; xtensa: C for cores that load unsigned bytes alone; dsp, mve: the Arm extensions.
 */
export type Feature =
  | 'mul32'
  | 'swar'
  | 'thumb1'
  | 'rv32'
  | 'xtensa'
  | 'dsp'
  | 'dual'
  | 'mve'
  | 'fpu';

/**
 * The goal of a compilation: the fewest cycles, the fewest bytes, or a trade of one for the other.
 */
export const goals = ['speed', 'balanced', 'size'] as const;
export type Optimize = (typeof goals)[number];

/** The unit in which a run is counted. A device sends the index in this list (docs/protocol.md). */
export const countUnits = ['cycles', 'instructions', 'nanoseconds'] as const;
export type CountUnit = (typeof countUnits)[number];

/**
 * Measured cost of each term of a kernel's work, in the target's unit: goal → template → term →
 * cost. Costs differ by goal, because the goal sets the compiler's flags and with 'speed' each
 * shape has its own function.
 */
export type Costs = Partial<
  Readonly<Record<Optimize, Readonly<Record<string, Readonly<Record<string, number>>>>>>
>;

/** Measured bytes of machine code, in an image that talks over a serial line. */
export interface CodeSizes {
  /** The runtime, which every image has. */
  readonly runtimeBytes: number;
  /** The call of a kernel, for each step. */
  readonly stepBytes: number;
  /** By template: its function and the functions that it calls. */
  readonly kernels: Readonly<Record<string, number>>;
}

/** Measured bytes of the firmware on one board, beside the model. */
export interface FirmwareMemory {
  /** .data and .bss, without arena, states, copies of weights and what grows with the steps. */
  readonly staticBytes: number;
  /** The deepest stack of any kernel. */
  readonly stackBytes: number;
  /** Code in addition to what `CodeSizes` counts, which was measured on another board of the core. */
  readonly codeBytes: number;
}

/** What TFLM with CMSIS-NN takes at the least, in the unit of the target's costs. */
export interface InterpreterCosts {
  readonly perMac: number;
  /** Of each output of a convolution or fully connected layer, beside its products. */
  readonly perSum: number;
}

/** The properties of a target that kernel choice reads, from targets/<name>/target.json. */
export interface TargetTraits {
  readonly name: string;
  readonly features: ReadonlySet<Feature>;
  readonly costs: Costs;
  /** The unit of `costs`. */
  readonly costUnit: CountUnit;
  /** Absent where it was not measured: see core.json's. */
  readonly interpreter?: InterpreterCosts;
  /** Absent where a count does not translate to a time. */
  readonly clockHz?: number;
  /** Absent where code sizes were not measured. */
  readonly code?: Readonly<Record<Optimize, CodeSizes>>;
  /** Absent where the firmware was not measured, or is not ours. */
  readonly firmware?: FirmwareMemory;
  /** null: unlimited. */
  readonly flashBytes: number | null;
  readonly ramBytes: number | null;
  /** The memories that can hold weights, and their costs; absent where flash is as fast as RAM. */
  readonly regions?: {
    /** Flash is read through a cache; a miss stalls the core. */
    readonly flash: {
      readonly cacheBytes: number;
      readonly lineBytes: number;
      readonly missCycles: number;
    };
    /** RAM, to which weights can be copied at start; `reservedBytes` stay for runtime and stack. */
    readonly sram: { readonly reservedBytes: number };
  };
}

/** Bounds of integers, both inclusive, one entry per channel. */
export interface ChannelBounds {
  readonly min: Int32Array;
  readonly max: Int32Array;
}

/** Facts that analysis has proved about the graph, for kernels to query. */
export interface Facts {
  /** Bounds of a tensor's stored values, for every channel of its last axis. */
  range(tensor: Tensor): ChannelBounds;
  /**
   * Bounds of every output channel's accumulator of a conv2d, depthwise_conv2d or fully_connected
   * node: bias + Σ x·w over raw inputs (the input's zero point folded into the bias). A padded tap
   * counts as the zero point.
   */
  accumulator(view: NodeView<object>): ChannelBounds;
}

/**
 * Dimensions of a node's operands and of its output that run together, as an index of an Einstein
 * sum does. All positions along it are alike, so that some of them can be removed, reordered or
 * computed apart. What users ask about axes is answered in ops/axes.ts.
 */
export interface Axis {
  /** Its dimension in each input, by position; null or absent: the input has none. */
  readonly inputs: readonly (number | null)[];
  /** Its dimension in output 0; null where each output takes all positions together. */
  readonly output: number | null;
  /** So many positions of the output belong to each one of input 0; 1 by default. */
  readonly repeat?: number;
  /** Each position of the output reads a window of input 0. */
  readonly window?: AxisWindow;
  /** The positions are divided into so many equal groups, which do not mix; 1 by default. */
  readonly groups?: number;
}

/** A window along one axis: its taps, and what it pads before and after. */
export interface AxisWindow {
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly before: number;
  readonly after: number;
}

/** The work of neighbouring nodes that passes can fuse into a node of this operator. */
export interface Absorption {
  /** A clamp of the output to the range of the attribute `activation`. */
  readonly activation?: true;
  /** Padding of input 0 with the zero point: attributes padTop, padBottom, padLeft, padRight. */
  readonly pad?: true;
  /** The addition of input 3 (ops/arithmetic/residual.ts). */
  readonly residual?: true;
  /**
   * Whether it ignores the shape of input 0 and reads the elements in sequence, so that a reshape
   * before it can be dropped.
   */
  reshape?(attrs: Attrs): boolean;
  /** The zero point of input 0, folded into the bias under the attribute `zeroPointFolded`. */
  readonly zeroPoint?: true;
}

export interface OpDef<A extends object = Attrs> {
  /** Its file's name in src/compiler/ops, or its row's in scalar.ts there. */
  readonly name: string;
  /**
   * The types of computed inputs and of outputs that `check`, `evaluate` and the kernels know.
   * `check` may demand more, such as the same type of all. Default: int8 alone.
   */
  readonly types?: readonly DType[];
  /** Shapes of the outputs. @throws BonsaiError 'bad-shape' when ranks or extents do not match. */
  infer(view: NodeView<A>): readonly Shape[];
  /**
   * Refuses types, quantization and attributes that `evaluate` and the kernels cannot compute
   * exactly. Not called for nodes that compute in float types which are not in `types`: those are
   * refused later, with the whole model, unless it is compressed.
   * @throws BonsaiError
   */
  check(view: NodeView<A>): void;
  /**
   * The exact outputs. `inputs` holds the elements of every input, constants included; null where
   * an optional input is absent. Called only for nodes that pass `check`.
   */
  evaluate(view: NodeView<A>, inputs: readonly (TensorData | null)[]): readonly TensorData[];
  /** Multiply-accumulate operations (MACs) of one run. */
  macs(view: NodeView<A>): number;
  /**
   * Proven bounds of every output, computed from the bounds of the inputs (null: absent input; a
   * constant's bounds are those of its elements). Called only for nodes that pass `check` and
   * compute in integers.
   * Without it the bounds are those of the type.
   */
  range?(view: NodeView<A>, inputs: readonly (ChannelBounds | null)[]): readonly ChannelBounds[];
  /**
   * For an operator that maps int8 to int8 element by element: its outputs for −128, −127 … 127.
   * null for a node that does not treat all elements alike.
   */
  lookup?(view: NodeView<A>): Int8Array | null;
  /**
   * The axes of a node. Outputs depend on all of a dimension that none of them has. Without it none
   * is known; those of an operator that moves elements follow from its moves.
   */
  axes?(view: NodeView<A>): readonly Axis[];
  /**
   * For an operator whose input 1 holds weights and input 2 a bias: the dimension of the weights
   * that counts filters, which are the output's channels.
   */
  readonly filters?: 'first' | 'last';
  /** The work that passes may fuse into a node; without it none. */
  readonly absorbs?: Absorption;
  /**
   * For an operator with weights [·, height, width, ·] that counts padding as the zero point: the
   * fewest rows and columns of its window that trimming of all-zero ones must keep. Without it
   * nothing is trimmed.
   */
  readonly leastWindow?: number;
  /** The bounds that Facts.accumulator returns, computed from the bounds of the inputs. */
  accumulator?(view: NodeView<A>, inputs: readonly (ChannelBounds | null)[]): ChannelBounds;
  /**
   * Its input 0 is a state, and an output the state's next value. Such an operator is neither
   * written to .tflite nor trained.
   */
  readonly changesState?: true;
  /** A pass makes it of operators that formats have: it is neither written to a file nor trained. */
  readonly internal?: true;
  /** Input positions whose memory output 0 may take over, element by element; [] if none. */
  inPlace(view: NodeView<A>): readonly number[];
}

/** The types of computed tensors that an operator, or a variant of its kernels, takes. */
export function typesOf({ types }: { readonly types?: readonly DType[] }): readonly DType[] {
  return types ?? ['int8'];
}

/** The types of a node's computed inputs and of its outputs. */
export function computedTypes({ inputs, outputs }: NodeView<object>): readonly DType[] {
  const computed = inputs.filter((tensor) => tensor !== null && tensor.data === null);
  return [...computed, ...outputs].map((tensor) => (tensor as Tensor).dtype);
}

/**
 * Whether `check` judges a node. One that computes in a float type which its operator does not take
 * is refused later, with the whole model: until then nothing is known of its operands but shapes.
 */
export function isJudged(
  op: { readonly types?: readonly DType[] },
  view: NodeView<object>,
): boolean {
  const known = typesOf(op);
  return computedTypes(view).every((type) => isInteger(type) || known.includes(type));
}

export type OpTable = ReadonlyMap<string, OpDef>;
