/** The plan: everything that was decided about one model on one target. JSON-serializable. */
import type { DType, Shape, TensorId } from '../ir/graph.js';
import type { CountUnit, Optimize } from '../ir/op.js';

export type { Optimize };

export interface CompileOptions {
  readonly optimize: Optimize;
  readonly rounding: 'tflm' | 'tflite';
  /** Refuse what TFLM ignores in the model's file. Absent: false. */
  readonly strict?: boolean;
  /** One step per source operator, tensors unchanged. */
  readonly faithful: boolean;
  /** The input's memory is not reused during the run. */
  readonly keepInput: boolean;
  /** What flash is taken to cost where weights are placed. */
  readonly xip: XipModel;
  /** Bytes that the plan keeps to where it can; absent: what the target has. */
  readonly maxFlash?: number;
  readonly maxRam?: number;
  /** Milliseconds of an inference, as estimated; where instructions are counted, if each took a cycle. */
  readonly maxMs?: number;
  /** Absent: 'half', and 'all' with 'speed'. */
  readonly sramCopies?: SramCopies;
  /** 2: halves of a step may run on two cores at the same time. Absent: 1. */
  readonly cores?: number;
  /** Two cores, where the target has them and one takes longer than `maxMs`: a plan's `cores` tells. */
  readonly autoCores?: boolean;
  /** Nodes by name, each with the template that computes it: for measuring kernels. */
  readonly kernels?: readonly (readonly [node: string, template: string])[];
}

/** How much of the RAM that is left copies of weights may have. */
export const sramCopies = ['none', 'half', 'all'] as const;
export type SramCopies = (typeof sramCopies)[number];

/** 'model': flash as the target's cache serves it; 'ideal': as fast as RAM. */
export type XipModel = 'model' | 'ideal';

/** Bytes of the arena that hold one tensor from step `first` to step `last` inclusive. */
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

export interface Scratch {
  readonly offset: number;
  readonly bytes: number;
}

/** Bytes that are moved within the arena, to where the kernel reads its input from. */
export interface Move {
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
}

/** The kernel of a step that needs no code: a reshape, kept as a step by `faithful`. */
export const noKernel = 'none';

/** Memory that weights can live in. */
export type Region = 'flash' | 'sram';

/**
 * What decided between time and bytes: for each step the least count + flashPrice · bytes within
 * the arena's limit, which is that at which the sum of these + arenaPrice · limit is least.
 */
export interface Decision {
  /** What estimates count. */
  readonly unit: CountUnit;
  readonly flashPrice: number;
  readonly arenaPrice: number;
  /** The limit: no step was given a kernel with which the arena holds more. */
  readonly arenaBytes: number;
  /** RAM that the arena could have; null: not limited. */
  readonly arenaRoomBytes: number | null;
  /** Other kernels would be taken if there were more RAM for the arena. */
  readonly isShortOfRam: boolean;
  /** Of the prices that `--optimize` wants: below 1 where a budget of time needs it. */
  readonly share: number;
  /** What sets the price: '--optimize balanced', 'the flash budget'. */
  readonly reason: string;
  /** Of flash, with the code of kernels: estimated. */
  readonly imageBytes: number;
}

/**
 * How a kernel treats weights. dense: it multiplies all; sparse: all but those that are zero; packed:
 * it takes them out of an encoding smaller than int8, which costs time.
 */
export type KernelForm = 'dense' | 'sparse' | 'packed';

/** What one of the kernels that can compute a step would cost. */
export interface KernelEstimate {
  readonly kernel: string;
  readonly cores: number;
  readonly form: KernelForm;
  /** In the unit of Plan.decision, its weights placed as the plan would place them. */
  readonly count: number;
  /** Weights and tables. */
  readonly bytes: number;
  /** What the arena holds in the step at least. */
  readonly arenaBytes: number;
}

/** What runs as one unit and is one row of the report. */
export interface PlanStep {
  readonly index: number;
  /** For people: the source layer's name. */
  readonly name: string;
  /** Index of the node in the planned graph. */
  readonly node: number;
  /** Operator names joined by '+', heaviest first. */
  readonly op: string;
  /** Indices of the source operators. */
  readonly ops: readonly number[];
  /** The variant's template; `noKernel` where the output already lies where the input is. */
  readonly kernel: string;
  /** 2: it computes two halves of the step at the same time. */
  readonly cores: number;
  /** Why this kernel. */
  readonly why: string;
  /** The kernels there are, with the chosen one first and then the fastest; none for `noKernel`. */
  readonly alternatives: readonly KernelEstimate[];
  /** What would be chosen if kernels of all steps multiplied every weight; null where none does. */
  readonly dense: KernelEstimate | null;
  readonly macs: number;
  readonly reads: readonly TensorId[];
  readonly writes: readonly TensorId[];
  readonly scratch: Scratch | null;
  /** What the step does before its kernel runs. */
  readonly move: Move | null;
  /** Where the weights of each of the kernel's calls live: in flash, or copied to RAM at start. */
  readonly regions: readonly Region[];
}

/** An input or output as the user sees it. */
export interface IoTensor {
  readonly name: string;
  /** C identifier made of the name. */
  readonly identifier: string;
  readonly tensor: TensorId;
  readonly dtype: DType;
  readonly shape: Shape;
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
  /** No placement of these tensors can need less. */
  readonly arenaLowerBoundBytes: number;
  /** Alignment that the caller's arena must have. */
  readonly arenaAlign: number;
}

/** Of a whole inference, in the unit of the decision. */
export function estimatedCount({ steps }: Pick<Plan, 'steps'>): number {
  return steps.reduce((sum, { alternatives }) => sum + (alternatives[0]?.count ?? 0), 0);
}
