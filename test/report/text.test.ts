/** The report as text: the totals that a command knows. */
import { expect } from 'chai';
import { loadTarget } from '../../src/boards/target/index.js';
import type { Plan } from '../../src/compiler/plan/types.js';
import { makeReport } from '../../src/report/index.js';
import { reportText } from '../../src/report/text.js';
import { chainModule, manifestOf } from '../support/fake-board.js';

describe('report text', () => {
  const manifest = manifestOf(chainModule(3));
  const target = loadTarget('rp2040');
  const sizes = {
    ...{ flashBytes: 5000, codeBytes: 4000, tableBytes: 600, weightBytes: 400 },
    ...{ staticRamBytes: 1200, sramCopyBytes: 0 },
  };
  const built = { toolchain: 'gcc', sizes };

  it('after a build: the most that RAM is', () => {
    const report = makeReport({ manifest, target, built });
    const most = (report.memory.ramMostBytes ?? 0).toLocaleString('en').replaceAll(',', ' ');
    expect(reportText(report)).to.include(`RAM      at most ${most} B: firmware and stack `);
  });

  it('with copies of weights', () => {
    const copies = { ...built, sizes: { ...sizes, sramCopyBytes: 300 } };
    const text = reportText(makeReport({ manifest, target, built: copies }));
    expect(text).to.match(/^RAM {6}at most .*, weights copied from flash at start 300$/m);
  });

  it('what more flash would gain', () => {
    const more = (withMoreFlash: Plan['decision']['withMoreFlash']) => {
      const plan = { ...manifest.plan, decision: { ...manifest.plan.decision, withMoreFlash } };
      return reportText(makeReport({ manifest: { ...manifest, plan }, target, built }));
    };
    expect(more({ imageBytes: 1_932_703.2, timeShare: 0.718 })).to.include(
      '\n         about 1 932 704 B would save 28 % of the time: --max-flash 1932704\n',
    );
    expect(more(null)).not.to.include('would save');
  });
});
