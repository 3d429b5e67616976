/** Operators of int16 and conversions on simulated boards; test/ops/<operator> has the rest. */

import { qemuCommand } from '../../src/boards/device/qemu.js';
import { loadTarget } from '../../src/boards/target/index.js';
import { expectSameBitsOnBoard } from '../support/board.js';
import { moduleOfCase } from '../support/golden-cases.js';
import { wideCases } from '../support/golden-wide.js';
import { needs } from '../support/skip.js';

describe('types other than int8 on simulated boards', () => {
  for (const target of ['rp2040', 'stm32f405', 'mps3-an547', 'esp32c3']) {
    it(`${target} gives the bits of evaluate`, async function () {
      if (loadTarget(target).simulator === 'qemu') needs(this, qemuCommand);
      const modules = Object.entries(wideCases).flatMap(([op, cases]) =>
        cases.map((given) => moduleOfCase(op, given)),
      );
      await expectSameBitsOnBoard(modules, target, { planned: true });
    });
  }
});
