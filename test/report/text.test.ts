/** The report as text: the totals that a command knows. */
import { expect } from 'chai';
import { makeReport } from '../../src/report/index.js';
import { reportText } from '../../src/report/text.js';
import { chainModule, manifestOf } from '../support/fake-board.js';

describe('report text', () => {
  const manifest = manifestOf(chainModule(3));
  const { arenaBytes } = manifest.plan;
  const sizes = {
    ...{ flashBytes: 5000, codeBytes: 4000, tableBytes: 600, weightBytes: 400 },
    ...{ staticRamBytes: 1200, sramCopyBytes: 0 },
  };
  const built = { toolchain: 'gcc', sizes };

  it('after a build: RAM without the stack, as the parts add up', () => {
    const total = String(arenaBytes + 1200).replace(/\B(?=(\d{3})+$)/g, ' ');
    expect(reportText(makeReport({ manifest, built }))).to.include(
      `RAM      ${total} B and the stack, which a run measures: arena ${arenaBytes}, static 1 200`,
    );
  });

  it('with copies of weights', () => {
    const copies = { ...built, sizes: { ...sizes, sramCopyBytes: 300 } };
    const text = reportText(makeReport({ manifest, built: copies }));
    expect(text).to.match(/^RAM {6}.*, static 1 200, weights copied from flash at start 300$/m);
    expect(text).to.include(`RAM      ${arenaBytes + 1500}`.replace(/(\d)(\d{3})$/, '$1 $2'));
  });

  it('before a build there is none', () => {
    expect(reportText(makeReport({ manifest }))).not.to.match(/^RAM/m);
  });
});
