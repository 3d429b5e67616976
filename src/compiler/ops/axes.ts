/** What follows from the axes that operators state, and from the moves of those that move elements. */
import { BonsaiError } from '../../errors.js';
import { elementCount, type NodeView, type Tensor } from '../ir/graph.js';
import { type Axis, type AxisWindow, computedTypes } from '../ir/op.js';
import type { AccumulationAttrs } from './arithmetic/accumulation.js';
import { channelCount } from './arithmetic/bounds.js';
import { isMoving, opOf } from './index.js';
import type { Loop, Move, Moving } from './shape/movement.js';
import { inputOf, outputOf } from './shape/operands.js';

/** The axes that a node's operator states. */
export function axesOf(view: NodeView): readonly Axis[] {
  return opOf(view.node).axes?.(view) ?? [];
}

/**
 * Whether each element of the output depends on the operands' elements at its place alone, by the
 * same function everywhere.
 */
export function isPointwise(view: NodeView): boolean {
  const axes = opOf(view.node).axes?.(view);
  const rank = view.outputs[0]?.shape.length ?? 0;
  const isInPlace = ({ inputs, output, window }: Axis) =>
    output !== null &&
    window === undefined &&
    inputs.every((d, i) => d === null || d - (view.inputs[i]?.shape.length ?? 0) === output - rank);
  return axes?.length === rank && axes.every(isInPlace);
}

/** Whether the operator infers the shapes that the view's outputs have. */
export function infersShapes(view: NodeView): boolean {
  try {
    const shapes = opOf(view.node).infer(view);
    return view.outputs.every(({ shape }, i) => String(shapes[i]) === String(shape));
  } catch (error) {
    if (error instanceof BonsaiError) return false;
    throw error;
  }
}

/**
 * How the channels (last axis) of a node's operands and outputs depend on each other, so that
 * passes can remove or reorder some of them. Operands and outputs that are not mentioned keep all
 * channels.
 */
export type ChannelFlow =
  | {
      /**
       * An output channel depends on the tied input channels alone: they are kept or removed
       * together.
       */
      readonly kind: 'tied';
      readonly ties: readonly ChannelTie[];
    }
  | {
      /**
       * Every output channel sums over all input channels. Input 1 is the weights,
       * [outputs][taps][channels]; input 2 is the bias, [outputs].
       */
      readonly kind: 'mixed';
      /** For each tap, whether it lies in the padding at some output position. */
      readonly padded: readonly boolean[];
    };

/** Channel c of an operand, computed or constant, feeds `repeat` channels of output 0. */
export interface ChannelTie {
  readonly input: number;
  /** They start at first + c · repeat. */
  readonly first: number;
  readonly repeat: number;
}

/** The channels of an int8 node; null where all are kept. */
export function channelFlow(view: NodeView): ChannelFlow | null {
  if (computedTypes(view).some((type) => type !== 'int8')) return null;
  const { upwardChannels } = view.node.attrs as Partial<AccumulationAttrs>;
  if (upwardChannels !== undefined) return null;
  if (isMoving(view.node)) return movedChannels(view);
  const axes = axesOf(view);
  const last = outputOf(view).shape.length - 1;
  const own = axes.find(({ output }) => output === last);
  if (own === undefined || (own.groups ?? 1) > 1) return null;
  if (own.inputs[0] === null && opOf(view.node).filters !== undefined) {
    return mixedChannels(view, axes);
  }
  const ties = own.inputs.flatMap((dimension, input) => {
    const tensor = view.inputs[input] ?? null;
    if (dimension === null || tensor === null) return [];
    const repeat = input === 0 ? (own.repeat ?? 1) : 1;
    return dimension === tensor.shape.length - 1 ? [{ input, first: 0, repeat }] : [null];
  });
  const isTied = ties.every((tie) => tie !== null);
  return isTied && ties.length > 0 ? { kind: 'tied', ties } : null;
}

/** Of a layer whose filters sum over all channels. A row of weights is a sequence of taps. */
function mixedChannels(view: NodeView, axes: readonly Axis[]): ChannelFlow | null {
  const [input, ...others] = view.inputs;
  if (input == null || others.some((tensor) => tensor?.data === null)) return null;
  const [, ...row] = inputOf(view, 1).shape;
  const windows = axes.filter(({ window }) => window !== undefined);
  const kernels = windows.map(({ window }) => window?.kernel ?? 1);
  const taps = elementCount(row) / channelCount(input) / elementCount(kernels);
  if (!Number.isInteger(taps)) return null;
  const padded = windows.reduce(
    (outer, axis) => outer.flatMap((is) => paddedTaps(view, axis).map((own) => is || own)),
    new Array<boolean>(taps).fill(false),
  );
  return { kind: 'mixed', padded };
}

/** For each tap along an axis, whether it lies in the padding at some position of the output. */
function paddedTaps(view: NodeView, { inputs: [from], output, window }: Axis): readonly boolean[] {
  const { kernel, stride, dilation, before } = window as AxisWindow;
  const extent = inputOf(view, 0).shape[from ?? 0] as number;
  const end = (outputOf(view).shape[output ?? 0] as number) - 1;
  return Array.from({ length: kernel }, (_, tap) => {
    const first = tap * dilation - before;
    return first < 0 || first + end * stride >= extent;
  });
}

/** Of an operator that moves elements: where each channel becomes one of the output, in its order. */
function movedChannels(view: NodeView): ChannelFlow | null {
  const output = outputOf(view);
  if (view.outputs.length > 1) return null;
  const ties = new Map<number, ChannelTie>();
  for (const move of (opOf(view.node) as Moving).moves(view)) {
    const { input } = move;
    const first = firstChannel(move, channelCount(inputOf(view, input)), channelCount(output));
    if (first === null || (ties.get(input)?.first ?? first) !== first) return null;
    ties.set(input, { input, first, repeat: 1 });
  }
  // An attribute may name an extent, which would stay.
  const one = (tensor: Tensor, channels: number) => ({
    ...tensor,
    shape: [...tensor.shape.slice(0, -1), channels],
  });
  const count = new Set([...ties.values()].map(({ first }) => first)).size;
  const inputs = view.inputs.map((tensor, i) => (tensor && ties.has(i) ? one(tensor, 1) : tensor));
  const short = { ...view, inputs, outputs: [one(output, count)] };
  return infersShapes(short) ? { kind: 'tied', ties: [...ties.values()] } : null;
}

/** The channel of `to` that channel 0 of `from` becomes if all follow it in order, else null. */
function firstChannel({ inOffset, outOffset, loops }: Move, from: number, to: number) {
  const moving = loops.filter(({ extent }) => extent > 1);
  const first = outOffset % to;
  const isWhole = ({ inStride, outStride, places = [inStride] }: Loop) =>
    outStride % to === 0 && places.every((place) => place % from === 0);
  if (from !== to) {
    const [own, ...others] = moving.filter((loop) => !isWhole(loop));
    const { extent, inStride, outStride } = own ?? { extent: 1, inStride: 1, outStride: 1 };
    // Without `fits`, channels would become those of the next pixel.
    const fits = first + from <= to;
    const isRun = fits && extent === from && inStride === 1 && outStride === 1;
    return isRun && others.length === 0 && inOffset % from === 0 ? first : null;
  }
  const keeps = ({ inStride, outStride, places }: Loop) =>
    places?.every((place, i) => (place - i * outStride) % to === 0) ??
    (inStride - outStride) % to === 0;
  return (inOffset - outOffset) % to === 0 && moving.every(keeps) ? 0 : null;
}
