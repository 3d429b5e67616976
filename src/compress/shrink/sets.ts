/** Numbers 0, 1 … in disjoint sets. */
export class DisjointSets {
  readonly #parents: number[] = [];

  /** Adds `count` numbers, each a set of its own. Returns the first. */
  add(count: number): number {
    const first = this.#parents.length;
    for (let i = 0; i < count; i += 1) this.#parents.push(first + i);
    return first;
  }

  join(a: number, b: number): void {
    const [x, y] = [this.leader(a), this.leader(b)];
    this.#parents[Math.max(x, y)] = Math.min(x, y);
  }

  /** The least member of the number's set. */
  leader(member: number): number {
    let leader = member;
    while (this.#parents[leader] !== leader) leader = this.#parents[leader] as number;
    // Shortens the way for the next question.
    for (let at = member; at !== leader; ) {
      const next = this.#parents[at] as number;
      this.#parents[at] = leader;
      at = next;
    }
    return leader;
  }
}
