/** Pruning patterns for layers that are measured or tested. */

/** Whether a weight of [filters][taps][channels] is kept. */
export type Keep = (filter: number, tap: number, channel: number) => boolean;

/** A random number in [0, 1). */
export type Uniform = () => number;

const groupSize = 8;

/** Patterns by name; each keeps about a share `density` of the weights. */
export const patterns: Readonly<Record<string, (uniform: Uniform, density: number) => Keep>> = {
  unstructured: (uniform, density) => () => uniform() < density,
  'blocks 1x4': (uniform, density) => grouped(uniform, density, (o, tap, c) => [o, tap, c >> 2]),
  'blocks 4x1': (uniform, density) => grouped(uniform, density, (o, tap, c) => [o >> 2, tap, c]),
  'blocks 4x4': (uniform, density) =>
    grouped(uniform, density, (o, tap, c) => [o >> 2, tap, c >> 2]),
  'n of 8': (uniform, density) => {
    const chosen = remember(() => someOf(groupSize, Math.round(groupSize * density), uniform));
    return (o, tap, c) => chosen([o, tap, Math.floor(c / groupSize)]).has(c % groupSize);
  },
  filters: (uniform, density) => grouped(uniform, density, (o) => [o]),
  'input channels': (uniform, density) => grouped(uniform, density, (_o, _tap, c) => [c]),
  taps: (uniform, density) => grouped(uniform, density, (_o, tap) => [tap]),
};

/** Keeps or drops all weights with the same key together. */
export function grouped(
  uniform: Uniform,
  density: number,
  keyOf: (...position: Parameters<Keep>) => readonly number[],
): Keep {
  const isKept = remember(() => uniform() < density);
  return (...position) => isKept(keyOf(...position));
}

function remember<T>(make: () => T): (key: readonly number[]) => T {
  const known = new Map<string, T>();
  return (key) => {
    const name = key.join();
    const value = known.get(name) ?? make();
    known.set(name, value);
    return value;
  };
}

function someOf(size: number, count: number, uniform: Uniform): ReadonlySet<number> {
  const left = Array.from({ length: size }, (_, i) => i);
  return new Set(
    Array.from(
      { length: count },
      () => left.splice(Math.floor(uniform() * left.length), 1)[0] ?? 0,
    ),
  );
}
