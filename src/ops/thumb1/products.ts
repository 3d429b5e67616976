/** How one input value is multiplied by the weights of a few output channels: the cheapest way. */

/** One weight that is not zero, and the channel (of those computed together) that it belongs to. */
export interface Factor {
  readonly channel: number;
  readonly weight: number;
}

/**
 * What makes the product's magnitude of the input value x and of the product in the register
 * before:
 * input: x itself; held: the product that is there; near: that product and x, both accumulated;
 * scaled: that product shifted left; shifted: x shifted left; multiplied.
 */
export type Making =
  | { readonly kind: 'input' | 'held' | 'multiplied' }
  | { readonly kind: 'near'; readonly less: boolean }
  | { readonly kind: 'scaled' | 'shifted'; readonly by: number };

export interface Product extends Factor {
  readonly making: Making;
}

/** Instructions, all of one cycle, that of the accumulation included. */
const instructions = { input: 1, held: 1, near: 2, scaled: 2, shifted: 2, multiplied: 3 };

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

function powerOf2(value: number): number | null {
  const exponent = Math.log2(value);
  return Number.isInteger(exponent) && exponent > 0 ? exponent : null;
}

/** In the best of all orders; weights of 0 are left out. */
export function planProducts(factors: readonly Factor[]): readonly Product[] {
  const needed = factors.filter(({ weight }) => weight !== 0);
  let best: readonly Product[] = [];
  let least = Infinity;
  for (const order of orders(needed)) {
    let held = 0;
    let cost = 0;
    const products = order.map((factor): Product => {
      const magnitude = Math.abs(factor.weight);
      const making = make(magnitude, held);
      const keeps = making.kind === 'input' || making.kind === 'held' || making.kind === 'near';
      if (!keeps) held = magnitude;
      cost += instructions[making.kind];
      return { ...factor, making };
    });
    if (cost < least) [best, least] = [products, cost];
  }
  return best;
}

function orders<T>(items: readonly T[]): readonly (readonly T[])[] {
  if (items.length < 2) return [items];
  return items.flatMap((first, i) =>
    orders(items.filter((_, j) => j !== i)).map((rest) => [first, ...rest]),
  );
}
