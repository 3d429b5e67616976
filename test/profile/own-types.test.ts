/**
 * Vectors in the types of the model's file. own-types/ has Keras layers that TensorFlow 2.21 quantized
 * with inputs and outputs of float32 or uint8, and what its interpreter gave: every fourth pair of
 * float-edges has inputs halfway between two steps.
 */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { readVectors } from '../../src/boards/profile/vectors.js';
import { loadTarget } from '../../src/boards/target/index.js';
import { mainGraph } from '../../src/compiler/ir/graph.js';
import type { RuntimeRounding } from '../../src/compiler/ir/rounding.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import type { BonsaiError } from '../../src/errors.js';
import { compile } from '../../src/pipeline.js';

type Values = readonly number[] | readonly (readonly number[])[];
interface File {
  readonly type?: unknown;
  readonly pairs: { input: Values; output: Values }[];
}

const read = (file: string) => readFileSync(new URL(`own-types/${file}`, import.meta.url));
const compiled = (model: string, rounding: RuntimeRounding) =>
  compile({
    ...{ bytes: read(`${model}.tflite`), path: `${model}.tflite`, target: loadTarget('host') },
    options: { optimize: 'balanced', rounding, faithful: false, keepInput: false, xip: 'model' },
  });

describe('vectors in the types of the model', () => {
  const runs: readonly (readonly [model: string, rounding: RuntimeRounding, edges: string])[] = [
    ['float-edges', 'xnnpack', 'float32,float32 float32,float32'],
    ['float-edges', 'tflite', 'float32,float32 float32,float32'],
    ['uint8-edges', 'xnnpack', 'uint8 uint8'],
    ['uint8-float', 'xnnpack', 'uint8 float32'],
  ];
  for (const [model, rounding, edges] of runs) {
    const { plan, module } = compiled(model, rounding);
    const { edgeTypes } = module;
    const text = read(`${model}.${rounding}.json`).toString();
    const file = JSON.parse(text) as File;
    const vectors = (changed: object) =>
      readVectors(JSON.stringify({ ...file, ...changed }), 'v.json', plan, edgeTypes);

    it(`${model}: what the interpreter printed is what ${rounding} gives`, () => {
      expect(`${edgeTypes?.inputs} ${edgeTypes?.outputs}`).to.equal(edges);
      const pairs = readVectors(text, 'v.json', plan, edgeTypes);
      expect(pairs).to.have.length(8);
      for (const { inputs, outputs } of pairs) {
        expect(evaluateGraph(mainGraph(module), inputs).outputs).to.deep.equal(outputs);
      }
    });

    it(`${model}, ${rounding}: "type" says the same, in sequences too`, () => {
      const pairs = vectors({});
      expect(vectors({ type: 'model' })).to.deep.equal(pairs);
      const named = edgeTypes?.inputs[0] === edgeTypes?.outputs[0];
      if (named) expect(vectors({ type: edgeTypes?.inputs[0] })).to.deep.equal(pairs);
      const sequences = JSON.stringify({
        sequences: [file.pairs.slice(0, 3), file.pairs.slice(3)],
      });
      const read = readVectors(sequences, 'v.json', plan, edgeTypes);
      expect(read.map(({ inputs, outputs }) => [inputs, outputs])).to.deep.equal(
        pairs.map(({ inputs, outputs }) => [inputs, outputs]),
      );
      expect(read.filter(({ continues }) => !continues)).to.have.length(2);
    });

    it(`${model}, ${rounding}: the integers of the compiled model, as ever`, () => {
      const pairs = vectors({}).map(({ inputs, outputs }) => {
        const values = (all: typeof inputs) => all.map((one) => Array.from(one as Int8Array));
        return { input: values(inputs), output: values(outputs) };
      });
      for (const type of [undefined, 'compiled', 'int8']) {
        expect(vectors({ pairs, type }), String(type)).to.deep.equal(vectors({}));
      }
    });
  }

  const { plan, module } = compiled('uint8-float', 'xnnpack');
  const whole = (value: number) => new Array<number>(32).fill(value);
  const { scale = 1, zeroPoint = 0 } = plan.outputs[0] ?? {};
  const real = (q: number) => Math.fround(Math.fround(scale) * (q - zeroPoint));
  const of = (input: number, output: readonly number[], type?: unknown) =>
    JSON.stringify({ type, pairs: [{ input: whole(input), output }] });
  const five = (value: number) => new Array<number>(5).fill(value);
  const readings: readonly (readonly [
    edge: string,
    text: string,
    input: number,
    output: number,
  ])[] = [
    ['an integer that fits both: the compiled type', of(100, five(7)), 100, 7],
    ['the same with "type"', of(100, five(0), 'model'), -28, zeroPoint],
    ['above 127: uint8, for the outputs too', of(200, five(0)), 72, zeroPoint],
    ['a fraction of an output: uint8 for the input', of(100, five(real(-3))), -28, -3],
    ['below 0: the compiled type', of(-1, five(7)), -1, 7],
    ['printed with fewer digits', of(100, five(Number(real(90).toPrecision(5)))), -28, 90],
  ];
  for (const [edge, text, input, output] of readings) {
    it(edge, () => {
      const [pair] = readVectors(text, 'v.json', plan, module.edgeTypes);
      expect([pair?.inputs[0]?.[0], pair?.outputs[0]?.[4]]).to.deep.equal([input, output]);
    });
  }

  const refused: readonly (readonly [edge: string, text: string, says: RegExp])[] = [
    [
      'values that contradict each other',
      of(-1, five(real(-3))),
      /has float32 values, ".*" has integers that are no uint8\n.*all in the types of the model/,
    ],
    [
      'outputs of the float original: none that the model gives',
      of(200, five(real(3) + scale / 3)),
      /element 0 is .*, not a value that the model can give: the nearest is .*\n.*float original/,
    ],
    ['above the greatest output', of(200, five(real(127) + scale)), /the nearest is/],
    [
      'a type that one of them lacks',
      of(1, five(0), 'float32'),
      /"type" is "float32", ".*" has uint8 or int8/,
    ],
    ['a mistyped type', of(1, five(0), 'flaot32'), /did you mean float32\?/],
    ['a type that is no text', of(1, five(0), 8), /"type" is 8, not one of model, compiled/],
    ['256 as uint8', of(256, five(0), 'model'), /element 0 is 256, not an integer from 0 to 255/],
    ['text', of(200, ['a'] as never), /has 1 values/],
    ['null', of(200, [null, 0, 0, 0, 0] as never), /element 0 is null, not a number/],
  ];
  for (const [edge, text, says] of refused) {
    it(`refused: ${edge}`, () => {
      let error: BonsaiError | null = null;
      try {
        readVectors(text, 'v.json', plan, module.edgeTypes);
      } catch (thrown) {
        error = thrown as BonsaiError;
      }
      expect(`${error?.message}\n${error?.hint}`).to.match(says);
      expect(error?.code).to.equal('bad-vectors');
    });
  }
});
