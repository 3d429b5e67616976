import { expect } from 'chai';
import type { Shape } from '../../../src/compiler/ir/graph.js';
import { type AugmentKind, augment, augmentKinds } from '../../../src/compress/data/augment.js';
import { makeRandom } from '../../../src/compress/random.js';

/** Random numbers that are known: the last is repeated. */
const fixed = (...values: number[]) => {
  let i = 0;
  return () => values[Math.min(i++, values.length - 1)] as number;
};
const least = 0;
const middle = 0.5;
const most = 1 - 2 ** -32;

type Row = readonly [
  edge: string,
  kind: AugmentKind,
  shape: Shape,
  options: object,
  sample: readonly number[],
  random: () => number,
  wanted: readonly number[],
];
const quiet = { shift: 0, gain: 0, noise: 0 };
const still = { shift: 0, brightness: 0 };
const calm = { jitter: 0, scale: 0, shift: 0 };

const rows: readonly Row[] = [
  ['nothing', 'audio', [3], quiet, [1, 2, 3], fixed(most), [1, 2, 3]],
  [
    'later, silence in front',
    'audio',
    [4],
    { ...quiet, shift: 0.5 },
    [1, 2, 3, 4],
    fixed(most),
    [0, 0, 1, 2],
  ],
  [
    'earlier, silence behind',
    'audio',
    [4, 1],
    { ...quiet, shift: 0.25 },
    [1, 2, 3, 4],
    fixed(least),
    [2, 3, 4, 0],
  ],
  [
    '20 dB is a factor of 10',
    'audio',
    [2],
    { ...quiet, gain: 20 },
    [1, -2],
    fixed(most),
    [10, -20],
  ],
  ['−20 dB', 'audio', [2], { ...quiet, gain: 20 }, [1, -2], fixed(least), [0.1, -0.2]],
  ['nothing', 'image', [2, 2, 1], still, [1, 2, 3, 4], fixed(most), [1, 2, 3, 4]],
  [
    'down and right, the border repeated',
    'image',
    [2, 2, 1],
    { ...still, shift: 0.5 },
    [1, 2, 3, 4],
    fixed(most),
    [1, 1, 1, 1],
  ],
  [
    'up and left',
    'image',
    [2, 2],
    { ...still, shift: 0.5 },
    [1, 2, 3, 4],
    fixed(least),
    [4, 4, 4, 4],
  ],
  [
    'mirrored, channels in order',
    'image',
    [1, 2, 3],
    { ...still, flip: true },
    [1, 2, 3, 4, 5, 6],
    fixed(middle, middle, least),
    [4, 5, 6, 1, 2, 3],
  ],
  [
    'not mirrored',
    'image',
    [1, 2, 3],
    { ...still, flip: true },
    [1, 2, 3, 4, 5, 6],
    fixed(middle),
    [1, 2, 3, 4, 5, 6],
  ],
  ['lighter', 'image', [1, 2, 1], { shift: 0, brightness: 0.5 }, [0, 1], fixed(most), [0.5, 1.5]],
  [
    'a square becomes the mean',
    'image',
    [2, 2, 1],
    { ...still, cutout: 0.5 },
    [1, 2, 3, 6],
    fixed(most),
    [1, 2, 3, 3],
  ],
  ['nothing', 'series', [2, 2], calm, [1, 2, 3, 4], fixed(most), [1, 2, 3, 4]],
  [
    'later, the first step repeated',
    'series',
    [3, 2],
    { ...calm, shift: 0.4 },
    [1, 2, 3, 4, 5, 6],
    fixed(most),
    [1, 2, 1, 2, 3, 4],
  ],
  [
    'each channel scaled',
    'series',
    [2, 2],
    { ...calm, scale: 0.5 },
    [1, 2, 3, 4],
    fixed(middle, most, least),
    [1.5, 1, 4.5, 2],
  ],
  [
    'a leading 1 is no step',
    'series',
    [1, 3, 1],
    { ...calm, shift: 0.4 },
    [1, 2, 3],
    fixed(least),
    [2, 3, 3],
  ],
  [
    'a 1 between steps and channels is no channel, as a convolution of n×1 has it',
    'series',
    [3, 1, 2],
    { ...calm, shift: 0.4 },
    [1, 2, 3, 4, 5, 6],
    fixed(most),
    [1, 2, 1, 2, 3, 4],
  ],
];

describe('augmentation', () => {
  for (const [edge, kind, shape, options, sample, random, wanted] of rows) {
    it(`${kind}: ${edge}`, () => {
      const given = Float32Array.from(sample);
      const changed = augment(kind, shape, options)(given, random);
      expect([...given], 'the sample itself').to.deep.equal(sample);
      expect(changed.length).to.equal(wanted.length);
      wanted.forEach((value, i) => {
        expect(changed[i], `element ${i}`).to.be.closeTo(value, 1e-5);
      });
    });
  }

  const shapes: Readonly<Record<AugmentKind, Shape>> = {
    audio: [400],
    image: [20, 20, 1],
    series: [100, 4],
  };
  for (const kind of augmentKinds) {
    it(`${kind}: one seed gives one change, small by default`, () => {
      const source = makeRandom(7);
      const sample = Float32Array.from({ length: 400 }, () => source() - 0.5);
      const change = augment(kind, shapes[kind]);
      const [a, again, b] = [1, 1, 2].map((seed) => change(sample, makeRandom(seed)));
      expect(a).to.deep.equal(again);
      expect(a).not.to.deep.equal(b);
      expect(Math.max(...(a as Float32Array).map(Math.abs))).to.be.below(2);
    });
  }

  it('noise has the deviation that is asked for', () => {
    const silence = new Float32Array(20000);
    const noisy = augment('audio', [20000], { shift: 0, gain: 0, noise: 0.1 });
    const random = makeRandom(3);
    let first = true;
    const loudest = noisy(silence, () => {
      // Shift and gain, then the loudest noise of the range.
      if (!first) return random();
      first = false;
      return 0.5;
    });
    expect(loudest.length).to.equal(20000);
    const squares = (x: Float32Array) => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / x.length);
    expect(squares(loudest)).to.be.within(0, 0.1 * 1.05);
    const wave = Float32Array.from({ length: 20000 }, (_, i) => 3 * Math.sqrt(2) * Math.sin(i));
    const jittered = augment('series', [20000, 1], { scale: 0, shift: 0, jitter: 0.1 })(
      wave,
      random,
    );
    expect(squares(jittered.map((v, i) => v - (wave[i] as number)))).to.be.within(0.29, 0.31);
  });

  for (const [kind, shape, options, says] of [
    ['audio', [4, 4], {}, /\[4, 4\]/],
    ['image', [4], {}, /\[4\]/],
    ['image', [4, 4, 2], {}, /\[4, 4, 2\]/],
    ['series', [4, 4, 4], {}, /\[4, 4, 4\]/],
    ['audio', [4], { shift: 2 }, /shift is 2/],
    ['audio', [4], { noise: Number.NaN }, /noise is NaN/],
  ] as const) {
    it(`refused: ${kind} of [${shape}] ${JSON.stringify(options)}`, () => {
      expect(() => augment(kind, shape, options)).to.throw(says);
    });
  }
});
