import { expect } from 'chai';
import stringWidth from 'string-width';
import { durationText, epochLine, learningCurve } from '../../../src/compress/train/curve.js';
import type { EpochReport } from '../../../src/compress/train/loop.js';

function report(epoch: number, epochs: number, loss: number, accuracy: number | null = null) {
  const validation = { loss: loss * 1.1, accuracy };
  const rest = { isBest: false, seconds: 2, secondsLeft: 2 * (epochs - epoch) };
  return { epoch, epochs, loss, validation, ...rest };
}

describe('learning curves', () => {
  const falling = (count: number, epochs: number, isShare = true): readonly EpochReport[] =>
    Array.from({ length: count }, (_, i) =>
      report(i + 1, epochs, 2 / (i + 1), isShare ? 1 - 0.5 / (i + 1) : null),
    );

  it('shows losses falling and right answers rising', () => {
    expect(learningCurve(falling(4, 8), 50)).to.equal(
      [
        '    2.00┤  ●           ○                 ├87.5 %',
        '        ┤          ○                     ├',
        '        ┤      ○                         ├',
        '        ┤                                ├',
        '        ┤                                ├',
        '        ┤      ●                         ├',
        '        ┤          ●                     ├',
        '   0.500┤  ○           ●                 ├50.0 %',
        '         ● loss  ○ validation',
        'epoch 4/8, loss 0.500, validation 87.5 %, 8 s left',
      ].join('\n'),
    );
  });

  const shapes: readonly (readonly [edge: string, history: readonly EpochReport[]])[] = [
    ['no epoch yet', []],
    ['one epoch: no range', falling(1, 1)],
    ['more epochs than columns', falling(500, 500)],
    ['values of no classes', falling(5, 5, false)],
    ['without validation', falling(5, 5).map((one) => ({ ...one, validation: null }))],
    ['losses of all sizes', [report(1, 3, 123456), report(2, 3, 1e-9), report(3, 3, 0)]],
  ];
  for (const [edge, history] of shapes) {
    it(`fits 80 columns: ${edge}`, () => {
      for (const line of learningCurve(history).split('\n')) {
        expect(stringWidth(line)).to.be.at.most(80);
        expect(line).not.to.match(/NaN|Infinity|undefined/);
      }
    });
  }

  it('as a line', () => {
    expect(epochLine(report(3, 10, 0.41234, 0.912))).to.equal(
      'epoch 3/10, loss 0.412, validation 91.2 %, 14 s left',
    );
    expect(epochLine({ ...report(2, 2, 1), validation: null })).to.equal('epoch 2/2, loss 1.00');
    expect(epochLine(report(2, 2, 1))).to.equal('epoch 2/2, loss 1.00, validation loss 1.10');
  });

  it('time left', () => {
    const rows = [
      [0.2, '1 s'],
      [59.1, '1 min 00 s'],
      [200, '3 min 20 s'],
      [7260, '2 h 01 min'],
    ] as const;
    for (const [seconds, text] of rows) expect(durationText(seconds)).to.equal(text);
  });
});
