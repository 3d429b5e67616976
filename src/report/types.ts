/** The report: what `--json` prints (docs/architecture.md, 'Report'). Null: not measured by this command. */
import type { CompileOptions, Plan } from '../plan/types.js';

export interface LayerRow {
  readonly index: number;
  readonly name: string;
  readonly op: string;
  readonly ops: readonly number[];
  readonly kernel: string;
  readonly why: string;
  readonly macs: number;
  /** Cycles, instructions or nanoseconds of the step in a hooked run: latency.unit says which. */
  readonly count: number | null;
  /** count over the sum of all counts. */
  readonly share: number | null;
  readonly weightBytes: number;
  readonly region: string;
  /** Of the step's first output, for the first vector. */
  readonly crc32: number | null;
}

export interface DivergingLayer {
  readonly index: number;
  readonly name: string;
  readonly op: string;
}

export interface VerifyResult {
  readonly vectors: number;
  readonly mismatches: number;
  readonly firstDivergingLayer: DivergingLayer | null;
}

export interface Latency {
  readonly unit: 'cycles' | 'instructions' | 'nanoseconds';
  /** Median over the vectors, of one inference without hooks and serial traffic. */
  readonly count: number;
  readonly min: number;
  readonly max: number;
  readonly runs: number;
  readonly clockHz: number;
  readonly ms: number;
}

/** Bytes. */
export interface Memory {
  readonly arenaBytes: number;
  /** No placement of these tensors can need less than this. */
  readonly arenaLowerBoundBytes: number;
  /** Measured by painting. */
  readonly stackBytes: number | null;
  /** Static data and bss, the arena excluded. */
  readonly staticRamBytes: number | null;
  /** Weights and code copied to RAM at start. */
  readonly sramCopyBytes: number;
  /** arena + static + stack + copies. */
  readonly ramBytes: number | null;
  /** All of the image that is neither table nor weight: kernels, runtime, serial and USB. */
  readonly codeBytes: number | null;
  readonly tableBytes: number;
  readonly weightBytes: number;
  /** The whole image. */
  readonly flashBytes: number | null;
}

export interface Report {
  readonly model: Plan['model'];
  readonly target: string;
  /** 'sim', or the path of the serial port. */
  readonly device: string | null;
  readonly toolchain: string | null;
  readonly verify: VerifyResult | null;
  readonly latency: Latency | null;
  readonly memory: Memory;
  readonly layers: readonly LayerRow[];
  readonly options: CompileOptions & { readonly xip: 'model' | 'ideal' | null };
}

/** Sizes of a built image, from the link map. */
export interface ImageSizes {
  readonly codeBytes: number;
  readonly tableBytes: number;
  readonly weightBytes: number;
  readonly flashBytes: number;
  readonly staticRamBytes: number;
}

/** What a run on a device measured. */
export interface Measurement {
  readonly device: string;
  readonly xip: 'model' | 'ideal' | null;
  readonly verify: VerifyResult;
  readonly latency: Latency;
  readonly stackBytes: number;
  /** One per step. */
  readonly layerCounts: readonly number[];
  /** One per step: the first output's. */
  readonly layerCrc32: readonly number[];
}
