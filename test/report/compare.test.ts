/** The table of `bonsaic compare`. */
import { expect } from 'chai';
import stringWidth from 'string-width';
import { type ComparedBoard, compareText, ranked } from '../../src/report/compare.js';

const simulated: ComparedBoard = {
  ...{ target: 'fast', core: 'Cortex-M4F', clockHz: 168e6, basis: 'simulated', note: null },
  ...{ boardFlashBytes: 1_048_576, boardRamBytes: 131_072, unit: 'cycles', count: 16_800_000 },
  ...{ ms: 100, flashBytes: 524_288, ramBytes: 1000, arenaBytes: 900, over: [], refused: null },
  verify: { vectors: 1, mismatches: 0 },
};
const refused: ComparedBoard = {
  ...{ ...simulated, target: 'small', basis: null, count: null, ms: null, flashBytes: null },
  ...{ ramBytes: null, arenaBytes: null, verify: null },
  refused: { code: 'over-budget', where: 'm', message: 'needs more', hint: 'first\nlast' },
};

describe('compared boards', () => {
  const rows: readonly (readonly [edge: string, board: ComparedBoard, text: RegExp])[] = [
    ['simulated', simulated, /fast +Cortex-M4F +168 +100 +524 288 +50 +1 000 +<1 +cycles\n/],
    ['built: an estimate in its unit', { ...simulated, basis: 'built' }, / ~cycles\n/],
    [
      'estimated in instructions',
      { ...simulated, basis: 'built', unit: 'instructions' },
      /~instructions\n[\s\S]*ms of instructions/,
    ],
    ['simulated in instructions', { ...simulated, unit: 'instructions' }, /<1 +instructions\n/],
    ['instructions', { ...simulated, unit: 'instructions' }, /ms of instructions: if each took/],
    ['built', { ...simulated, basis: 'built' }, / ~100 +524 288 +50 +~1 000 .*\n~ estimated/],
    ['estimated', { ...simulated, basis: 'estimated' }, / ~100 +~524 288 +50 +~1 000 /],
    ['without limits', { ...simulated, boardRamBytes: null }, / 50 +1 000 +cycles/],
    ['fast: three digits', { ...simulated, ms: 0.04567 }, / 0\.0457 /],
    ['below 1 ms', { ...simulated, ms: 0.8304 }, / 0\.830 /],
    ['slow: whole', { ...simulated, ms: 1234.5 }, / 1235 /],
    ['of some ms', { ...simulated, ms: 45.67 }, / 45\.7 /],
    [
      'over two budgets',
      { ...simulated, over: ['--max-ms', '--max-ram'] },
      /over --max-ms, --max-r/,
    ],
    ['wrong', { ...simulated, verify: { vectors: 1, mismatches: 1 } }, /fast: OUTPUTS DIFFER/],
    ['with a note', { ...simulated, note: 'no compiler' }, /\nno compiler$/],
    ['that refuses', refused, /^small: does not take it: needs more\n {2}→ last$/],
  ];
  for (const [edge, board, text] of rows) {
    it(edge, () => {
      expect(compareText([board], 80)).to.match(text);
    });
  }

  it('stand in 80 columns without a second block', () => {
    const wide = {
      ...simulated,
      target: 'mps3-an547',
      count: 1e9,
      ms: 12_345,
      unit: 'instructions',
    } as const;
    const text = compareText(
      [{ ...wide, basis: 'built', ramBytes: 131_072 } as const, simulated],
      80,
    );
    for (const line of text.split('\n')) expect(stringWidth(line)).to.be.at.most(80);
    expect(text.match(/target/g)).to.have.length(1);
  });

  it('are ranked: boards within budgets by time, then boards over budget by time, then boards that refuse', () => {
    const named = (target: string, changes: Partial<ComparedBoard>) => ({
      ...simulated,
      target,
      ...changes,
    });
    const boards = [
      refused,
      named('over, fast', { ms: 1, over: ['--max-ram'] }),
      named('slow', { ms: 30 }),
      named('over, slow', { ms: 2, over: ['--max-ram', '--max-ms'] }),
      named('quick', { ms: 20 }),
    ];
    expect(ranked(boards).map(({ target }) => target)).to.deep.equal([
      ...['quick', 'slow', 'over, fast', 'over, slow', 'small'],
    ]);
  });
});
