/** What codegen hands on, and what `bonsai.json` in an output directory holds. */
import type { TensorId } from '../ir/graph.js';
import type { Plan, Region } from '../plan/types.js';

/** A constant array of the generated C, or a routine: weights as code. */
export interface TableInfo {
  /** C symbol. */
  readonly symbol: string;
  readonly role: 'weights' | 'table';
  readonly bytes: number;
  readonly region: Region;
  /** The step that reads it; the first one where several do. */
  readonly step: number;
}

/** A tensor that a step writes, where the firmware can take its checksum (docs/protocol.md). */
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
