/** Tables that fit a terminal. */
import { expect } from 'chai';
import fc from 'fast-check';
import stringWidth from 'string-width';
import { prose, shorten, textTable, wrap } from '../../src/report/text-table.js';
import { runs } from '../support/runs.js';

/** ASCII, wide characters, combining marks and joined emoji. */
const character = fc.constantFrom('a', 'B', '/', '_', ' ', '+', '层', 'ö', 'o\u0308', '👩‍🔬', '🇩🇪');
const text = fc.array(character, { maxLength: 40 }).map((all) => all.join(''));
const blank = (value: string) => value.replace(/\s/g, '');

describe('report/text-table', () => {
  const rows: [edge: string, made: string, lines: string[]][] = [
    ['no rows: nothing', textTable(['a', 'b'], []), ['']],
    [
      'an empty column is left out',
      textTable(
        ['a', 'gone', 'b'],
        [
          ['1', '', 'x'],
          ['20', '', ''],
        ],
        { right: new Set(['a']) },
      ),
      [' a  b', '──  ─', ' 1  x', '20'],
    ],
    [
      'a title of numbers is broken before a number is',
      textTable(['#', 'cycles/MAC'], [['0', '1.23']], {
        right: new Set(['cycles/MAC']),
        width: 10,
      }),
      ['#  cycles/', '       MAC', '─  ───────', '0     1.23'],
    ],
    [
      'what does not fit beside comes below, with the first column again',
      textTable(['#', 'b', 'c'], [['0', '11111', '22222']], {
        right: new Set(['#', 'b', 'c']),
        width: 12,
      }),
      ['#      b', '─  ─────', '0  11111', '', '#      c', '─  ─────', '0  22222'],
    ],
    [
      'a wide character takes two columns, a letter with its combining mark one',
      textTable(
        ['a', 'b'],
        [
          ['层', '1'],
          ['o\u0308', '2'],
        ],
      ),
      ['a   b', '──  ─', '层  1', '\u00f6   2'],
    ],
    [
      'two columns of text share a very narrow terminal',
      textTable(['layer', 'op'], [['block_1/conv_with_a_long_name', 'depthwise_conv2d']], {
        width: 25,
      }),
      [
        'layer        op',
        '───────────  ────────────',
        'block_1/     depthwise_',
        'conv_with_   conv2d',
        'a_long_name',
      ],
    ],
    [
      'text makes room for a number, which stays whole where there is none',
      textTable(['layer', 'cycles'], [['block_1/conv', '123 456']], {
        right: new Set(['cycles']),
        width: 8,
      }),
      ['la   cycles', ...['ye', 'r', '──  ───────', 'bl  123 456', 'oc', 'k_', '1/', 'co', 'nv']],
    ],
    ['a line break does not end a row', textTable(['a'], [['x\ny']]), ['a', '───', 'x y']],
  ];
  for (const [edge, made, lines] of rows) {
    it(edge, () => expect(made.split('\n')).to.deep.equal(lines));
  }

  it('never is wider than the terminal, loses no character and cuts none in two', () => {
    const cells = fc.array(fc.tuple(text, text, text), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(cells, fc.integer({ min: 6, max: 80 }), (all, width) => {
        const made = textTable(['x', 'y', 'z'], all, { width });
        for (const line of made.split('\n')) expect(stringWidth(line)).to.be.at.most(width);
        const found = [...blank(made)]
          .sort()
          .join('')
          .replace(/[xyz─]/g, '');
        // The first column may stand there twice.
        for (const cell of all.flat()) {
          for (const letter of blank(cell.normalize())) expect(found).to.include(letter);
        }
      }),
      { numRuns: runs(200) },
    );
  });

  it('breaks text between characters, after words where it can', () => {
    expect(wrap('thumb1/depthwise_conv2d', 12)).to.deep.equal(['thumb1/', 'depthwise_', 'conv2d']);
    expect(wrap('a bc', 3)).to.deep.equal(['a', 'bc']);
    expect(wrap('of 8 932 B', 5), 'a number stays whole').to.deep.equal(['of', '8 932', 'B']);
    expect(wrap('层层层', 5)).to.deep.equal(['层层', '层']);
    expect(wrap('👩‍🔬👩‍🔬', 1), 'wider than a column: whole').to.deep.equal(['👩‍🔬', '👩‍🔬']);
    fc.assert(
      fc.property(text, fc.integer({ min: 2, max: 30 }), (line, width) => {
        const lines = wrap(line, width);
        expect(blank(lines.join(''))).to.equal(blank(line));
        for (const each of lines) expect(stringWidth(each)).to.be.at.most(width);
        expect(lines.join('')).to.not.match(/^\p{M}/u);
      }),
      { numRuns: runs(200) },
    );
  });

  it('shortens a name to its end, by whole characters', () => {
    const names = [
      ['block1/conv', 11, 'block1/conv'],
      ['block1/conv', 6, '…/conv'],
      ['层层层', 4, '…层'],
      ['ao\u0308', 2, 'ao\u0308'],
      ['bao\u0308', 2, '…o\u0308'],
    ] as const;
    for (const [name, width, short] of names) expect(shorten(name, width)).to.equal(short);
  });

  it('indents what follows the first line of a sentence', () => {
    expect(prose('latency  12 cycles = 3 ms', 18, 9)).to.equal(
      'latency  12 cycles\n         = 3 ms',
    );
    expect(prose('short', 80, 9)).to.equal('short');
  });
});
