/** Layers of float32: TFLM's bits. Desktop TFLite adds in vectors, whose order depends on the machine. */
import { elementCount, type Shape } from '../../src/compiler/ir/graph.js';
import { Random } from './module.js';
import {
  type OperandCase,
  type OperatorCase,
  type OperatorTests,
  testOperator,
} from './operator.js';
import type { Rounding } from './runtime-rows.js';

/** A model's input. */
export const reals = (shape: Shape): OperandCase => ({ shape, dtype: 'float32', quant: null });

/** Constants from −8 to 8. */
export function realConstant(random: Random, shape: Shape): OperandCase {
  const data = random.elements('float32', elementCount(shape));
  return { shape, quant: null, data };
}

/** Weights [...], and a bias of `channels` or none. */
export function realWeights(
  random: Random,
  shape: Shape,
  channels: number,
): readonly [OperandCase, OperandCase | null] {
  const bias = random.integer(0, 3) > 0 ? realConstant(random, [channels]) : null;
  return [realConstant(random, shape), bias];
}

interface RealTests extends Pick<OperatorTests, 'refused'> {
  /** By how many units in the last place the runtime's C library may differ. */
  readonly ulps?: number;
  /** Runtimes that add in another order. */
  readonly differs?: readonly Rounding[];
}

type RealCase = Omit<OperatorCase, 'quant' | 'dtype'>;

/**
 * @param cases nodes whose golden rows tflite-micro computes
 */
export function testReal(
  op: string,
  cases: readonly RealCase[],
  random: (random: Random) => Omit<RealCase, 'edge'>,
  { ulps = 0, differs = ['tflite-portable'], refused = [] }: RealTests = {},
): void {
  const real = { quant: null, dtype: 'float32' } as const;
  testOperator({
    ...{ op, golden: `${op}_f32`, ulps },
    cases: cases.map((one) => ({ ...one, ...real })),
    random: (seeded) => ({ ...random(seeded), ...real }),
    ...{ differs: () => differs, refused },
  });
}

/** Of cases, whose constants never change. */
export const seeded = (seed: number) => new Random(seed);
