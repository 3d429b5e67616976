/**
 * Stryker's test runner for mocha 12: its own one reaches into files that mocha 11 had.
 *
 * Tests are loaded once. A mutant is switched on by a global variable, so only the tests that reach
 * it run again; Stryker starts a new process for mutants in constants of a module.
 */
import Mocha from 'mocha';

const { EVENT_TEST_PASS, EVENT_TEST_FAIL, EVENT_TEST_PENDING } = Mocha.Runner.constants;
const [success, failed, skipped] = [0, 1, 2];

class MochaRunner {
  static inject = ['options'];

  /** @param options Stryker's; `mochaSlow` matches the titles of tests that are left out */
  constructor({ testFiles, mochaSlow }) {
    this.mocha = new Mocha({ timeout: 0, reporter: class {} });
    this.usual = new RegExp(`^(?!.*(${mochaSlow}))`);
    this.mocha.cleanReferencesAfterRun(false);
    for (const file of testFiles) this.mocha.addFile(file);
    globalThis.__stryker__ ??= {};
    this.state = globalThis.__stryker__;
  }

  capabilities() {
    return { reloadEnvironment: false };
  }

  async load(activeMutant) {
    if (this.isLoaded) return;
    this.state.activeMutant = activeMutant;
    await this.mocha.loadFilesAsync();
    this.isLoaded = true;
  }

  async dryRun({ coverageAnalysis }) {
    await this.load();
    const { state } = this;
    if (coverageAnalysis === 'perTest') {
      this.mocha.suite.beforeEach(function () {
        state.currentTestId = this.currentTest?.fullTitle();
      });
    }
    const tests = await this.run(this.usual, false);
    return { status: 'complete', tests, mutantCoverage: state.mutantCoverage };
  }

  async mutantRun({ activeMutant, testFilter, hitLimit, mutantActivation }) {
    try {
      await this.load(mutantActivation === 'static' ? activeMutant.id : undefined);
    } catch (error) {
      return killed('the files of the tests', error);
    }
    Object.assign(this.state, { activeMutant: activeMutant.id, hitLimit });
    this.state.hitCount = hitLimit === undefined ? undefined : 0;
    const all = testFilter?.map((id) => `^${id.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`);
    const tests = await this.run(all === undefined ? this.usual : new RegExp(all.join('|')), true);
    const { hitCount = 0 } = this.state;
    if (hitLimit !== undefined && hitCount > hitLimit) return { status: 'timeout' };
    const killer = tests.find(({ status }) => status === failed);
    if (killer !== undefined) return killed(killer.id, killer.failureMessage, tests.length);
    return { status: 'survived', nrOfTests: tests.length };
  }

  run(grep, isBailing) {
    const bail = (suite) => {
      suite.bail(isBailing);
      for (const inner of suite.suites) bail(inner);
    };
    bail(this.mocha.suite);
    this.mocha.grep(grep);
    const tests = [];
    return new Promise((resolve) => {
      const runner = this.mocha.run(() => resolve(tests));
      const add = (status) => (test, error) => {
        const name = test.fullTitle();
        const timeSpentMs = test.duration ?? 0;
        const failureMessage = error === undefined ? '' : String(error.message ?? error);
        tests.push({ id: name, name, status, timeSpentMs, failureMessage });
      };
      runner.on(EVENT_TEST_PASS, add(success));
      runner.on(EVENT_TEST_FAIL, add(failed));
      runner.on(EVENT_TEST_PENDING, add(skipped));
    });
  }
}

function killed(id, message, nrOfTests = 1) {
  return { status: 'killed', killedBy: [id], failureMessage: String(message), nrOfTests };
}

export const strykerPlugins = [{ kind: 'TestRunner', name: 'mocha', injectableClass: MochaRunner }];
