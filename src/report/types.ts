/**
 * The report: what `--json` prints (docs/process.md, 'Report and exit codes'). Null: not
 * measured by this command.
 */

import type { DeviceResult } from '../boards/profile/verify.js';
import type { CompileOptions, Decision, Plan, PlanStep } from '../compiler/plan/types.js';

/** A step of the plan, and what was built and measured of it. */
export interface LayerRow
  extends Pick<
    PlanStep,
    'index' | 'name' | 'op' | 'ops' | 'kernel' | 'cores' | 'why' | 'alternatives' | 'macs'
  > {
  /** Cycles, instructions or nanoseconds of the step in a hooked run: latency.unit says which. */
  readonly count: number | null;
  /** count over the sum of all counts. */
  readonly share: number | null;
  readonly weightBytes: number;
  readonly region: string;
  /** CRC-32 of the step's first output, for the first vector. */
  readonly crc32: number | null;
}

/** Bytes. */
export interface Memory {
  readonly arenaBytes: number;
  /** No placement of these tensors can need less than this. */
  readonly arenaLowerBoundBytes: number;
  /** Measured by painting. */
  readonly stackBytes: number | null;
  /** States: what the model remembers from one run to the next. */
  readonly stateBytes: number;
  /** Static data and bss, arena and states excluded. */
  readonly staticRamBytes: number | null;
  /** Weights and code copied to RAM at start. */
  readonly sramCopyBytes: number;
  /** arena + states + static + stack + copies. */
  readonly ramBytes: number | null;
  /** All of the image that is neither table nor weight: kernels, runtime, serial and USB. */
  readonly codeBytes: number | null;
  readonly tableBytes: number;
  readonly weightBytes: number;
  /** The whole image. */
  readonly flashBytes: number | null;
  /** flashBytes; before a build the most that it is by estimate. */
  readonly flashMostBytes: number;
  /** ramBytes; before a run the most that it is by estimate. null: nothing is known of the board. */
  readonly ramMostBytes: number | null;
}

export interface Report {
  readonly model: Plan['model'];
  readonly target: string;
  /** 'sim', or the path of the serial port. */
  readonly device: string | null;
  readonly toolchain: string | null;
  readonly verify: DeviceResult['verify'] | null;
  /** Whole inferences, without hooks and serial traffic. */
  readonly latency: DeviceResult['latency'] | null;
  readonly memory: Memory;
  readonly layers: readonly LayerRow[];
  readonly options: Omit<CompileOptions, 'xip'> & {
    readonly xip: 'model' | 'ideal' | null;
    /** The prices and limits by which kernels were chosen. */
    readonly decision: Decision;
    /** What a simulated figure leaves out, in one sentence; null for a real board. */
    readonly simulation: string | null;
  };
}
