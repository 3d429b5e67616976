/** What add, sub and mul are to those that compute and bound them. */
import type { Activation } from './quant.js';

/**
 * One difference between the runtimes is not followed: where a result before the clamp leaves
 * int16, vectors of desktop TFLite wrap instead of saturating. The operands' range is then more than
 * 128 times the output's.
 */
export interface BinaryAttrs {
  /** Fused: the output is clamped to its range. */
  readonly activation: Activation;
}

/** One operator's arithmetic, for one node. */
export interface Arithmetic {
  /**
   * The output before the clamp, its zero point added; a and b are raw elements. With the one held,
   * it never falls, or never rises, as the other rises.
   */
  combine(a: number, b: number): number;
  /** What the C kernel needs to do the same, under the template's names. */
  readonly numbers: Readonly<Record<string, number>>;
}
