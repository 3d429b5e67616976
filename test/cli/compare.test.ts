/** bonsaic compare as a user meets it. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { loadTarget } from '../../src/boards/target/index.js';
import type { CompileOptions } from '../../src/compiler/plan/types.js';
import { compare as compareOn } from '../../src/pipeline/compare.js';
import type { Progress } from '../../src/progress.js';
import type { ComparedBoard } from '../../src/report/compare.js';
import { runHere } from '../support/command.js';

const model = 'examples/activity/activity.tflite';
const compare = (...args: string[]) => runHere(['compare', model, ...args]);

describe('bonsaic compare', () => {
  it('runs the model where a simulator is, and builds it where none is', async () => {
    const { status, stdout } = await compare('--targets', 'stm32f411,rp2040', '--json');
    const boards: readonly ComparedBoard[] = JSON.parse(stdout).boards;
    expect(status).to.equal(0);
    const known = boards.map(({ target, basis, verify }) => [target, basis, verify?.mismatches]);
    expect(known).to.have.deep.members([
      ['stm32f411', 'built', undefined],
      ['rp2040', 'simulated', 0],
    ]);
    for (const { count, ms, clockHz, flashBytes, ramBytes, arenaBytes } of boards) {
      expect(ms).to.be.closeTo((1000 * (count ?? 0)) / clockHz, 1e-9);
      expect(flashBytes).to.be.above(5000);
      expect(ramBytes).to.be.above(arenaBytes ?? Infinity);
    }
  });

  const rows: readonly (readonly [
    edge: string,
    args: readonly string[],
    status: number,
    text: RegExp,
  ])[] = [
    [
      'estimates without the compiler',
      ['--targets', 'rp2040', '--cc', 'no-such-compiler'],
      0,
      /rp2040 .* ~\d.*\n(.*\n)*.*no-such-compiler/,
    ],
    ['a board that is not known', ['--targets', 'rp2040,arduino'], 1, /"arduino" is none of: /],
    [
      'a target that is sources alone, before the others are built',
      ['--targets', 'rp2040,cortex-m4', '--cc', 'no-such-compiler'],
      1,
      /^error: --targets cortex-m4: cortex-m4 is sources for your own build/,
    ],
    ['no board', ['--targets', ''], 1, /"" is none of: /],
    [
      'budgets that no board keeps',
      ['--targets', 'stm32f411', '--max-ms', '0.001', '--max-ram', '100'],
      3,
      /over --max-ms, --max-ram\n(.*\n)*.*no board keeps the budgets/,
    ],
    [
      'vectors of another model',
      ['--targets', 'rp2040', '--vectors', 'package.json'],
      2,
      /package/,
    ],
  ];
  for (const [edge, args, status, text] of rows) {
    it(edge, async () => {
      const run = await compare(...args);
      expect(run.stdout + run.stderr).to.match(text);
      expect(run.status).to.equal(status);
    });
  }

  it('tells of a file that is no model once, without a table', async () => {
    const { status, stdout, stderr } = await runHere(['compare', 'package.json']);
    expect([status, stdout]).to.deep.equal([2, '']);
    expect(stderr.match(/error:/g)).to.have.length(1);
  });

  it('estimates what takes long to simulate, and says so', async () => {
    const options = {
      ...{
        optimize: 'balanced',
        rounding: 'tflm',
        faithful: false,
        keepInput: false,
        xip: 'model',
      },
    } as CompileOptions;
    const request = { bytes: readFileSync(model), path: model, options };
    const progress: Progress = async (_, work) => work(() => {});
    const job = { port: 'sim', xip: 'model', budgets: {}, progress } as const;
    const [board] = await compareOn(request, [loadTarget('rp2040')], job, 1000);
    expect(board).to.include({ basis: 'built' });
    expect(board?.note).to.match(/^rp2040: takes long to simulate/);
  });
});
