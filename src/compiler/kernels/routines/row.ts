/**
 * Layers of one output pixel whose nonzero weights are code: the window is the whole image, so its
 * values are one row. In a depthwise convolution a channel has no weights for the inputs of the
 * others. What the kernels of several instruction sets share.
 */
import type { NodeView } from '../../ir/graph.js';
import type { AccumulationAttrs } from '../../ops/arithmetic/accumulation.js';
import type { Convolution, ConvolutionVariants } from '../layout/convolution.js';
import type { WindowShape } from '../layout/overlap.js';
import {
  type KernelCall,
  type MatchContext,
  once,
  type VariantTraits,
  type WorkTerm,
} from '../variant.js';
import { type CodedChannel, type CodedRoutine, maxWeights, weightAt } from './coded.js';

/** More code than the RAM of any chip holds. */
const mostNonzero = 2 ** 16;

/** How the sum of a channel becomes an output. */
export type RowOutput = Omit<CodedChannel, 'weights'>;

/** How the sums of neighbouring channels become outputs. */
export interface RowStage {
  /** The first channel. */
  readonly first: number;
  readonly channels: number;
  /** The term of work of an output that the call computes, and its cycles without a measured cost. */
  readonly term: string;
  readonly cycles: number;
  /** Of each channel, if the routine computes the outputs rather than the call. */
  readonly outputs?: readonly RowOutput[];
  readonly call: Pick<KernelCall, 'flags' | 'words' | 'numbers' | 'tables'>;
}

/** What an instruction set adds. */
export interface RowKernel {
  readonly traits: VariantTraits;
  /** Output channels of a call, which has room for the sum of each. */
  readonly callChannels: number;
  /** Bytes of scratch for the sums of a call. Default: they lie on the stack. */
  sumBytes?(channels: number): number;
  /** Cycles of a call besides its routine and its outputs, if they count. */
  readonly callCycles?: number;
  /** Whether `code` can add up the products of these weights, of a call's channels. Default: always. */
  canCode?(rows: readonly Int8Array[]): boolean;
  /** The sums of the channels whose weights are given, one per input, or their outputs. */
  code(rows: readonly Int8Array[], outputs: readonly RowOutput[] | null): CodedRoutine;
  /**
   * The stages of all channels, in order, of at most `callChannels` each; null if the
   * requantization of a channel has no form.
   */
  stagesOf(
    view: NodeView<AccumulationAttrs>,
    layer: Convolution,
    context: MatchContext,
  ): readonly RowStage[] | null;
}

export function rowKernel(kernel: RowKernel): ConvolutionVariants {
  return (when, describe) => ({
    ...kernel.traits,
    match(view, context) {
      if (!when(view)) return null;
      const layer = describe(view);
      if (!isWholeImage(layer.shape)) return null;
      const rows = rowsOf(view, layer);
      const stages = rows === null ? null : kernel.stagesOf(view, layer, context);
      if (rows === null || stages === null) return null;
      const parts = stages.map(({ first, channels }) => rows.slice(first, first + channels));
      if (!parts.every((part) => kernel.canCode?.(part) ?? true)) return null;
      const routines = once(() =>
        parts.map((part, i) => kernel.code(part, stages[i]?.outputs ?? null)),
      );
      return {
        scratchBytes: Math.max(...stages.map(({ channels }) => kernel.sumBytes?.(channels) ?? 0)),
        overlaps: [],
        work: () => workOf(kernel, stages, routines()),
        calls: () => stages.map((stage, i) => callOf(kernel, stage, routines()[i])),
      };
    },
  });
}

function workOf(
  { callCycles }: RowKernel,
  stages: readonly RowStage[],
  routines: readonly CodedRoutine[],
): Readonly<Record<string, WorkTerm>> {
  const code = routines.reduce((sum, { cycles }) => sum + cycles, 0);
  const work = new Map<string, WorkTerm>([['code', { count: code, cycles: 1 }]]);
  if (callCycles !== undefined) work.set('calls', { count: stages.length, cycles: callCycles });
  for (const { term, cycles, channels, outputs } of stages) {
    if (outputs !== undefined) continue;
    work.set(term, { count: (work.get(term)?.count ?? 0) + channels, cycles });
  }
  return Object.fromEntries(work);
}

function callOf(
  { callChannels, sumBytes }: RowKernel,
  { first, channels, call }: RowStage,
  routine: CodedRoutine | undefined,
): KernelCall {
  if (routine === undefined) throw new RangeError('a stage has no routine');
  const flags = { ...call.flags, in_scratch: sumBytes !== undefined };
  const numbers = { ...call.numbers, channels, most_channels: callChannels };
  return {
    ...{ inputs: [0], outputs: [0], outputBytes: first },
    ...{ ...call, flags, numbers, routines: { routine } },
  };
}

/** Channels first … end − 1 in parts of at most `size`. */
export function partsOf(
  first: number,
  end: number,
  size: number,
): readonly { readonly first: number; readonly channels: number }[] {
  return Array.from({ length: Math.ceil((end - first) / size) }, (_, i) => {
    const begin = first + i * size;
    return { first: begin, channels: Math.min(size, end - begin) };
  });
}

/** Taps apart from each other reach beyond an image of as many pixels. */
function isWholeImage(shape: WindowShape): boolean {
  const { batches, inH, inW, outH, outW, kernelH, kernelW, padTop, padLeft } = shape;
  const isOnePixel = batches * outH * outW === 1 && padTop + padLeft === 0;
  const isDense = (kernel: number, dilation: number) => kernel === 1 || dilation === 1;
  const { dilationH, dilationW } = shape;
  return (
    isOnePixel &&
    kernelH === inH &&
    kernelW === inW &&
    isDense(kernelH, dilationH) &&
    isDense(kernelW, dilationW)
  );
}

/** Weights of each channel, one per value of the image; null if there are too many. */
function rowsOf(
  view: NodeView<AccumulationAttrs>,
  convolution: Convolution,
): readonly Int8Array[] | null {
  const { inH, inW, inC, outC } = convolution.shape;
  const depth = inH * inW * inC;
  if (outC * depth > maxWeights) return null;
  const weight = weightAt(view, convolution);
  const rows = Array.from({ length: outC }, (_, channel) =>
    Int8Array.from({ length: depth }, (_, tap) => weight(channel, tap)),
  );
  const nonzero = rows.reduce((sum, row) => sum + row.filter((value) => value !== 0).length, 0);
  return nonzero > mostNonzero ? null : rows;
}
