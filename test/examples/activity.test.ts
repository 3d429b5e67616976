import { expect } from 'chai';
import { activityWindows, axes, readMotions, windowsOf } from '../../examples/activity/motions.js';
import { BonsaiError } from '../../src/errors.js';
import { inFolder } from '../compress/data/files.js';

/** Axis a, sample i: 100 · a + i + `shift`. */
const recording = (name: string, length = 100, shift = 0) => {
  const axis = (a: number) => Array.from({ length }, (_, i) => 100 * a + i + shift).join(',');
  return `${Array.from({ length: axes }, (_, a) => axis(a)).join(':')}:${name}`;
};
const file = (...lines: readonly string[]) =>
  ['#about', '@problemName BasicMotions', '@data', ...lines].join('\n');

describe('examples/activity: BasicMotions', () => {
  it('axes are separated by colons, samples by commas; names are of any case', () => {
    const text = file(recording('Standing'), '', '# a remark', recording('BADMINTON', 70, 0.5));
    const [first, second, ...more] = readMotions(`${text}\r\n`, 'x.ts');
    expect(more).to.have.length(0);
    expect([first?.activity, second?.activity]).to.deep.equal([0, 3]);
    expect(first?.series.map((axis) => axis[99])).to.deep.equal([99, 199, 299, 399, 499, 599]);
    expect(second?.series[5]?.[69]).to.equal(569.5);
  });

  const rows: readonly [edge: string, text: string, says: RegExp][] = [
    ['no line @data', '1,2:Running', /^x\.ts: has no line "@data"/],
    ['nothing below @data', file(), /has no recordings/],
    ['another activity', file(recording('Swimming')), /x.ts, line 4: ends with "swimming"/],
    ['no activity', file(recording('').slice(0, -1)), /x.ts, line 4: ends with "500,501/],
    ['an axis too few', file('1,2:1,2:running'), /x.ts, line 4: has 2 axes; there are 6/],
    ['an axis shorter', file(recording('running').replace('0,1,', '0,')), /several lengths/],
    ['a sample that is missing', file(recording('running').replace(',7,', ',?,')), /no numbers/],
    ['an empty sample', file(recording('running').replace(',7,', ',,')), /no numbers/],
    ['shorter than a window', file(recording('running', 63)), /has 63 samples; a window has 64/],
  ];
  for (const [edge, text, says] of rows) {
    it(`refused: ${edge}`, () => {
      let told = '';
      try {
        readMotions(text, 'x.ts');
      } catch (error) {
        if (!(error instanceof BonsaiError)) throw error;
        told = `${error.where}: ${error.message}`;
      }
      expect(told).to.match(says);
    });
  }

  it('windows hold all axes of a sample together, the last one ends within the recording', () => {
    const [motion] = readMotions(file(recording('running')), 'x.ts');
    if (motion === undefined) throw new Error('nothing read');
    const windows = windowsOf(motion, 12);
    expect(windows.map(([first]) => first)).to.deep.equal([0, 12, 24, 36]);
    expect([...(windows[3]?.subarray(-axes) ?? [])]).to.deep.equal([99, 199, 299, 399, 499, 599]);
    expect(windowsOf(motion, 3)).to.have.length(13);
  });

  it('every fifth recording of the training file is for choices, with all of its windows', () => {
    const lines = ['standing', 'walking', 'running', 'badminton'].flatMap((name) =>
      Array.from({ length: 5 }, (_, i) => recording(name, 100, i / 8)),
    );
    const files = {
      'BasicMotions_TRAIN.ts': file(...lines),
      'BasicMotions_TEST.ts': file(...lines),
    };
    return inFolder(files, (folder) => {
      const { train, validation, test } = activityWindows(folder);
      const counts = [train, validation, test].map(({ count }) => count);
      expect(counts).to.deep.equal([4 * 4 * 13, 4 * 13, 20 * 4]);
      const held = validation.x.filter((_, i) => i % (64 * axes) === 0);
      expect(new Set(held.map((value) => value % 1))).to.deep.equal(new Set([0.5]));
    });
  });
});
