/** Kernels that skip weights at 0 by gathers of Helium: their streams, their C, their assembly. */
import { expect } from 'chai';
import fc from 'fast-check';
import { qemuCommand } from '../../../src/boards/device/qemu.js';
import { loadTarget } from '../../../src/boards/target/index.js';
import { analyse } from '../../../src/compiler/analysis/index.js';
import { type Module, mainGraph } from '../../../src/compiler/ir/graph.js';
import {
  type Gathered,
  reachOf,
  stepsOf,
  streamOf,
} from '../../../src/compiler/kernels/mve/gathers.js';
import { makePlan } from '../../../src/compiler/plan/index.js';
import { expectSameBitsOnBoard } from '../../support/board.js';
import { GraphBuilder, perTensorQuant, Random } from '../../support/module.js';
import { expectSameBits } from '../../support/native.js';
import { defaults } from '../../support/plan.js';
import { prunedLayer } from '../../support/pruned.js';
import { fused, randomSum } from '../../support/residual.js';
import { pads, unit } from '../../support/rows.js';
import { runs } from '../../support/runs.js';
import { needs } from '../../support/skip.js';

const filtersOf = fc
  .record({
    bytes: fc.integer({ min: 1, max: 1500 }),
    kept: fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 1, maxLength: 4 }),
    seed: fc.integer(),
  })
  .map(({ bytes, kept, seed }) => {
    const random = new Random(seed);
    const filters = kept.map((percent) =>
      Array.from({ length: bytes }, (_, offset) => offset)
        .filter(() => random.integer(0, 99) < percent)
        .map((offset): Gathered => ({ offset, weight: random.integer(-128, 127) || 3 })),
    );
    return { bytes, filters };
  });

describe('streams of offsets and weights', () => {
  it('have the weights that went in, within reach, in about as few vectors as possible', () => {
    fc.assert(
      fc.property(filtersOf, fc.constantFrom(0, 1), ({ bytes, filters }, peeled) => {
        const reach = reachOf(bytes);
        const { count, bytes: stream } = streamOf(stepsOf(filters, reach, peeled), reach, peeled);
        const data = Int8Array.from(stream);
        const found = filters.map((): Gathered[] => []);
        let [at, told, begin, vectors] = [0, count, 0, 0];
        for (let first = peeled; ; first = 0) {
          const isLast = reach.steps === 1 || told % 2 !== 0;
          const each = first + (reach.steps === 1 ? told : told >> 1);
          vectors += each;
          for (let i = 0; i < each * filters.length; i += 1, at += 32) {
            for (let k = 0; k < 16; k += 1) {
              const offset = begin + ((data[at + k] as number) & 255);
              const weight = data[at + 16 + k] as number;
              expect(offset).to.be.below(bytes);
              if (weight !== 0) found[i % filters.length]?.push({ offset, weight });
            }
          }
          if (isLast) break;
          begin += reach.stepBytes;
          told = data[at++] as number;
          expect(told).to.be.at.least(0);
        }
        expect(at, 'all of the stream is read').to.equal(stream.length);
        expect(found).to.deep.equal(filters);
        const most = Math.max(...filters.map((entries) => entries.length));
        expect(vectors).to.be.within(most / 16, most / 16 + reach.steps);
      }),
      { numRuns: runs(200) },
    );
  });
});

describe('gathers', () => {
  for (const { zeros, kernel } of [
    { zeros: 0, kernel: 'mve/fully_connected' },
    { zeros: 0.7, kernel: 'mve/fully_connected' },
    { zeros: 0.8, kernel: 'mve/sparse_fully_connected' },
  ]) {
    it(`with ${100 * zeros} % zeros: ${kernel}`, () => {
      const b = new GraphBuilder();
      const data = Int8Array.from({ length: 64 * 256 }, (_, i) => (i % 10 < 10 * zeros ? 0 : 9));
      const weights = b.constant(data, [64, 256], perTensorQuant(0.02, 0));
      const attrs = { activation: 'none', rounding: 'double' };
      const y = b.node('fully_connected', [b.input([1, 256]), weights, null], attrs);
      const module = b.module([y]);
      const facts = analyse(mainGraph(module));
      const { plan } = makePlan(module, facts, loadTarget('mps3-an547'), defaults);
      const { steps } = plan;
      expect(steps[0]?.kernel).to.equal(kernel);
      expect(/gathers take/.test(steps[0]?.why ?? '')).to.equal(zeros < 0.75);
    });
  }
});

/** A layer that rounds in float32, with and without integers that do the same. */
function layerInFloat(op: 'conv2d' | 'fully_connected', weightScale: number): Module {
  const random = new Random(1);
  const b = new GraphBuilder();
  const data = random.int8(8 * 64, -127, 127).map((weight, i) => (i % 8 === 0 ? weight : 0));
  const shape = op === 'conv2d' ? [8, 1, 1, 64] : [8, 64];
  const weights = b.constant(data, shape, perTensorQuant(weightScale, 0));
  const bias = b.constant(random.int32(8, -3000, 3000));
  const x = b.input(op === 'conv2d' ? [1, 5, 3, 64] : [1, 64], perTensorQuant(1, 7));
  const attrs = { activation: 'none', rounding: 'float' };
  const all = op === 'conv2d' ? { ...unit, ...pads(0, 0, 0, 0), ...attrs } : attrs;
  return b.module([b.node(op, [x, weights, bias], all, { quant: perTensorQuant(1, -5) })]);
}

describe('layers in float32 by Helium', () => {
  const modules = (['conv2d', 'fully_connected'] as const).flatMap((op) =>
    [0.013, 3 / 2048, 174].map((scale) => layerInFloat(op, scale)),
  );
  for (const kernel of ['mve/sparse_conv2d', 'mve/sparse_fully_connected']) {
    it(`have the bits of evaluate on a simulated Cortex-M55: ${kernel}`, async function () {
      needs(this, qemuCommand);
      await expectSameBitsOnBoard(modules, 'mps3-an547', { kernel });
    });
  }
});

const seeds = Array.from({ length: 56 }, (_, seed) => seed);
const rows = [
  { op: 'conv2d', kernel: 'mve/sparse_conv2d', layers: seeds },
  { op: 'fully_connected', kernel: 'mve/sparse_conv2d', layers: seeds.slice(0, 12) },
  { op: 'fully_connected', kernel: 'mve/sparse_fully_connected', layers: seeds },
] as const;

describe('kernels that skip weights at 0 by Helium', () => {
  for (const { op, kernel, layers } of rows) {
    const options = { kernel, overlap: true };
    it(`${op} by ${kernel}, in C`, () =>
      expectSameBits(
        layers.map((seed) => prunedLayer(op, seed)),
        options,
      ));
    it(`${op} by ${kernel}, on a simulated Cortex-M55`, async function () {
      needs(this, qemuCommand);
      const modules = layers.map((seed) => prunedLayer(op, seed, 24));
      const kernels = await expectSameBitsOnBoard(modules, 'mps3-an547', options);
      const own = kernels.filter((other) => other === kernel).length;
      expect(own / kernels.length).to.be.greaterThan(0.3);
    });
  }

  it('residual sums by mve/sparse_conv2d, in C', () => {
    const sums = seeds.slice(0, 12).map((seed) => fused(randomSum(new Random(seed), 'conv2d')));
    return expectSameBits(sums, { kernel: 'mve/sparse_conv2d', overlap: true });
  });

  it('residual sums by mve/sparse_conv2d, on a simulated Cortex-M55', async function () {
    needs(this, qemuCommand);
    const sums = seeds.slice(0, 12).map((seed) => fused(randomSum(new Random(seed), 'conv2d')));
    await expectSameBitsOnBoard(sums, 'mps3-an547', {
      kernel: 'mve/sparse_conv2d',
      overlap: true,
    });
  });
});
