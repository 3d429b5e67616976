/**
 * What --rounding xnnpack (or another) costs beside tflm, by the planner's estimates, on layers with random weights,
 * scales, zero points and biases. Prints the share of channels without integer constants, and the
 * layers that slow down most.
 *
 *     npx tsx bench/xnnpack.ts [--targets a,b] [--layers N] [--rounding R]
 */
import { parseArgs } from 'node:util';
import { loadTarget, type Target } from '../src/boards/target/index.js';
import { writeTflite } from '../src/compiler/formats/tflite/write.js';
import type { Module } from '../src/compiler/ir/graph.js';
import type { RuntimeRounding } from '../src/compiler/ir/rounding.js';
import { estimatedCount } from '../src/compiler/plan/types.js';
import { planned } from '../src/pipeline.js';
import { GraphBuilder, perChannelQuant, perTensorQuant, Random } from '../test/support/module.js';
import { defaults } from '../test/support/plan.js';

const { values } = parseArgs({
  options: {
    targets: { type: 'string', default: 'stm32f405,rp2040,esp32c3,mps3-an547' },
    layers: { type: 'string', default: '60' },
    rounding: { type: 'string', default: 'xnnpack' },
  },
});

interface Layer {
  readonly name: string;
  readonly module: Module;
}

/** Pointwise, 3×3 and depthwise convolutions of 3 to 1152 weights a channel, of one pixel and more. */
function layerOf(seed: number): Layer {
  const random = new Random(seed);
  const op = random.pick(['conv2d', 'conv2d', 'depthwise_conv2d'] as const);
  const inC = random.pick([3, 8, 12, 20, 32, 64, 128]);
  const outC = op === 'depthwise_conv2d' ? inC : random.pick([8, 16, 32, 64, 128]);
  const window = op === 'depthwise_conv2d' ? 3 : random.pick([1, 1, 3]);
  const side = random.pick([1, 4, 8, 12]);
  const taps = window * window * (op === 'conv2d' ? inC : 1);
  const isRelu = random.integer(0, 1) === 0;
  // Sums of `taps` products with a deviation of 40 each fill 2 to 16 deviations of the outputs.
  const unit = 2 ** (random.integer(-10, 10) / 10) / (Math.sqrt(taps) * 40);
  const scales = Array.from({ length: outC }, () => unit * 2 ** (random.integer(-20, 10) / 10));
  const shape = {
    conv2d: [outC, window, window, inC],
    depthwise_conv2d: [1, 3, 3, outC],
  }[op];
  const axis = op === 'depthwise_conv2d' ? 3 : 0;
  const b = new GraphBuilder();
  const input = [1, side, side, inC];
  const x = b.input(input, perTensorQuant(0.05, random.pick([-128, random.integer(-40, 40)])));
  const weights = b.constant(random.int8(taps * outC, -127), shape, perChannelQuant(scales, axis));
  const biasScales = scales.map((scale) => 0.05 * scale);
  const biases = random.int32(outC, -2000, 2000);
  const bias = b.constant(biases, [outC], perChannelQuant(biasScales, 0));
  const pad = Math.floor(window / 2);
  const attrs = {
    ...{ strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 },
    ...{ padTop: pad, padBottom: pad, padLeft: pad, padRight: pad },
    ...(op === 'depthwise_conv2d' ? { depthMultiplier: 1 } : {}),
    ...{ activation: isRelu ? 'relu' : 'none', rounding: 'double' },
  };
  const quant = perTensorQuant(0.05, isRelu ? -128 : random.integer(-30, 30));
  const name = `${op} ${input.slice(1).join('x')} to ${outC}, ${window}x${window}${isRelu ? ', relu' : ''}`;
  return { name, module: b.module([b.node(op, [x, weights, bias], attrs, { quant })]) };
}

function countsOf(bytes: Uint8Array, target: Target, rounding: RuntimeRounding) {
  const options = { ...defaults, faithful: false, rounding };
  const { plan } = planned({ bytes, path: 'layer.tflite', target, options });
  return { count: estimatedCount(plan), kernel: plan.steps[0]?.kernel ?? '' };
}

const layers = Array.from({ length: Number(values.layers) }, (_, i) => layerOf(i + 1));
for (const name of values.targets.split(',')) {
  const target = loadTarget(name);
  const rows = layers.map((layer) => {
    const bytes = writeTflite(layer.module);
    const [before, after] = ['tflm', values.rounding].map((rounding) =>
      countsOf(bytes, target, rounding as RuntimeRounding),
    );
    return { ...layer, ratio: (after?.count ?? 0) / (before?.count ?? 1), kernel: after?.kernel };
  });
  rows.sort((a, b) => b.ratio - a.ratio);
  const mean = Math.exp(rows.reduce((sum, { ratio }) => sum + Math.log(ratio), 0) / rows.length);
  console.log(`${name}: geometric mean ${mean.toFixed(3)} of tflm`);
  for (const { ratio, name: layer, kernel } of rows.slice(0, 10)) {
    console.log(`  ${ratio.toFixed(2)}  ${layer}  ${kernel}`);
  }
}
