/** Golden nodes of operators on simulated boards, many in one image. */
import { expectSameBitsOnBoard } from '../support/board.js';
import { goldenModules } from '../support/operator.js';

const names = [
  ...['bucketize', 'cumsum', 'dynamic_update_slice', 'one_hot', 'reduce_all', 'reduce_any'],
  ...['reduce_prod', 'reverse_sequence', 'select', 'take', 'take_nd', 'topk'],
];
/** Of int16, in files of their own. */
const wide = ['abs', 'exp', 'log', 'prelu', 'relu', 'relu6', 'rsqrt', 'squared_difference'];
/** Comparisons of int16. */
const relations = ['equal', 'less'];
/** Of float32. */
const real = ['conv3d', 'conv3d_transpose'];

/** An image has 255 inputs and 255 outputs at most. */
const images = {
  'int8, int32 and bool': () => names.flatMap((name) => goldenModules(name)),
  'int16 and float32': () => [
    ...wide.flatMap((name) => goldenModules(name, `${name}_s16`)),
    ...relations.flatMap((name) => goldenModules('compare', `plain/${name}_s16`)),
    ...real.flatMap((name) => goldenModules(name, `${name}_f32`)),
  ],
};

describe('operators on simulated boards', () => {
  for (const target of ['rp2040', 'stm32f405']) {
    for (const [types, modules] of Object.entries(images)) {
      it(`${target} gives the bits of evaluate: ${types}`, () =>
        expectSameBitsOnBoard(modules(), target, { planned: true }));
    }
  }
});
