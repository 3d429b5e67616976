/** Golden nodes of operators on simulated boards, all in one image. */
import { expectSameBitsOnBoard } from '../support/board.js';
import { goldenModules } from '../support/operator.js';

const names = [
  ...['bucketize', 'cumsum', 'dynamic_update_slice', 'one_hot', 'reduce_all', 'reduce_any'],
  ...['reduce_prod', 'reverse_sequence', 'select', 'take', 'take_nd', 'topk'],
];
/** Of int16, in files of their own. */
const wide = ['abs', 'relu', 'relu6', 'squared_difference'];
/** Of float32. */
const real = ['conv3d', 'conv3d_transpose'];

describe('operators on simulated boards', () => {
  for (const target of ['rp2040', 'stm32f405']) {
    it(`${target} gives the bits of evaluate`, () =>
      expectSameBitsOnBoard(
        [
          ...names.flatMap((name) => goldenModules(name)),
          ...wide.flatMap((name) => goldenModules(name, `${name}_s16`)),
          ...real.flatMap((name) => goldenModules(name, `${name}_f32`)),
        ],
        target,
        { planned: true },
      ));
  }
});
