/**
 * Operators that move elements without computing. Each describes its moves as loop nests, for each
 * pair of input and output; the evaluation and the kernel follow from these.
 */
import { arenaTypes } from '../../ir/dtypes.js';
import {
  type Attrs,
  allocate,
  elementCount,
  type NodeView,
  type Shape,
  type TensorData,
} from '../../ir/graph.js';
import type { ChannelBounds, OpDef } from '../../ir/op.js';
import {
  channelCount,
  elementBounds,
  hullOf,
  type Range,
  sameBounds,
} from '../arithmetic/bounds.js';
import { requireOneType } from './operands.js';

/** One loop of `extent` iterations, with its strides in elements of input and output. */
export interface Loop {
  readonly extent: number;
  readonly inStride: number;
  readonly outStride: number;
  /** Where the iterations read, in elements, if not at multiples of `inStride`, which is then 0. */
  readonly places?: readonly number[];
}

/**
 * out[outOffset + Σ i·outStride] = in[inOffset + Σ i·inStride] for all indices i of the loops, the
 * outermost loop first; places[i] replaces i·inStride. A move with places writes all elements of
 * its output in order. At most 16 loops.
 */
export interface Move {
  /** Positions of the node's input and output. */
  readonly input: number;
  readonly output: number;
  readonly inOffset: number;
  readonly outOffset: number;
  readonly loops: readonly Loop[];
  /** The value of output elements that no loop reaches; absent if the moves reach all. */
  readonly fill?: number;
}

export interface Movement<A extends object> {
  readonly name: string;
  infer(view: NodeView<A>): readonly Shape[];
  /** Positions of the inputs that move, all by default; the others hold indices. */
  readonly operands?: readonly number[];
  /** Checks besides that of the operands' one type. */
  check?(view: NodeView<A>): void;
  moves(view: NodeView<A>): readonly Move[];
  /** Whether every element keeps its offset, so that the output may use the input's memory. */
  readonly inPlace?: boolean;
}

/** An operator whose kernel is a list of copies. `movesInPlace`: see Movement.inPlace. */
export interface Moving<A extends object = Attrs> extends OpDef<A> {
  moves(view: NodeView<A>): readonly Move[];
  readonly movesInPlace: boolean;
}

export function movement<A extends object = Attrs>(operator: Movement<A>): Moving<A> {
  const { name, infer, moves, inPlace = false } = operator;
  const evaluate = (view: NodeView<A>, inputs: readonly (TensorData | null)[]) => {
    const outputs = view.outputs.map(({ shape, dtype }) => allocate(dtype, elementCount(shape)));
    for (const move of moves(view)) {
      const from = inputs[move.input] as TensorData;
      apply(move, (source) => from[source], outputs[move.output] as TensorData);
    }
    return outputs;
  };
  return {
    name,
    types: arenaTypes,
    infer,
    check(view) {
      const { operands } = operator;
      const inputs = view.inputs.filter((_, position) => operands?.includes(position) ?? true);
      requireOneType({ ...view, inputs }, arenaTypes);
      operator.check?.(view);
    },
    evaluate,
    macs: () => 0,
    /** The bounds move with the elements. */
    range(view, inputs) {
      const all = moves(view);
      if (movedCount(all) > mostTraced) {
        const whole = hullOfMoves(all, inputs);
        return view.outputs.map((output) => sameBounds(output, whole));
      }
      return view.outputs.map((output, position) => {
        const [low, high] = (['min', 'max'] as const).map((end) => {
          const to = new Int32Array(elementCount(output.shape));
          for (const move of all.filter((one) => one.output === position)) {
            const ends = inputs[move.input]?.[end] ?? [];
            // Of an input the elements that move alone: a file may state a far larger one.
            apply(move, (source) => ends[source % ends.length] as number, to);
          }
          return to;
        });
        return elementBounds(channelCount(output), low as Int32Array, high);
      });
    },
    inPlace: () => (inPlace ? [0] : []),
    moves,
    movesInPlace: inPlace,
  };
}

/** More elements than any board has memory for: to follow each takes seconds. */
const mostTraced = 2 ** 20;

function movedCount(moves: readonly Move[]): number {
  const counts = moves.map(({ loops }) => elementCount(loops.map(({ extent }) => extent)));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** The range of all that moves, and of what fills the rest. */
function hullOfMoves(moves: readonly Move[], inputs: readonly (ChannelBounds | null)[]): Range {
  const ranges = moves.flatMap(({ input, fill }): Range[] => {
    const bounds = inputs[input] ?? null;
    return [
      ...(bounds === null ? [] : [hullOf(bounds)]),
      ...(fill === undefined ? [] : [[fill, fill] as const]),
    ];
  });
  return [Math.min(...ranges.map(([low]) => low)), Math.max(...ranges.map(([, high]) => high))];
}

/** Strides of a row-major tensor, in elements. */
export function rowMajorStrides(shape: Shape): readonly number[] {
  return shape.map((_, d) => elementCount(shape.slice(d + 1)));
}

/**
 * The move that takes, along each dimension of the input, the given indices in their order; the
 * output has as many elements along it.
 *
 * @param indices for each dimension; null takes all
 */
export function selection(
  input: Shape,
  indices: readonly (readonly number[] | null)[],
): Omit<Move, 'input' | 'output'> {
  const inStrides = rowMajorStrides(input);
  const outStrides = rowMajorStrides(input.map((extent, d) => indices[d]?.length ?? extent));
  let inOffset = 0;
  const loops = input.map((all, d): Loop => {
    const [stride, outStride] = [inStrides[d] as number, outStrides[d] as number];
    const taken = indices[d];
    if (taken == null) return { extent: all, inStride: stride, outStride };
    const [first = 0, second = first] = taken;
    const [extent, step] = [taken.length, second - first];
    if (taken.every((index, i) => index === first + i * step)) {
      inOffset += first * stride;
      return { extent, inStride: step * stride, outStride };
    }
    return { extent, inStride: 0, outStride, places: taken.map((index) => index * stride) };
  });
  return { inOffset, outOffset: 0, loops };
}

/** The move that takes runs of `run` elements from the given places, in order. */
export function runsAt(places: readonly number[], run: number): Omit<Move, 'input' | 'output'> {
  const neighbours: Loop = { extent: run, inStride: 1, outStride: 1 };
  const [first = 0, ...others] = places;
  if (others.length === 0) return { inOffset: first, outOffset: 0, loops: [neighbours] };
  const listed: Loop = { extent: places.length, inStride: 0, outStride: run, places };
  return { inOffset: 0, outOffset: 0, loops: [listed, neighbours] };
}

function apply(
  move: Move,
  from: (source: number) => TensorData[number] | undefined,
  to: TensorData,
): void {
  if (move.fill !== undefined) to.fill(move.fill as never);
  eachElement(move, (source, target) => {
    to[target] = from(source) as never;
  });
}

/** Visits the indices of each element that moves, in input and output. */
export function eachElement(
  { loops, inOffset, outOffset }: Move,
  visit: (source: number, target: number) => void,
): void {
  const nest = (depth: number, source: number, target: number): void => {
    const loop = loops[depth];
    if (loop === undefined) {
      visit(source, target);
      return;
    }
    for (let i = 0; i < loop.extent; i++) {
      const place = loop.places?.[i] ?? i * loop.inStride;
      nest(depth + 1, source + place, target + i * loop.outStride);
    }
  };
  nest(0, inOffset, outOffset);
}
