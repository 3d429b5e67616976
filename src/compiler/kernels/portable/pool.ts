/** average_pool2d and max_pool2d: one output after the other. */
import { dtypes, elementCount, type NodeView } from '../../ir/graph.js';
import { activationRange } from '../../ops/arithmetic/quant.js';
import { outputOf } from '../../ops/shape/operands.js';
import { imageOf, type PoolAttrs, poolTypes, slides } from '../../ops/shape/pool.js';
import { type WindowShape, windowLead } from '../layout/overlap.js';
import type { KernelCall, KernelVariant } from '../variant.js';

interface PoolKernel {
  /** The operator's name. */
  readonly name: string;
  /** Estimated Cortex-M0+ cycles per output, without its elements. */
  readonly cycles: number;
  /** A faster way to finish an output: its cycles, and its numbers, or null for nodes without. */
  readonly quick?: {
    readonly cycles: number;
    numbers(view: NodeView<PoolAttrs>): Readonly<Record<string, number>> | null;
  };
}

export function poolVariant<A extends PoolAttrs>({
  name,
  cycles,
  quick,
}: PoolKernel): KernelVariant<A> {
  return {
    template: `portable/${name}`,
    needs: [],
    types: poolTypes,
    match(view) {
      const { dtype } = outputOf(view);
      const quickNumbers = dtype === 'int8' ? (quick?.numbers(view) ?? null) : null;
      const count = elementCount(outputOf(view).shape);
      const taps = count * view.attrs.kernelH * view.attrs.kernelW;
      const outputs =
        quick && quickNumbers
          ? { quickOutputs: { count, cycles: quick.cycles } }
          : { outputs: { count, cycles } };
      return {
        scratchBytes: 0,
        overlaps: [{ input: 0, lead: dtypes[dtype].bytes * poolLead(view, 1), exact: false }],
        work: () => ({ ...outputs, taps: { count: taps, cycles: 5 } }),
        calls: () => [lower(view, quickNumbers)],
      };
    },
  };
}

/** Lead, in elements, of a kernel that computes pixel after pixel, `channelBlock` channels at a time. */
export function poolLead(view: NodeView<PoolAttrs>, channelBlock: number): number {
  return windowLead(windowShapeOf(view), { channelBlock, depthwise: true });
}

/** Lead, in elements, of a kernel that reads all inputs of a row of outputs before it writes them. */
export function rowsLead(view: NodeView<PoolAttrs>): number {
  return windowLead(windowShapeOf(view), { tilePixels: Infinity });
}

function windowShapeOf(view: NodeView<PoolAttrs>): WindowShape {
  const [batches = 0, inH = 0, inW = 0, inC = 0] = imageOf(view);
  const [, outH = 0, outW = 0, outC = 0] = outputOf(view).shape;
  return { ...slides(view), ...view.attrs, batches, inH, inW, inC, outH, outW, outC };
}

function lower(
  view: NodeView<PoolAttrs>,
  quick: Readonly<Record<string, number>> | null,
): KernelCall {
  const numbers = { ...poolNumbers(view), ...quick };
  const { dtype } = outputOf(view);
  const flags = { quick: quick !== null, wide: dtype === 'int16' };
  const words = flags.wide
    ? { most: '32768, so sixteen', top_bit: '15' }
    : { most: '128, so eight', top_bit: '7' };
  const call = { inputs: [0], outputs: [0], types: { element: dtype }, tables: {} };
  return { ...call, flags, words, numbers };
}

export function poolNumbers(view: NodeView<PoolAttrs>) {
  const [low, high] = activationRange(view.attrs.activation, outputOf(view));
  return { ...windowOfPool(view), low, high };
}

export function windowOfPool(view: NodeView<PoolAttrs>) {
  const { attrs } = view;
  const [batches = 0, inH = 0, inW = 0, channels = 0] = imageOf(view);
  const [, outH = 0, outW = 0] = outputOf(view).shape;
  return {
    batches,
    in_h: inH,
    in_w: inW,
    channels,
    out_h: outH,
    out_w: outW,
    kernel_h: attrs.kernelH,
    kernel_w: attrs.kernelW,
    stride_h: attrs.strideH,
    stride_w: attrs.strideW,
    pad_top: attrs.padTop,
    pad_left: attrs.padLeft,
  };
}
