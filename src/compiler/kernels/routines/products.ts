/** A cheap way to multiply an input value by the weights of several output channels. */

/** A nonzero weight, and its channel's position in the group that is computed together. */
export interface Factor {
  readonly channel: number;
  readonly weight: number;
}

/**
 * How the magnitude of a product is made from the input value x and from the held product, which is
 * the one in the register. input: x itself. held: the held product. near: the held product and x are
 * both accumulated. scaled: the held product is shifted left. shifted: x is shifted left.
 * multiplied: x is multiplied by the weight.
 */
export type Making =
  | { readonly kind: 'input' | 'held' | 'multiplied' }
  | { readonly kind: 'near'; readonly less: boolean }
  | { readonly kind: 'scaled' | 'shifted'; readonly by: number };

export interface Product extends Factor {
  readonly making: Making;
}

/** Cycles of a product by how it is made, its accumulation included: what a core takes. */
export type ProductCycles = Readonly<Record<Making['kind'], number>>;

/** @param held magnitude of the product in the register; 0: none */
function make(magnitude: number, held: number): Making {
  if (magnitude === 1) return { kind: 'input' };
  if (magnitude === held) return { kind: 'held' };
  const by = powerOf2(magnitude);
  if (by !== null) return { kind: 'shifted', by };
  if (held > 0) {
    if (Math.abs(magnitude - held) === 1) return { kind: 'near', less: magnitude < held };
    const ratio = powerOf2(magnitude / held);
    if (ratio !== null) return { kind: 'scaled', by: ratio };
  }
  return { kind: 'multiplied' };
}

/** The exponent of a power of two above 1. */
function powerOf2(value: number): number | null {
  const exponent = 31 - Math.clz32(value);
  return value > 1 && 1 << exponent === value ? exponent : null;
}

/** The products in the cheapest order, without weights of 0; more than three by magnitude. */
export function planProducts(
  factors: readonly Factor[],
  cycles: ProductCycles,
): readonly Product[] {
  const needed = factors.filter(({ weight }) => weight !== 0);
  const magnitudes = needed.map(({ weight }) => Math.abs(weight));
  let best: readonly number[] = [...magnitudes.keys()].sort(
    (a, b) => (magnitudes[a] as number) - (magnitudes[b] as number),
  );
  let least = Infinity;
  for (const order of orders[needed.length] ?? []) {
    const cost = cyclesOf(magnitudes, order, cycles);
    if (cost < least) [best, least] = [order, cost];
  }
  let held = 0;
  return best.map((i): Product => {
    const magnitude = magnitudes[i] as number;
    const making = make(magnitude, held);
    held = heldAfter(making, magnitude, held);
    return { ...(needed[i] as Factor), making };
  });
}

/** Cycles of the products of a word's weights, accumulation included. At most three. */
export function planCycles(weights: readonly number[], cycles: ProductCycles): number {
  const magnitudes = weights.filter((weight) => weight !== 0).map(Math.abs);
  const all = (orders[magnitudes.length] ?? []).map((order) => cyclesOf(magnitudes, order, cycles));
  return Math.min(...all);
}

function cyclesOf(
  magnitudes: readonly number[],
  order: readonly number[],
  cycles: ProductCycles,
): number {
  let [sum, held] = [0, 0];
  for (const i of order) {
    const magnitude = magnitudes[i] as number;
    const making = make(magnitude, held);
    held = heldAfter(making, magnitude, held);
    sum += cycles[making.kind];
  }
  return sum;
}

function heldAfter({ kind }: Making, magnitude: number, held: number): number {
  return kind === 'input' || kind === 'held' || kind === 'near' ? held : magnitude;
}

/** All orders of 0, 1, 2 and 3 things. */
const orders: readonly (readonly (readonly number[])[])[] = [
  [[]],
  [[0]],
  [
    [0, 1],
    [1, 0],
  ],
  [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ],
];
