/** 16x8 layers with SMLAD: in C on this machine, on a simulated Cortex-M4, and where it is chosen. */
import { expect } from 'chai';
import { qemuCommand } from '../../../src/device/qemu.js';
import { type Module, mainGraph, viewOf } from '../../../src/ir/graph.js';
import { matchesOf } from '../../../src/kernels/index.js';
import { expectSameBitsOnBoard } from '../../support/board.js';
import { GraphBuilder, perChannelQuant, perTensorQuant, Random } from '../../support/module.js';
import { expectSameBits } from '../../support/native.js';
import { randomWindow } from '../../support/operands.js';
import { contextOf } from '../../support/plan.js';
import { needs } from '../../support/skip.js';

const kernel = 'dsp/conv2d_16x8';

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
}

const unit = { strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 };
const pads = { padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 };

function layerOf({ input, outC, window, attrs, bias = 'int64', gain = 1 }: Shape, seed: number) {
  const random = new Random(seed);
  const b = new GraphBuilder();
  const [h, w, c] = input;
  const depth = window === null ? w * c : window[0] * window[1] * c;
  const shape = window === null ? [outC, depth] : [outC, ...window, c];
  const scales = Array.from({ length: outC }, () => random.integer(5, 30) / 1000);
  const weights = b.constant(random.int8(outC * depth, -127), shape, perChannelQuant(scales, 0));
  const biases = random.int32(outC, -(2 ** 24), 2 ** 24);
  const wide = BigInt64Array.from(biases, (value) => BigInt(value) * 9n);
  const constant = {
    int64: () => b.constant(wide),
    int32: () => b.constant(biases),
    none: () => null,
  };
  const quant = perTensorQuant(2 ** -12, 0);
  const x = b.input(window === null ? [h, w * c] : [1, h, w, c], quant, undefined, 'int16');
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
  { input: [1, 1, 40], outC: 9, window: null, gain: 200 },
  { input: [3, 5, 4], outC: 9, window: [3, 3], attrs: { dilationW: 2 } },
  { input: [4, 9, 4], outC: 34, window: [3, 2], attrs: { strideW: 3, padTop: 2, padLeft: 1 } },
];

const layers = [...Array.from({ length: 30 }, (_, i) => randomLayer(i + 1)), ...edges.map(layerOf)];

describe('16x8 layers with SMLAD', () => {
  for (const optimize of ['speed', 'balanced'] as const) {
    const options = { kernel, optimize, overlap: true };
    it(`${optimize}, in C`, () => expectSameBits(layers, options));
    it(`${optimize}, on a simulated Cortex-M4`, async function () {
      needs(this, qemuCommand);
      const kernels = await expectSameBitsOnBoard(layers, 'stm32f405', options);
      expect(new Set(kernels)).to.deep.equal(new Set([kernel]));
    });
  }

  it('requantize in every way', () => {
    const ways = new Set(
      layers.flatMap((module) => {
        const graph = mainGraph(module);
        const view = viewOf(graph, graph.nodes[0] as never);
        const context = contextOf({ target: 'host', options: { optimize: 'speed' } as never });
        const [match] = matchesOf(view, context, ({ template }) => template === kernel);
        return (match?.kernel.calls() ?? []).map(({ flags: { wide, reduced } }) =>
          wide ? 'wide' : reduced ? 'reduced' : 'whole',
        );
      }),
    );
    expect([...ways]).to.have.members(['wide', 'reduced', 'whole']);
  });

  it('are chosen except where sums may leave 32 bits', async function () {
    needs(this, qemuCommand);
    const chosen = [
      layerOf({ input: [4, 4, 16], outC: 16, window: [3, 3] }, 1),
      layerOf({ input: [6, 6, 32], outC: 24, window: [1, 1] }, 2),
      layerOf({ input: [1, 1, 64], outC: 10, window: null }, 3),
      layerOf({ input: [1, 1, 1500], outC: 4, window: null }, 4),
    ];
    const kernels = await expectSameBitsOnBoard(chosen, 'stm32f405', {
      ...{ planned: true, optimize: 'speed' },
    });
    expect(kernels).to.deep.equal([kernel, kernel, kernel, 'portable/conv2d_16x8']);
  });
});
