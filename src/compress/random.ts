/** Seeded random numbers: the same seed gives the same run on every machine. */

/** mulberry32 (Tommy Ettinger, 2017): uniform in [0, 1), 2^32 states. */
export function makeRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A seed of its own for each purpose and round, so that a resumed run draws the same numbers. */
export function seedFor(seed: number, ...path: readonly (string | number)[]): number {
  let hash = 0x811c9dc5 ^ seed;
  for (const character of path.join('/')) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  }
  return hash >>> 0;
}

/** 0 … count − 1 in random order (Fisher and Yates). */
export function permutation(count: number, random: () => number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i -= 1) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return order;
}
