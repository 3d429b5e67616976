/** Operators of one family have one table of tests: look-ups, extremes of pairs and of dimensions. */
import {
  type Attrs,
  type DType,
  elementCount,
  type Module,
  type Quant,
  type Shape,
} from '../../src/compiler/ir/graph.js';
import { perChannelQuant, perTensorQuant, Random } from './module.js';
import { expectSameBits } from './native.js';
import {
  type OperandCase,
  type OperatorTests,
  type Refusal,
  randomPair,
  randomQuant,
  randomShape,
  testOperator,
} from './operator.js';
import type { Closeness, Rounding } from './runtime-rows.js';

/** Quantization of a look-up's input and output. */
export interface LookupQuants {
  readonly input: (random: Random) => Quant;
  readonly output: (random: Random) => Quant;
}

interface LookupTests {
  readonly op: string;
  readonly quants?: LookupQuants;
  readonly attrs?: (random: Random) => Attrs;
  readonly refused?: readonly Refusal[];
}

/** Scales near those of a trained model: few results saturate. */
export const nearScales: LookupQuants = {
  input: (random) => perTensorQuant(random.integer(1, 200) / 1000, random.integer(-128, 127)),
  output: (random) => perTensorQuant(random.integer(10, 200) / 1000, random.integer(-128, 127)),
};

/** Any input and one output, which the operator requires. */
export const fixedOutput = (output: Quant): LookupQuants => ({
  input: randomQuant,
  output: () => output,
});

const anyScales: LookupQuants = { input: randomQuant, output: randomQuant };

/** An operator that maps each int8 by itself. */
export function testLookup(given: LookupTests): void {
  const { op, quants = anyScales, attrs = () => ({}), refused = [] } = given;
  const first = new Random(1);
  testOperator({
    op,
    random: (random) => ({
      inputs: [{ shape: randomShape(random, random.integer(1, 4)), quant: quants.input(random) }],
      quant: quants.output(random),
      attrs: attrs(random),
    }),
    refused: [
      {
        edge: 'an input quantized per channel',
        inputs: [{ shape: [1, 2], quant: perChannelQuant([0.1, 0.2], 1) }],
        quant: quants.output(first),
        attrs: attrs(first),
        code: 'bad-quantization',
        message: /one scale and one zero point/,
      },
      ...refused,
    ],
  });
}

/** maximum or minimum. */
export function testExtremeOfPairs(op: string): void {
  const attrs = { activation: 'none' };
  const image = { shape: [1, 2, 3, 4] };
  testOperator({
    op,
    cases: [
      { edge: 'of one shape', inputs: [image, image], attrs },
      {
        edge: 'a constant for each channel',
        inputs: [image, { shape: [4], data: Int8Array.of(-128, -3, 40, 127) }],
        attrs,
      },
      { edge: 'one constant', inputs: [image, { shape: [1], data: Int8Array.of(5) }], attrs },
      {
        edge: 'a constant first',
        inputs: [{ shape: [3, 1], data: Int8Array.of(-60, 0, 60) }, image],
        attrs,
      },
      { edge: 'both repeat', inputs: [{ shape: [2, 1, 3] }, { shape: [4, 1] }], attrs },
    ],
    random: (random) => {
      const quant = randomQuant(random);
      const shape = randomShape(random, random.integer(1, 4));
      const other = shape
        .slice(random.integer(0, shape.length - 1))
        .map((extent) => (random.integer(0, 1) === 0 ? 1 : extent));
      const operands = [
        { shape, quant },
        { shape: other, quant },
      ];
      return { inputs: random.integer(0, 1) === 0 ? operands : operands.reverse(), attrs };
    },
    refused: [
      {
        edge: 'shapes that do not broadcast',
        inputs: [{ shape: [2, 3] }, { shape: [2] }],
        attrs,
        code: 'bad-shape',
        message: /do not broadcast/,
      },
    ],
  });
}

/** reduce_max or reduce_min. */
export function testExtreme(op: string): void {
  const image = [{ shape: [1, 3, 4, 5] }];
  const wide = perTensorQuant(0.001, 0);
  testOperator({
    op,
    cases: [
      { edge: 'height and width', inputs: image, attrs: { axes: [1, 2], keepDims: false } },
      { edge: 'channels', inputs: image, attrs: { axes: [3], keepDims: true } },
      { edge: 'dimensions apart', inputs: image, attrs: { axes: [1, 3], keepDims: false } },
      { edge: 'all', inputs: image, attrs: { axes: [0, 1, 2, 3], keepDims: true } },
      ...(['int16', 'int32', 'float32'] as const).map((dtype) => ({
        edge: `${dtype}, outer and inner dimensions`,
        inputs: [{ shape: [3, 4, 5], dtype, quant: dtype === 'int16' ? wide : null }],
        attrs: { axes: [0, 2], keepDims: false },
      })),
    ],
    random: (random) => {
      const shape = randomShape(random, random.integer(1, 5));
      const axes = shape.flatMap((_, d) => (random.integer(0, 1) === 0 ? [d] : []));
      const attrs = { axes: axes.length > 0 ? axes : [0], keepDims: random.integer(0, 1) === 0 };
      const dtype = random.pick(['int8', 'int8', 'int16', 'int32', 'float32'] as const);
      const own = { int8: randomQuant(random), int16: wide, int32: null, float32: null }[dtype];
      return { inputs: [{ shape, dtype, quant: own }], attrs };
    },
    refused: [
      {
        edge: 'a change of scale',
        inputs: image,
        attrs: { axes: [1], keepDims: false },
        quant: perTensorQuant(2, 0),
        code: 'bad-quantization',
        message: /not the scale and zero point of its input/,
      },
      {
        edge: 'an axis beyond the rank',
        inputs: image,
        attrs: { axes: [4], keepDims: false },
        code: 'bad-shape',
        message: /axis 4/,
      },
    ],
  });
}

/** reduce_all, reduce_any or reduce_prod. */
export function testFolding(op: string, types: readonly DType[]): void {
  const of = (dtype: DType, shape: Shape) => ({
    inputs: [plain(dtype, shape)],
    dtype,
    quant: null,
  });
  testOperator({
    op,
    cases: types.flatMap((dtype) => [
      {
        ...of(dtype, [2, 3, 4]),
        edge: `${dtype}, a dimension between`,
        attrs: { axes: [1], keepDims: true },
      },
      {
        ...of(dtype, [2, 3, 2, 3]),
        edge: `${dtype}, dimensions apart`,
        attrs: { axes: [0, 2], keepDims: false },
      },
      {
        ...of(dtype, [3, 2]),
        edge: `${dtype}, all`,
        attrs: { axes: [0, 1], keepDims: true },
      },
    ]),
    random: (random) => {
      const shape = randomShape(random, random.integer(1, 5), 3);
      const axes = shape.flatMap((_, d) => (random.integer(0, 1) === 0 ? [d] : []));
      const attrs = { axes: axes.length > 0 ? axes : [0], keepDims: random.integer(0, 1) === 0 };
      return { ...of(random.pick(types), shape), attrs };
    },
    refused: [
      {
        ...of(types[0] as DType, [2, 3]),
        edge: 'an axis beyond the rank',
        attrs: { axes: [2], keepDims: false },
        ...{ code: 'bad-shape', message: /axis 2/ },
      },
      {
        edge: 'int8',
        inputs: [{ shape: [2, 3] }],
        attrs: { axes: [1], keepDims: false },
        ...{ code: 'unsupported-type', message: /is int8/ },
      },
    ],
  });
}

/**
 * A function of one int16, of which runtimes divide scales in float32 or in double: outputs have
 * scales that are powers of two, so that both quotients are exact.
 */
export function testWideElements(op: string, attrs: Attrs = {}, name = op): void {
  const of = (shape: Shape, scale: number): OperandCase => ({
    ...{ shape, dtype: 'int16', quant: perTensorQuant(scale, 0) },
  });
  testOperator({
    ...{ op, golden: `${name}_s16` },
    cases: [
      { edge: 'the same scale', inputs: [of([3, 20], 0.001)], attrs },
      {
        edge: 'a larger scale',
        inputs: [of([60], 0.0007)],
        ...{ attrs, quant: perTensorQuant(2 ** -9, 0) },
      },
      {
        edge: 'a smaller scale: most saturate',
        inputs: [of([60], 0.03)],
        ...{ attrs, quant: perTensorQuant(2 ** -9, 0) },
      },
    ],
    random: (random) => ({
      inputs: [of(randomShape(random, random.integer(1, 4)), random.integer(1, 999) / 2 ** 16)],
      ...{ attrs, quant: perTensorQuant(2 ** random.integer(-16, -6), 0) },
    }),
    refused: [
      {
        edge: 'a zero point',
        inputs: [{ shape: [2], dtype: 'int16', quant: perTensorQuant(1, 5) }],
        attrs,
        ...{ code: 'bad-quantization', message: /zero point that is not 0/ },
      },
    ],
  });
}

/**
 * A function of one int16 by a table of lines, or in fixed point.
 *
 * @param inputs powers of two of the input's scale, from and to
 * @param outputs those of the output's scale
 */
export function testLines(
  op: string,
  inputs: readonly [number, number],
  outputs: readonly [number, number],
  { attrs = {}, name = op, refused = [], below }: LinesTests = {},
): void {
  const of = (shape: Shape, power: number): OperandCase => ({
    ...{ shape, dtype: 'int16', quant: perTensorQuant(2 ** power, 0) },
    ...(below === undefined ? {} : { below }),
  });
  const [inputMost, outputMost] = [inputs[1], outputs[1]];
  const at = (power: number) => ({ attrs, quant: perTensorQuant(2 ** power, 0) });
  testOperator({
    ...{ op, golden: `${name}_s16` },
    cases: [
      { edge: 'the least scales', inputs: [of([3, 40], inputs[0])], ...at(outputs[0]) },
      { edge: 'the largest scales', inputs: [of([120], inputMost)], ...at(outputMost) },
      { edge: 'the input alone', inputs: [of([120], inputMost)], ...at(outputs[0]) },
    ],
    random: (random) => {
      const power = ([from, to]: readonly [number, number]) =>
        random.integer(10 * from, 10 * to) / 10;
      const shape = randomShape(random, random.integer(1, 4));
      return { inputs: [of(shape, power(inputs))], ...at(power(outputs)) };
    },
    refused: [
      ...refused,
      {
        edge: 'a zero point',
        inputs: [{ ...of([2], -12), quant: perTensorQuant(2 ** -12, 5) }],
        ...{ ...at(-12), code: 'bad-quantization', message: /zero point that is not 0/ },
      },
    ],
  });
}

interface LinesTests extends Pick<PlainTests, 'attrs' | 'name'>, Pick<OperatorTests, 'refused'> {
  /** Inputs are from 0 to this, exclusive. */
  readonly below?: number;
}

/** Elements of a type; int8, which `compare` takes as well, is quantized. */
export const plain = (dtype: DType, shape: Shape): OperandCase => ({
  shape,
  dtype,
  quant: dtype === 'int8' ? perTensorQuant(0.01, -3) : null,
});

interface PlainTests extends Pick<OperatorTests, 'together'>, Closeness {
  readonly op: string;
  /** Name of the golden file; by default that of the function. */
  readonly name?: string;
  readonly attrs?: Attrs;
  readonly types?: readonly DType[];
  /** Runtimes that compute it by approximations of their own. */
  readonly approximated?: readonly Rounding[];
}

/** A function of single elements that are not quantized. */
export function testPlain({ op, attrs = {}, types = ['float32'], ...rest }: PlainTests) {
  const { name = String(attrs.function ?? op), ulps = 0, within = 0 } = rest;
  testOperator({
    ...{ op, ulps, within, golden: `plain/${name}` },
    ...(rest.together === undefined ? {} : { together: rest.together }),
    differs: () => rest.approximated ?? [],
    cases: types.map((dtype) => ({
      edge: `${name} of ${dtype}`,
      inputs: [plain(dtype, [3, 40])],
      ...{ attrs, quant: null },
    })),
    random: (random) => {
      const dtype = random.pick(types);
      const shape = randomShape(random, random.integer(1, 4));
      return { inputs: [plain(dtype, shape)], attrs, quant: null };
    },
  });
}

/** A function of pairs of elements that are not quantized, with broadcasting. */
export function testPlainPairs(given: PlainTests & { readonly result?: DType }) {
  const { op, attrs = {}, types = ['float32', 'int32'], ulps = 0, result } = given;
  const { name = String(attrs.function ?? op) } = given;
  const typed = (dtype: DType) => ({ attrs, quant: null, dtype: result ?? dtype });
  testOperator({
    ...{ op, ulps, golden: `plain/${name}` },
    ...(given.together === undefined ? {} : { together: given.together }),
    differs: () => given.approximated ?? [],
    cases: types.flatMap((dtype, i) => [
      {
        edge: `${dtype}, a constant of one element`,
        inputs: [plain(dtype, [3, 8]), constantOf(dtype, [1], i)],
        ...typed(dtype),
      },
      {
        edge: `${dtype}, both repeat`,
        inputs: [plain(dtype, [2, 1, 5]), plain(dtype, [4, 1])],
        ...typed(dtype),
      },
    ]),
    random: (random) => {
      const dtype = random.pick(types);
      const { inputs } = randomPair(random);
      return {
        inputs: inputs.map(({ shape, data }) =>
          data === undefined ? plain(dtype, shape) : constantOf(dtype, shape, data[0] as number),
        ),
        ...typed(dtype),
      };
    },
  });
}

function constantOf(dtype: DType, shape: Shape, seed: number): OperandCase {
  return { ...plain(dtype, shape), data: new Random(seed).elements(dtype, elementCount(shape)) };
}

/** Compiles the C of several operators at once: the `together` of their tests. */
export function compiledTogether(name: string): (own: () => readonly Module[]) => void {
  const modules: (() => readonly Module[])[] = [];
  const compare = (overlap: boolean) =>
    expectSameBits(
      modules.flatMap((own) => own()),
      { overlap },
    );
  // With UPDATE_GOLDEN there are none.
  describe(name, () => {
    it('in C give the bits of evaluate', () => modules.length > 0 && compare(false));
    it('in C give the bits of evaluate, in the memory of an input', () =>
      modules.length > 0 && compare(true));
  });
  return (own) => modules.push(own);
}
