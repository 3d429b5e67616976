/** The plan: all decisions about one model on one target. It serializes to JSON. */

import type { DType, Shape, TensorId } from '../ir/graph.js';
import type { CountUnit, Optimize } from '../ir/op.js';
import type { RuntimeRounding } from '../ir/rounding.js';

export type { Optimize };

export interface CompileOptions {
  readonly optimize: Optimize;
  readonly rounding: RuntimeRounding;
  /** Refuse faults of the model's file that TFLM ignores. Absent: false. */
  readonly strict?: boolean;
  /** Shapes of inputs that are dynamic in the file; without a name, that of a single input. */
  readonly shapes?: readonly { readonly name: string | null; readonly shape: Shape }[];
  /** One step per source operator, tensors unchanged. */
  readonly faithful: boolean;
  /**
   * A network over time takes only new frames: the dimension of time in its inputs, and how many
   * come with each run. Absent: it takes the whole window.
   */
  readonly stream?: { readonly axis: number; readonly hop: number };
  /** The input's memory is kept during the run. */
  readonly keepInput: boolean;
  /** Cost of flash reads where weights are placed. */
  readonly xip: XipModel;
  /** Bytes to keep to if possible; absent: the target's. */
  readonly maxFlash?: number;
  readonly maxRam?: number;
  /**
   * Milliseconds per inference, estimated. On targets that count instructions each takes a cycle.
   */
  readonly maxMs?: number;
  /** Absent: 'half', and 'all' with 'speed'. */
  readonly sramCopies?: SramCopies;
  /** 2: halves of a step may run on two cores at the same time. Absent: 1. */
  readonly cores?: number;
  /**
   * Use two cores if the target has them and one core exceeds `maxMs`. The plan's `cores` has the
   * result.
   */
  readonly autoCores?: boolean;
  /** Nodes by name, each with the template that must compute it: for measuring kernels. */
  readonly kernels?: readonly (readonly [node: string, template: string])[];
}

/** Share of the free RAM for copies of weights. */
export const sramCopies = ['none', 'half', 'all'] as const;
export type SramCopies = (typeof sramCopies)[number];

/** 'model': flash behind the target's cache; 'ideal': flash as fast as RAM. */
export type XipModel = 'model' | 'ideal';

/** The bytes of the arena that hold one tensor from step `first` to step `last`, both included. */
export interface Placement {
  readonly tensor: TensorId;
  readonly name: string;
  readonly offset: number;
  readonly bytes: number;
  /** −1: live before the first step (an input). */
  readonly first: number;
  /** steps.length: live after the last step (an output). */
  readonly last: number;
}

/** The bytes that hold a state, before its change in a run and after it. */
export interface StatePlacement {
  readonly name: string;
  /** The tensors of the state, and others that are the same memory with another shape. */
  readonly tensors: readonly TensorId[];
  /** In the memory of states, which is not part of the arena. */
  readonly offset: number;
  readonly bytes: number;
}

export interface Scratch {
  readonly offset: number;
  readonly bytes: number;
}

/** Bytes that are moved within the arena, to where the kernel reads its input. */
export interface Move {
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
}

/** The kernel of a step that needs no code: a reshape that `faithful` keeps as a step. */
export const noKernel = 'none';

/** Memory that weights can live in. */
export type Region = 'flash' | 'sram';

/**
 * How time is weighed against bytes. The plan has about the least count + flashPrice · imageBytes +
 * arenaPrice · arenaBytes; what a budget leaves over is spent too.
 */
export interface Decision {
  /** The unit of estimates. */
  readonly unit: CountUnit;
  readonly flashPrice: number;
  readonly arenaPrice: number;
  /** The largest step: no step has a kernel with which the arena holds more. */
  readonly arenaBytes: number;
  /** RAM available to the arena; null: unlimited. */
  readonly arenaRoomBytes: number | null;
  /** Whether more RAM for the arena would change the choice. */
  readonly isShortOfRam: boolean;
  /**
   * What `--optimize` weighs without a time budget, as a share of what it weighs with it: 1 if that
   * costs nothing, 0 if the budget is missed.
   */
  readonly share: number;
  /** What sets the price: '--optimize balanced', 'the flash budget'. */
  readonly reason: string;
  /** Flash of the image, code included, estimated. */
  readonly imageBytes: number;
  /**
   * The image that more of the board's flash would allow, and the time that it would take, as a
   * share of the plan's; null where it gains less than 3 %.
   */
  readonly withMoreFlash: { readonly imageBytes: number; readonly timeShare: number } | null;
}

/**
 * How a kernel treats weights. dense: multiplies all; sparse: skips zeros; packed: decodes them
 * from an encoding smaller than int8, which costs time.
 */
export type KernelForm = 'dense' | 'sparse' | 'packed';

/** The cost of one kernel that can compute a step. */
export interface KernelEstimate {
  readonly kernel: string;
  readonly cores: number;
  readonly form: KernelForm;
  /** In the unit of Plan.decision, with weights placed as the plan would place them. */
  readonly count: number;
  /** Weights and tables. */
  readonly bytes: number;
  /** Least bytes of the arena during the step. */
  readonly arenaBytes: number;
}

/** A unit of execution and a row of the report. */
export interface PlanStep {
  readonly index: number;
  /** The source layer's name, for messages. */
  readonly name: string;
  /** Index of the node in the planned graph. */
  readonly node: number;
  /** Operator names joined by '+', heaviest first. */
  readonly op: string;
  /** Indices of the source operators. */
  readonly ops: readonly number[];
  /** The variant's template; `noKernel` if the output already lies in the input's memory. */
  readonly kernel: string;
  /** 2 if two cores compute halves of the step at the same time. */
  readonly cores: number;
  /** Why this kernel. */
  readonly why: string;
  /** The kernels that apply, the chosen one first, then by time; none for `noKernel`. */
  readonly alternatives: readonly KernelEstimate[];
  /** The kernel if all steps had dense kernels; null if none applies. */
  readonly dense: KernelEstimate | null;
  readonly macs: number;
  readonly reads: readonly TensorId[];
  readonly writes: readonly TensorId[];
  readonly scratch: Scratch | null;
  /** The step moves these bytes before its kernel runs. */
  readonly move: Move | null;
  /** Where the weights of each of the kernel's calls live: in flash, or in RAM, copied at start. */
  readonly regions: readonly Region[];
}

/** An input or output as the user sees it. */
export interface IoTensor {
  readonly name: string;
  /** C identifier derived from the name. */
  readonly identifier: string;
  readonly tensor: TensorId;
  readonly dtype: DType;
  readonly shape: Shape;
  /** 1 and 0 for a type that stands for itself: int32, bool, float32. */
  readonly scale: number;
  readonly zeroPoint: number;
  readonly offset: number;
  readonly bytes: number;
}

export interface Plan {
  readonly model: {
    readonly name: string;
    readonly sha256: string;
    readonly macs: number;
    readonly liveMacs: number;
    readonly parameters: number;
  };
  readonly target: string;
  readonly options: CompileOptions;
  readonly decision: Decision;
  readonly steps: readonly PlanStep[];
  readonly placements: readonly Placement[];
  readonly inputs: readonly IoTensor[];
  readonly outputs: readonly IoTensor[];
  readonly arenaBytes: number;
  /** In the order of the graph's states. */
  readonly states: readonly StatePlacement[];
  /** RAM for states, beside the arena. */
  readonly stateBytes: number;
  /** No placement of these tensors needs less. */
  readonly arenaLowerBoundBytes: number;
  /** Alignment that the caller's arena must have, in bytes. */
  readonly arenaAlign: number;
}

/** Estimate of a whole inference, in the unit of the decision. */
export function estimatedCount({ steps }: Pick<Plan, 'steps'>): number {
  return steps.reduce((sum, { alternatives }) => sum + (alternatives[0]?.count ?? 0), 0);
}
