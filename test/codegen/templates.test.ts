import { expect } from 'chai';
import { packageTemplates, packageTemplateTexts } from '../../src/boards/project/templates.js';
import {
  Composition,
  type Context,
  namedTexts,
  Templates,
} from '../../src/compiler/codegen/templates.js';
import { InternalError } from '../../src/errors.js';

const templates = new Templates(new Map());

describe('templates', () => {
  const context: Context = {
    text: '1 <= 2 && "x"',
    zero: '0',
    yes: true,
    no: false,
    list: ['a', 'b'],
    items: [{ inner: 'i' }],
  };
  const rendered = [
    { edge: 'no escaping', template: '{{text}}', expected: '1 <= 2 && "x"' },
    { edge: 'booleans choose', template: '{{#if no}}n{{else}}y{{/if}}', expected: 'y' },
    { edge: 'text 0 is no false', template: '{{#if zero}}y{{/if}}', expected: 'y' },
    {
      edge: 'lists, the place in them, the context outside',
      template:
        '{{#each list}}{{this}}{{#unless @last}},{{/unless}}{{/each}}{{#each items}}{{inner}}{{../zero}}{{/each}}',
      expected: 'a,bi0',
    },
  ];
  for (const { edge, template, expected } of rendered) {
    it(edge, () => expect(templates.compile(template, 'test')(context)).to.equal(expected));
  }

  const refused = [
    { edge: 'a missing name', template: '{{gone}}', names: 'gone' },
    { edge: 'a missing condition', template: '{{#if gone}}{{/if}}', names: 'gone' },
    { edge: 'a missing negated condition', template: '{{#unless gone}}{{/unless}}', names: 'gone' },
    { edge: 'a missing list', template: '{{#each gone}}{{/each}}', names: 'gone' },
    {
      edge: 'a missing name in an item',
      template: '{{#each items}}{{#if gone}}{{/if}}{{/each}}',
      names: 'gone',
    },
    {
      edge: 'a name of the context outside without ../',
      template: '{{#each items}}{{zero}}{{/each}}',
      names: 'zero',
    },
    { edge: 'an unknown helper', template: '{{div text zero}}', names: 'div' },
    { edge: 'a name that every object has', template: '{{constructor}}', names: 'constructor' },
  ];
  for (const { edge, template, names } of refused) {
    it(`refuses ${edge}`, () => {
      expect(() => templates.compile(template, 'broken')(context))
        .to.throw(InternalError)
        .with.property('message')
        .that.includes('template "broken"')
        .and.includes(names);
    });
  }

  it('says which template is missing', () => {
    expect(() => templates.render('kernels/portable/none', {})).to.throw(
      InternalError,
      'kernels/portable/none',
    );
  });
});

describe('compositions', () => {
  it('have each helper once, after those that it uses, named after its parameters', () => {
    const composition = new Composition(packageTemplates());
    const output = composition.render('kernels/swar/requantize_sums', {
      name: 'any',
      rounding: 'single',
    });
    expect(output).to.include('to_int8(requantize_single(');
    const defined = composition.helpers.join('').match(/^(struct \w+|static inline .*?\w+\()/gm);
    expect(defined).to.deep.equal([
      'struct output',
      'static inline int8_t to_int8(',
      'static inline int32_t multiply_high(',
      'static inline int32_t requantize_single(',
    ]);
  });

  it('assert the places that assembly reads', () => {
    const helpers: Parameters<Templates['render']>[2] = [];
    const text = templates.compile('{{places "walk" zero="0" step="4"}}', 'test')({}, helpers);
    expect(text).to.equal('BONSAI_PLACE(walk, zero, 0);\nBONSAI_PLACE(walk, step, 4);');
    expect(helpers?.map(({ path }) => path)).to.deep.equal(['kernels/portable/BONSAI_PLACE']);
  });
});

describe('texts of kernels', () => {
  const texts = namedTexts(packageTemplateTexts());

  it('define each name once over all instruction sets: a program may have kernels of two', () => {
    const definition = /^(?:struct (\w+) \{|(?:BONSAI_\w+|static inline)[^;{]*?\b(\w+)\()/gm;
    const definedIn = new Map<string, string[]>();
    for (const [name, text] of texts) {
      for (const [, struct, called] of text.matchAll(definition)) {
        const key = struct === undefined ? `${called}()` : `struct ${struct}`;
        definedIn.set(key, [...new Set([...(definedIn.get(key) ?? []), name])]);
      }
    }
    expect(definedIn.size).to.be.above(100);
    const twice = [...definedIn].filter(([, names]) => names.length > 1);
    expect(twice).to.deep.equal([]);
  });

  const files = (...entries: [string, string][]) => new Map(entries);
  const inline = (name: string, text: string) => `{{#*inline "${name}"}}\n${text}\n{{/inline}}\n`;

  it('stand alone in a file, or several in one', () => {
    const file = `own\n\n${inline('first', 'a')}\n${inline('second', 'b')}`;
    const topic = `${inline('third', 'c')}`;
    expect([
      ...namedTexts(files(['kernels/dsp/conv', file], ['kernels/dsp/support/topic', topic])),
    ]).to.deep.equal([
      ['kernels/dsp/conv', 'own\n'],
      ['kernels/dsp/first', 'a\n'],
      ['kernels/dsp/second', 'b\n'],
      ['kernels/dsp/third', 'c\n'],
    ]);
  });

  it('have one name each in an instruction set', () => {
    const one = inline('same', 'a');
    const twice = files(['kernels/dsp/a', one], ['kernels/dsp/support/b', one]);
    expect(() => new Templates(twice)).to.throw(InternalError, 'two templates "kernels/dsp/same"');
    const apart = files(['kernels/dsp/a', one], ['kernels/mve/a', one]);
    expect(namedTexts(apart).size).to.equal(2);
  });

  const byValue = new Templates(
    files(
      [
        'kernels/dsp/row',
        '{{use way.helper way=way}}({{way.size}}); {{> (lookup way "text") this}}',
      ],
      [
        'kernels/dsp/support/ways',
        `${inline('sum', 'sum_of({{way.size}})')}${inline('add', '{{name}}')}`,
      ],
    ),
  );

  it('and helpers are named by value: of a record a name has its word', () => {
    const way = { word: 'wide', size: '8', helper: 'dsp/add', text: 'dsp/sum' };
    const helpers: Parameters<Templates['render']>[2] = [];
    const text = byValue.render('kernels/dsp/row', { way }, helpers);
    expect(text).to.equal('add_wide(8); sum_of(8)\n');
    expect(helpers?.map(({ name }) => name)).to.deep.equal(['add_wide']);
    const usual = byValue.render('kernels/dsp/row', { way: { ...way, word: '' } });
    expect(usual).to.equal('add(8); sum_of(8)\n');
  });

  it('that a value names are missing', () => {
    const way = { word: '', size: '8', helper: 'dsp/add', text: 'dsp/none' };
    expect(() => byValue.render('kernels/dsp/row', { way })).to.throw(InternalError, 'dsp/none');
  });

  it('that are missing are named', () => {
    const made = new Templates(files(['kernels/dsp/a', '{{> dsp/none}}']));
    expect(() => made.render('kernels/dsp/a', {})).to.throw(InternalError, 'dsp/none');
  });
});
