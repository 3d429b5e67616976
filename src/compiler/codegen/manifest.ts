/** The results of codegen, and the contents of `bonsai.json` in an output directory. */
import type { TensorId } from '../ir/graph.js';
import type { Plan, Region } from '../plan/types.js';

/** A constant array of the generated C, or a routine that contains weights as code. */
export interface TableInfo {
  /** C symbol. */
  readonly symbol: string;
  readonly role: 'weights' | 'table';
  readonly bytes: number;
  readonly region: Region;
  /** The first step that reads it. */
  readonly step: number;
}

/**
 * A tensor that a step writes, and of which the firmware can take the checksum (docs/protocol.md).
 */
export interface Span {
  readonly step: number;
  readonly tensor: TensorId;
  readonly offset: number;
  readonly bytes: number;
}

export interface Manifest {
  readonly format: 1;
  readonly plan: Plan;
  readonly tables: readonly TableInfo[];
  readonly spans: readonly Span[];
  /** First 4 bytes of the SHA-256 over the generated C, as 8 hex digits (docs/protocol.md). */
  readonly tag: string;
}

export interface Emission {
  /** Path in the output directory → text. Includes bonsai.json, the manifest as JSON. */
  readonly files: ReadonlyMap<string, string>;
  readonly manifest: Manifest;
}
