import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { packageTemplates } from '../../src/boards/project/templates.js';
import { Composition, type Context, Templates } from '../../src/compiler/codegen/templates.js';
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
    const output = composition.render('kernels/swar/support/requantize_sums', {
      name: 'any',
      single: true,
      nudged: false,
      float: false,
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
    expect(helpers?.map(({ path }) => path)).to.deep.equal([
      'kernels/portable/support/BONSAI_PLACE',
    ]);
  });
});

describe('helpers of kernels', () => {
  it('define each name once over all instruction sets: a program may have kernels of two', () => {
    const root = new URL('../../templates/kernels/', import.meta.url);
    const definition = /^(?:struct (\w+) \{|(?:BONSAI_\w+|static inline)[^;{]*?\b(\w+)\()/gm;
    const definedIn = new Map<string, string[]>();
    for (const path of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
      if (!/\/support\/.*\.hbs$/.test(path)) continue;
      const text = readFileSync(new URL(path, root), 'utf8');
      for (const [, struct, name] of text.matchAll(definition)) {
        const key = struct === undefined ? `${name}()` : `struct ${struct}`;
        definedIn.set(key, [...new Set([...(definedIn.get(key) ?? []), path])]);
      }
    }
    expect(definedIn.size).to.be.above(100);
    const twice = [...definedIn].filter(([, paths]) => paths.length > 1);
    expect(twice).to.deep.equal([]);
  });
});
