/** The table of operators: what compiles, what does not, and the way round. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { unzipSync } from 'fflate';
import type { CompileOptions } from '../../src/compiler/plan/types.js';
import { BonsaiError, refusalOf } from '../../src/errors.js';
import { inspectModel } from '../../src/pipeline/inspect.js';
import { supportRows, supportText } from '../../src/report/support.js';
import {
  at,
  changed,
  codeOf,
  conv,
  encodeModel,
  smallModel,
  softmax,
  typeCode,
} from '../formats/fixture.js';

const options: CompileOptions = {
  ...{ optimize: 'balanced', rounding: 'tflm' },
  ...{ faithful: false, keepInput: false, xip: 'model' },
};

const inspected = (bytes: Uint8Array, path = 'model.tflite') =>
  inspectModel({ bytes, path, options });

const refusal = (message: string, hint: string) =>
  new BonsaiError('unsupported-operator', 'operator 0', message, hint);

describe('support of operators', () => {
  it('counts operators of the same name, types and outcome', () => {
    const rows = supportRows([
      { name: 'ADD', types: 'int8', refusal: null },
      { name: 'ADD', types: 'int8', refusal: refusal('tensor "a" is odd', 'even it') },
      { name: 'ADD', types: 'int16', refusal: null },
      { name: 'ADD', types: 'int8', refusal: null },
      { name: 'ADD', types: 'int8', refusal: refusal('tensor "b" is odd', 'even it') },
    ]);
    expect(rows.map(({ types, count, reason }) => [types, count, reason])).to.deep.equal([
      ['int8', 2, null],
      ['int8', 2, 'tensor "a" is odd'],
      ['int16', 1, null],
    ]);
  });

  it('gives a way round once, and the start of long names', () => {
    const long = `tensor "${'x'.repeat(80)}" is odd`;
    const rows = supportRows([
      { name: 'ADD', types: 'int8', refusal: refusal(long, 'even it') },
      { name: 'SUB', types: 'int8', refusal: refusal('is odd', 'even it') },
      { name: 'MUL', types: 'int8', refusal: null },
    ]);
    expect(
      supportText(rows, 120)
        .split('\n')
        .slice(2)
        .map((line) => line.trimEnd()),
    ).to.deep.equal([
      `ADD       int8       1  no: tensor "${'x'.repeat(21)}…" is odd → even it`,
      'SUB       int8       1  no: is odd → as above',
      'MUL       int8       1  yes',
    ]);
  });

  const supportedOf = (bytes: Uint8Array) =>
    inspected(bytes).operators.map(({ operator, types, supported }) => [
      operator,
      types,
      supported,
    ]);

  it('of a model that compiles: the operators of the file, with their types', () => {
    expect(supportedOf(encodeModel(smallModel()))).to.deep.equal([
      ['CONV_2D', 'int8', true],
      ['RESHAPE', 'int8', true],
      ['FULLY_CONNECTED', 'int8', true],
      ['SOFTMAX', 'int8', true],
    ]);
  });

  it('of a model with a strange operator, a strange type and a strange attribute: each of them', () => {
    const bytes = changed((model, main) => {
      Object.assign(at(model.operatorCodes, softmax), codeOf('ATAN2'));
      Object.assign(at(main.operators, conv).builtinOptions?.values ?? {}, { strideH: 0 });
      for (const id of [5, 8]) Object.assign(at(main.tensors, id), { type: typeCode('uint8') });
    });
    const { operators, fault, proven } = inspected(bytes);
    expect(operators.map(({ operator, types, reason }) => [operator, types, reason])).to.deep.equal(
      [
        ['CONV_2D', 'int8', 'strideH is 0'],
        ['RESHAPE', 'int8 → uint8', operators[1]?.reason],
        ['FULLY_CONNECTED', 'uint8 × int8 → uint8', operators[2]?.reason],
        ['ATAN2', 'uint8 → int8', fault?.message],
      ],
    );
    expect(operators[1]?.reason).to.match(/uint8/);
    expect(operators[2]?.reason).to.match(/uint8/);
    expect([fault?.code, proven]).to.deep.equal(['unsupported-operator', null]);
  });

  it('of a model whose fault is no operator: all are supported, and the fault is told', () => {
    const bytes = changed((_, main) => main.outputs.splice(0, 1, 1));
    const { operators, fault } = inspected(bytes);
    expect(operators.every(({ supported }) => supported)).to.equal(true);
    expect(fault?.message).to.match(/constant/);
  });

  it('a damaged file is the error that it is for every command', () => {
    const bytes = encodeModel(smallModel()).subarray(0, 700);
    expect(refusalOf(() => inspected(bytes))?.code).to.equal('truncated-model');
  });

  it("a layer of Keras is refused for an operator's row, and compiles where all rows are supported", () => {
    const corpus = (name: string) =>
      readFileSync(fileURLToPath(new URL(`../corpus/${name}`, import.meta.url)));
    const archive = unzipSync(corpus('keras.zip'));
    /** Of the layers that are not exact. */
    const outcomes = JSON.parse(corpus('keras.json').toString()) as Record<string, string>;
    for (const [path, bytes] of Object.entries(archive)) {
      const name = /^(.*)\.tflite$/.exec(path)?.[1];
      if (name === undefined) continue;
      const outcome = outcomes[name] ?? 'exact';
      const { operators, fault } = inspected(bytes, path);
      expect([name, fault !== null]).to.deep.equal([name, outcome.startsWith('refused')]);
      // A model without operators has no row to say so.
      const isWhole = outcome.includes('no operators') || fault === null;
      const supported = operators.every((row) => row.supported);
      expect([name, supported]).to.deep.equal([name, isWhole]);
    }
  });
});
