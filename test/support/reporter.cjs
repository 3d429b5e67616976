/** Reports progress by share of files, and at the end the reasons of skipped tests. */
const { Runner, reporters } = require('mocha');

const { EVENT_RUN_BEGIN, EVENT_RUN_END } = Runner.constants;
const { EVENT_SUITE_END, EVENT_TEST_FAIL, EVENT_TEST_PASS, EVENT_TEST_PENDING } = Runner.constants;

/** Share of the files between two lines of progress. */
const step = 0.05;

class Progress extends reporters.Base {
  constructor(runner, options) {
    super(runner, options);
    const files = Number(options.reporterOptions?.files ?? 0);
    const count = { passed: 0, failed: 0, skipped: 0, files: 0 };
    const reasons = new Map();
    let next = step;
    const state = () => {
      const failed = count.failed > 0 ? `, ${count.failed} FAILED` : '';
      return `${count.passed + count.failed} tests run${failed}, ${count.skipped} skipped`;
    };
    runner.once(EVENT_RUN_BEGIN, () => console.log(`${files || 'all'} files of tests`));
    runner.on(EVENT_TEST_PASS, () => {
      count.passed++;
    });
    runner.on(EVENT_TEST_FAIL, (test, error) => {
      count.failed++;
      console.log(`FAILED: ${test.fullTitle()}\n  ${error.message?.split('\n')[0]}`);
    });
    runner.on(EVENT_TEST_PENDING, (test) => {
      count.skipped++;
      const [, reason = 'no reason given'] = /\[skipped: (.*?)\]/.exec(test.fullTitle()) ?? [];
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    });
    runner.on(EVENT_SUITE_END, (suite) => {
      if (!suite.root) return;
      count.files++;
      if (files === 0 || count.files / files < next) return;
      next = (Math.floor(count.files / files / step) + 1) * step;
      console.log(`${Math.round((100 * count.files) / files)} %: ${state()}`);
    });
    runner.once(EVENT_RUN_END, () => {
      reporters.Base.list(this.failures);
      const seconds = Math.round((runner.stats?.duration ?? 0) / 1000);
      console.log(`${state()}, in ${Math.floor(seconds / 60)} min ${seconds % 60} s`);
      for (const [reason, tests] of reasons) console.log(`  skipped, ${reason}: ${tests}`);
    });
  }
}

module.exports = Progress;
