/** Names of users as C identifiers. */
import { expect } from 'chai';
import fc from 'fast-check';
import { cName, cNames, modelCName } from '../../src/compiler/ir/c-names.js';
import { runs } from '../support/runs.js';

const keywords =
  'auto break case char const continue default do double else enum extern float for goto if inline int long register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while'.split(
    ' ',
  );

/** Texts whose names clash: in case, in what separates words, with a number given to another. */
const clashing = fc.constantFrom(
  ...['a', 'A', 'a b', 'a_b', 'A/B', 'a_2', 'a 2', '2', 't_2', '', 't', 'int', 'INT', 't_int', 'ä'],
);
const text = fc.oneof(clashing, fc.string({ unit: 'grapheme' }), fc.constantFrom(...keywords));

describe('ir/c-names', () => {
  const rows: [edge: string, text: string, name: string][] = [
    ['words are joined', 'serving_default/x:0', 'serving_default_x_0'],
    ['outer separators are dropped', '__init__', 'init'],
    ['a leading digit', '7 segments', 't_7_segments'],
    ['a keyword', 'int', 't_int'],
    ['a keyword in capitals is a name', 'INT', 'INT'],
    ['no letter of ASCII', 'Ü', 't'],
    ['nothing', '', 't'],
    ['what objects have', '__proto__', 'proto'],
  ];
  for (const [edge, given, name] of rows) {
    it(edge, () => expect(cName(given, 't')).to.equal(name));
  }

  it('numbers names that differ in case at most, past numbers that others have', () => {
    expect(cNames(['a', 'A', 'a_3', 'a', 'a/3'], 't')).to.deep.equal(
      ['a', 'A_2', 'a_3', 'a_4', 'a_3_2'], // macros are in capitals
    );
  });

  it('gives valid identifiers that are no keywords and differ in more than case', () => {
    fc.assert(
      fc.property(fc.array(text), (texts) => {
        const names = cNames(texts, 't');
        expect(names).to.have.lengthOf(texts.length);
        for (const name of names) {
          expect(name).to.match(/^[A-Za-z]\w*$/);
          expect(keywords).to.not.include(name);
        }
        expect(new Set(names.map((name) => name.toLowerCase()))).to.have.lengthOf(names.length);
      }),
      { numRuns: runs(100) },
    );
  });

  it('keeps names that are valid, and those before a further one', () => {
    fc.assert(
      fc.property(fc.array(text), text, (texts, more) => {
        const names = cNames(texts, 't');
        expect(cNames(names, 't')).to.deep.equal(names);
        expect(cNames([...texts, more], 't').slice(0, -1)).to.deep.equal(names);
      }),
      { numRuns: runs(100) },
    );
  });

  const models: [edge: string, file: string, name: string][] = [
    ['the ending is dropped once', 'my-model.v2.TFLITE', 'my_model_v2'],
    ['a leading digit', '2024.tflite', 'model_2024'],
    ['a header of C, in any case, since files may ignore it', 'Math', 'model_Math'],
    ['a header and a keyword', 'float', 'model_float'],
    ['the prefix of the firmware', 'bonsai-tree', 'model_bonsai_tree'],
    ['the prefix alone', 'Bonsai', 'model_Bonsai'],
    ['a word that begins as the prefix', 'bonsaic', 'bonsaic'],
    ['no letter of ASCII', 'Ü.tflite', 'model'],
  ];
  for (const [edge, file, name] of models) {
    it(`of a model: ${edge}`, () => expect(modelCName(file)).to.equal(name));
  }
});
