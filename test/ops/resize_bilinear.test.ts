import { perTensorQuant, type Random } from '../support/module.js';
import { randomQuant, testOperator } from '../support/operator.js';
import { reals } from '../support/real-layers.js';

const plain = { alignCorners: false, halfPixelCenters: false };
const centers = { ...plain, halfPixelCenters: true };
const aligned = { ...plain, alignCorners: true };
const row = (edge: string, attrs: typeof plain, shape: number[], h: number, w: number) => ({
  edge,
  attrs,
  inputs: [{ shape }],
  shapes: [[shape[0] as number, h, w, shape[3] as number]],
});

const wide = { dtype: 'int16', quant: perTensorQuant(0.25, 0) } as const;
const real = { dtype: 'float32', quant: null } as const;
const wideRow = (...of: Parameters<typeof row>) => {
  const { inputs, ...rest } = row(...of);
  return { ...rest, inputs: inputs.map((one) => ({ ...one, ...wide })), ...wide };
};
const realRow = (...of: Parameters<typeof row>) => {
  const { inputs, ...rest } = row(...of);
  return { ...rest, inputs: inputs.map(({ shape }) => reals(shape)), ...real };
};

function randomSizes(random: Random) {
  const extent = () => random.integer(1, 9);
  const [n, c] = [random.integer(1, 2), random.integer(1, 5)];
  const shape = [n, extent(), extent(), c];
  const attrs = random.pick([plain, centers, aligned]);
  return { shape, attrs, shapes: [[n, extent(), extent(), c]] };
}

testOperator({
  op: 'resize_bilinear',
  cases: [
    row('doubled', plain, [1, 3, 4, 3], 6, 8),
    row('doubled, half-pixel centres', centers, [1, 3, 4, 3], 6, 8),
    row('doubled, aligned corners', aligned, [1, 3, 4, 3], 6, 8),
    row('halved', plain, [1, 4, 6, 2], 2, 3),
    row('halved, half-pixel centres', centers, [1, 4, 6, 2], 2, 3),
    row('odd ratios, several images', centers, [2, 5, 3, 1], 7, 4),
    row('one row to many', aligned, [1, 1, 2, 2], 4, 5),
    row('to one pixel, aligned corners', aligned, [1, 3, 3, 2], 1, 1),
    row('the same size', centers, [1, 3, 2, 4], 3, 2),
  ],
  random: (random) => {
    const { shape, attrs, shapes } = randomSizes(random);
    return { inputs: [{ shape, quant: randomQuant(random) }], attrs, shapes };
  },
  refused: [
    {
      ...row('both flags', { alignCorners: true, halfPixelCenters: true }, [1, 2, 2, 1], 4, 4),
      code: 'unsupported-attribute',
      message: /both align_corners and half_pixel_centers/,
    },
    {
      ...row('rows beyond the image', plain, [1, 5, 1, 1], 200, 1),
      code: 'unsupported-attribute',
      message: /beyond the image/,
    },
    {
      edge: 'no image',
      attrs: plain,
      inputs: [{ shape: [2, 3] }],
      shapes: [[2, 3]],
      code: 'bad-shape',
      message: /is not \[n, h, w, c\]/,
    },
  ],
});

testOperator({
  op: 'resize_bilinear',
  golden: 'resize_bilinear_s16',
  cases: [
    wideRow('doubled, half-pixel centres', centers, [1, 3, 4, 3], 6, 8),
    wideRow('odd ratios, several images', aligned, [2, 5, 3, 1], 7, 4),
  ],
  random: (random) => {
    const { shape, attrs, shapes } = randomSizes(random);
    return { inputs: [{ shape, ...wide }], attrs, shapes, ...wide };
  },
});

testOperator({
  op: 'resize_bilinear',
  golden: 'resize_bilinear_f32',
  // Desktop TFLite multiplies by the products of shares.
  differs: () => ['tflite-portable'],
  cases: [
    realRow('doubled', plain, [1, 3, 4, 3], 6, 8),
    realRow('doubled, half-pixel centres', centers, [1, 3, 4, 3], 6, 8),
    realRow('doubled, aligned corners', aligned, [1, 3, 4, 3], 6, 8),
    realRow('odd ratios, several images', centers, [2, 5, 3, 1], 7, 4),
    realRow('to one pixel, aligned corners', aligned, [1, 3, 3, 2], 1, 1),
  ],
  random: (random) => {
    const { shape, attrs, shapes } = randomSizes(random);
    return { inputs: [reals(shape)], attrs, shapes, ...real };
  },
});
