/** Layers of int16 by int8, four channels at a time: in C on this machine, on a simulated board, and where they are chosen. */
import { expect } from 'chai';
import { qemuCommand } from '../../../src/boards/device/qemu.js';
import { loadTarget } from '../../../src/boards/target/index.js';
import { type Module, mainGraph, viewOf } from '../../../src/compiler/ir/graph.js';
import { matchesOf } from '../../../src/compiler/kernels/index.js';
import { expectSameBitsOnBoard } from '../../support/board.js';
import { GraphBuilder, perChannelQuant, perTensorQuant, Random } from '../../support/module.js';
import { expectSameBits } from '../../support/native.js';
import { randomWindow } from '../../support/operands.js';
import { contextOf } from '../../support/plan.js';
import { needs } from '../../support/skip.js';

interface Shape {
  /** Rows, columns and channels of the image. */
  readonly input: readonly [h: number, w: number, c: number];
  readonly outC: number;
  /** A window of this size; null: a fully connected layer of `h` rows. */
  readonly window: readonly [h: number, w: number] | null;
  readonly attrs?: object;
  readonly bias?: 'int64' | 'int32' | 'none';
  /** Of the output, relative to the one that makes outputs as large as inputs. */
  readonly gain?: number;
  /** Of every weight; default: any, −128 to 127. */
  readonly weight?: number;
  /** The input is a constant. */
  readonly isKnown?: true;
}

const unit = { strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 };
const pads = { padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 };

function layerOf(given: Shape, seed: number): Module {
  const { input, outC, window, attrs, bias = 'int64', gain = 1 } = given;
  const random = new Random(seed);
  const b = new GraphBuilder();
  const [h, w, c] = input;
  const depth = window === null ? w * c : window[0] * window[1] * c;
  const shape = window === null ? [outC, depth] : [outC, ...window, c];
  const scales = Array.from({ length: outC }, () => random.integer(5, 30) / 1000);
  const any = random.int8(outC * depth);
  const data = any.map((w) => given.weight ?? w);
  const weights = b.constant(data, shape, perChannelQuant(scales, 0));
  const biases = random.int32(outC, -(2 ** 24), 2 ** 24);
  const wide = BigInt64Array.from(biases, (value) => BigInt(value) * 9n);
  const constant = {
    int64: () => b.constant(wide),
    int32: () => b.constant(biases),
    none: () => null,
  };
  const quant = perTensorQuant(2 ** -12, 0);
  const image = window === null ? [h, w * c] : [1, h, w, c];
  const x = given.isKnown
    ? b.constant(random.elements('int16', h * w * c), image, quant)
    : b.input(image, quant, undefined, 'int16');
  const rounding = { activation: random.pick(['none', 'relu']), rounding: 'double' };
  const all =
    window === null
      ? { ...rounding, keepDims: false }
      : { ...unit, ...pads, ...rounding, ...attrs };
  const output = perTensorQuant((2 ** -12 * Math.sqrt(depth)) / gain, 0);
  const op = window === null ? 'fully_connected' : 'conv2d';
  const operands = [x, weights, constant[bias]()];
  return b.module([b.node(op, operands, all, { quant: output, name: `seed ${seed}` })]);
}

function randomLayer(seed: number): Module {
  const random = new Random(seed);
  const bias = random.pick(['int64', 'int64', 'int32', 'none'] as const);
  const outC = random.pick([1, 3, 4, 5, 31, 32, 33, 41]);
  const input = [random.integer(1, 7), random.integer(1, 7), random.integer(1, 9)] as const;
  if (seed % 3 === 0) return layerOf({ input, outC, window: null, bias }, seed);
  const { kernelH, kernelW, attrs } = randomWindow(random, [1, ...input]);
  return layerOf({ input, outC, window: [kernelH, kernelW], attrs, bias }, seed);
}

/** Depths of all remainders and around a round of the loop; ways to requantize. */
const edges: readonly Shape[] = [
  ...[1, 2, 3, 4, 63, 64, 65, 130].map(
    (c): Shape => ({ input: [2, 2, c], outC: 6, window: [1, 1] }),
  ),
  // In place: outputs of a pixel are written before all its sums are made.
  ...[3, 4, 41, 70].map((outC): Shape => ({ input: [3, 3, 8], outC, window: [1, 1] })),
  // The largest sums that 32 bits hold.
  ...[-128, 127].map(
    (weight): Shape => ({ input: [1, 1, 500], outC: 5, window: null, weight, bias: 'none' }),
  ),
  { input: [1, 1, 40], outC: 9, window: null, gain: 200 },
  { input: [1, 3, 40], outC: 9, window: [1, 1], gain: 200 },
  { input: [3, 5, 4], outC: 9, window: [3, 3], attrs: { dilationW: 2 } },
  { input: [4, 9, 4], outC: 34, window: [3, 2], attrs: { strideW: 3, padTop: 2, padLeft: 1 } },
];

const layers = [...Array.from({ length: 30 }, (_, i) => randomLayer(i + 1)), ...edges.map(layerOf)];

interface Case {
  /** The kernels of convolutions and of fully connected layers. */
  readonly conv: string;
  readonly dense: string;
  /** The board on which they are run. */
  readonly target: string;
  /** It reads pixels where they lie, in words. */
  readonly hasWords: boolean;
}

const cases: readonly Case[] = [
  ...[
    { kernel: 'dsp/conv2d_16x8', target: 'stm32f405' },
    { kernel: 'thumb1/conv2d_16x8', target: 'rp2040' },
  ].map(({ kernel, target }) => ({ conv: kernel, dense: kernel, target, hasWords: true })),
  {
    ...{ conv: 'mve/conv2d_16x8', dense: 'mve/fully_connected_16x8' },
    ...{ target: 'mps3-an547', hasWords: false },
  },
];

const isDense = (module: Module) => mainGraph(module).nodes[0]?.op === 'fully_connected';

const matchesIn = (module: Module, kernel: string) => {
  const graph = mainGraph(module);
  const view = viewOf(graph, graph.nodes[0] as never);
  const context = contextOf({ target: 'host', options: { optimize: 'speed' } as never });
  return matchesOf(view, context, ({ template }) => template === kernel);
};

for (const { conv, dense, target, hasWords } of cases) {
  describe(`${conv}, ${dense}`, () => {
    const isOnQemu = loadTarget(target).simulator === 'qemu';
    const kernelOf = (module: Module) => (isDense(module) ? dense : conv);

    for (const kernel of new Set([conv, dense])) {
      const some = layers.filter((module) => kernelOf(module) === kernel);
      for (const optimize of ['speed', 'balanced'] as const) {
        const options = { kernel, optimize, overlap: true };
        it(`${kernel}, ${optimize}, in C`, () => expectSameBits(some, options));
        it(`${kernel}, ${optimize}, on a simulated ${target}`, async function () {
          if (isOnQemu) needs(this, qemuCommand);
          const used = await expectSameBitsOnBoard(some, target, options);
          expect(new Set(used)).to.deep.equal(new Set([kernel]));
        });
      }

      it(`${kernel} requantizes in every way`, () => {
        const calls = some
          .flatMap((module) => matchesIn(module, kernel))
          .flatMap((match) => match.kernel.calls());
        const ways = calls.map(({ flags: { wide, reduced } }) =>
          wide ? 'wide' : reduced ? 'reduced' : 'whole',
        );
        expect([...new Set(ways)]).to.have.members(['wide', 'reduced', 'whole']);
      });
    }

    if (hasWords) {
      it('reads only tensors that begin at words in place', () => {
        const isInPlace = (given: Partial<Shape>) =>
          matchesIn(layerOf({ input: [1, 2, 8], outC: 5, window: [1, 1], ...given }, 1), conv).map(
            (match) => match.kernel.calls()[0]?.flags.in_place,
          );
        expect(isInPlace({})).to.deep.equal([true]);
        expect(isInPlace({ isKnown: true })).to.deep.equal([false]);
        expect(isInPlace({ input: [1, 2, 6] })).to.deep.equal([false]);
      });
    }

    it('are chosen except where sums may leave 32 bits', async function () {
      if (isOnQemu) needs(this, qemuCommand);
      const chosen = [
        layerOf({ input: [4, 4, 16], outC: 16, window: [3, 3] }, 1),
        layerOf({ input: [6, 6, 32], outC: 24, window: [1, 1] }, 2),
        layerOf({ input: [1, 1, 64], outC: 10, window: null }, 3),
        layerOf({ input: [1, 2, 1500], outC: 4, window: [1, 1] }, 4),
        layerOf({ input: [1, 1, 1500], outC: 4, window: null }, 4),
      ];
      const used = await expectSameBitsOnBoard(chosen, target, {
        ...{ planned: true, optimize: 'speed' },
      });
      const portable = 'portable/conv2d_16x8';
      expect(used).to.deep.equal([conv, conv, dense, portable, portable]);
    });
  });
}
