/** The lines along which tensors of a graph can be cut, and which positions on them go together. */
import { type Graph, type TensorId, tensorOf } from '../../compiler/ir/graph.js';
import { headAxes } from './heads.js';
import { DisjointSets } from './sets.js';

/** Positions along one axis of a tensor. */
export interface Slice {
  readonly tensor: TensorId;
  readonly axis: number;
  /** Ascending. */
  readonly indices: readonly number[];
}

/** All positions along one axis of a tensor. They have numbers, in sequence over all lines. */
interface Line {
  readonly tensor: TensorId;
  readonly axis: number;
  readonly first: number;
  readonly extent: number;
}

export class Lines {
  readonly #lines = new Map<string, Line>();
  readonly #sets = new DisjointSets();
  readonly #axes = new Map<TensorId, number>();
  /** Tensors and positions that stay. */
  readonly #whole = new Set<TensorId>();
  readonly #staying = new Set<number>();

  readonly #heads: ReadonlyMap<TensorId, number>;

  constructor(readonly graph: Graph) {
    this.#heads = headAxes(graph);
  }

  /** The axis of a tensor whose positions become heads of attention; null where none do. */
  headsOf(tensor: TensorId): number | null {
    return this.#heads.get(tensor) ?? null;
  }

  /** The axis of a computed tensor that holds its channels: the last one unless it is set. */
  axisOf(tensor: TensorId): number {
    return this.#axes.get(tensor) ?? Math.max(0, tensorOf(this.graph, tensor).shape.length - 1);
  }

  setAxis(tensor: TensorId, axis: number): void {
    this.#axes.set(tensor, axis);
  }

  keepTensor(tensor: TensorId): void {
    this.#whole.add(tensor);
  }

  keepPosition(position: number): void {
    this.#staying.add(position);
  }

  /** The number of the line's first position. */
  along(tensor: TensorId, axis = this.axisOf(tensor)): number {
    const key = `${tensor}/${axis}`;
    const known = this.#lines.get(key);
    if (known !== undefined) return known.first;
    const extent = tensorOf(this.graph, tensor).shape[axis] ?? 1;
    const first = this.#sets.add(extent);
    this.#lines.set(key, { tensor, axis, first, extent });
    return first;
  }

  /** Two positions go together. */
  join(a: number, b: number): void {
    this.#sets.join(a, b);
  }

  /** `count` positions from `a` on go with those from `b` on, one to one. */
  joinAll(a: number, b: number, count: number): void {
    for (let i = 0; i < count; i += 1) this.join(a + i, b + i);
  }

  /** The sets that can go: none of their positions stays, and none of their lines would be empty. */
  removable(): readonly (readonly Slice[])[] {
    const sets = new Map<number, (Slice & { indices: number[] })[]>();
    const staying = new Set([...this.#staying].map((position) => this.#sets.leader(position)));
    for (const { tensor, axis, first, extent } of this.#lines.values()) {
      for (let index = 0; index < extent; index += 1) {
        const leader = this.#sets.leader(first + index);
        const slices = sets.get(leader) ?? [];
        sets.set(leader, slices);
        let slice = slices.at(-1);
        if (slice?.tensor !== tensor || slice.axis !== axis) {
          slice = { tensor, axis, indices: [] };
          slices.push(slice);
        }
        slice.indices.push(index);
        if (slice.indices.length === extent || this.#whole.has(tensor)) staying.add(leader);
      }
    }
    return [...sets].filter(([leader]) => !staying.has(leader)).map(([, slices]) => slices);
  }
}
