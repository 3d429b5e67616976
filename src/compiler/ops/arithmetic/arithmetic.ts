/** The interface of add, sub and mul to the code that evaluates and bounds them. */
import type { Activation, Rounding } from './quant.js';

/**
 * One difference between the runtimes is not reproduced: where a result before the clamp leaves
 * int16, the vector code of desktop TFLite wraps instead of saturating. The operands' range is then
 * more than 128 times the output's range.
 */
export interface BinaryAttrs {
  /** Fused: the output is clamped to its range. */
  readonly activation: Activation;
}

/** One operator's arithmetic, for one node. */
export interface Arithmetic {
  /**
   * The output before the clamp, zero point included; a and b are raw elements. It is monotonic in
   * each operand while the other is held, between the values of a that `bends` lists; except where
   * `binary` is told otherwise.
   */
  combine(a: number, b: number): number;
  readonly bends?: readonly number[];
  /** The constants of the C kernel, under the template's names. */
  readonly numbers: Readonly<Record<string, number>>;
  /** How a product becomes an output; default 'double'. */
  readonly rounding?: Rounding;
}
