/** Golden nodes of operators on simulated boards, all in one image. */
import { expectSameBitsOnBoard } from '../support/board.js';
import { goldenModules } from '../support/operator.js';

const names = ['cumsum', 'dynamic_update_slice', 'take'];

describe('operators on simulated boards', () => {
  for (const target of ['rp2040', 'stm32f405']) {
    it(`${target} gives the bits of evaluate`, () =>
      expectSameBitsOnBoard(
        names.flatMap((name) => goldenModules(name)),
        target,
        { planned: true },
      ));
  }
});
