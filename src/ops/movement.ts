/**
 * Operators that move elements and compute nothing. Each says, for every pair of input and output,
 * which elements go where as a nest of loops; evaluation and kernel follow from that.
 */
import {
  type Attrs,
  allocate,
  elementCount,
  type NodeView,
  type Shape,
  type TensorData,
} from '../ir/graph.js';
import type { ChannelFlow, KernelCall, OpDef } from '../ir/op.js';
import { channelCount, elementBounds } from './bounds.js';
import { outputOf, requireInt8 } from './operands.js';

/** One loop: `extent` steps of so many elements in the input and in the output. */
export interface Loop {
  readonly extent: number;
  readonly inStride: number;
  readonly outStride: number;
}

/**
 * out[outOffset + Σ i·outStride] = in[inOffset + Σ i·inStride] for all indices i of the loops, the
 * outermost loop first. At most 6 loops.
 */
export interface Move {
  /** Positions of the node's input and output. */
  readonly input: number;
  readonly output: number;
  readonly inOffset: number;
  readonly outOffset: number;
  readonly loops: readonly Loop[];
  /** Value of the output's elements that no loop reaches; without it the moves reach all. */
  readonly fill?: number;
}

export interface Movement<A extends object> {
  readonly name: string;
  infer(view: NodeView<A>): readonly Shape[];
  /** What `check` asks besides int8 operands. */
  check?(view: NodeView<A>): void;
  moves(view: NodeView<A>): readonly Move[];
  /** Left out: all channels stay. */
  channels?(view: NodeView<A>): ChannelFlow | null;
  /** The output may be the input's own memory: every element stays where it is. */
  readonly inPlace?: boolean;
}

export function movement<A extends object = Attrs>(operator: Movement<A>): OpDef<A> {
  const { name, infer, moves, inPlace = false } = operator;
  const evaluate = (view: NodeView<A>, inputs: readonly (TensorData | null)[]) => {
    const outputs = view.outputs.map(({ shape }) => allocate('int8', elementCount(shape)));
    for (const move of moves(view)) {
      apply(move, inputs[move.input] as TensorData, outputs[move.output] as TensorData);
    }
    return outputs;
  };
  return {
    name,
    infer,
    check(view) {
      requireInt8(view);
      operator.check?.(view);
    },
    evaluate,
    macs: () => 0,
    /** The bounds move as the elements do. */
    range(view, inputs) {
      const moved = (['min', 'max'] as const).map((end) =>
        evaluate(
          view,
          view.inputs.map((tensor, position) => {
            const ends = inputs[position]?.[end] ?? [];
            const count = elementCount(tensor?.shape ?? []);
            return Int8Array.from({ length: count }, (_, i) => ends[i % ends.length] as number);
          }),
        ),
      );
      return view.outputs.map((output, position) => {
        const [low, high] = moved.map((outputs) => outputs[position] as Int8Array);
        return elementBounds(channelCount(output), low as Int8Array, high);
      });
    },
    channels: (view) => operator.channels?.(view) ?? null,
    inPlace: () => (inPlace ? [0] : []),
    variants: [
      {
        template: 'portable/copy',
        needs: [],
        support: [],
        when: () => true,
        scratch: () => 0,
        // Cortex-M0+: about 5 cycles a byte of a short memcpy or of a strided loop.
        work(view) {
          const bytes = view.outputs.reduce((sum, { shape }) => sum + elementCount(shape), 0);
          return { bytes: { count: bytes, cycles: 5 } };
        },
        lower: (view) =>
          moves(view).map((move) =>
            inPlace ? sameElements(view) : copyCall(move, elementCount(outputOf(view).shape)),
          ),
      },
    ],
  };
}

/** Elements between neighbours along each dimension of a row-major tensor. */
export function rowMajorStrides(shape: Shape): readonly number[] {
  return shape.map((_, d) => elementCount(shape.slice(d + 1)));
}

function apply({ loops, inOffset, outOffset, fill }: Move, from: TensorData, to: TensorData): void {
  if (fill !== undefined) to.fill(fill as never);
  const nest = (depth: number, source: number, target: number): void => {
    const loop = loops[depth];
    if (loop === undefined) {
      to[target] = from[source] as never;
      return;
    }
    for (let i = 0; i < loop.extent; i++) {
      nest(depth + 1, source + i * loop.inStride, target + i * loop.outStride);
    }
  };
  nest(0, inOffset, outOffset);
}

/** Loops that say the same with as few as possible: none of extent 1, neighbours joined. */
export function coalesce(loops: readonly Loop[]): readonly Loop[] {
  const joined: Loop[] = [];
  for (const loop of loops) {
    if (loop.extent === 1) continue;
    const outer = joined.at(-1);
    if (
      outer !== undefined &&
      outer.inStride === loop.extent * loop.inStride &&
      outer.outStride === loop.extent * loop.outStride
    ) {
      joined[joined.length - 1] = { ...loop, extent: outer.extent * loop.extent };
    } else {
      joined.push(loop);
    }
  }
  return joined;
}

function sameElements(view: NodeView<object>): KernelCall {
  const numbers = { count: elementCount(outputOf(view).shape) };
  return { inputs: [0], outputs: [0], flags: { in_place: true }, numbers, tables: {} };
}

/** Fewer neighbours take longer to copy by a call of memcpy than one by one. */
const leastRun = 6;

/**
 * The loop that portable/copy makes its innermost one: the last, which fills neighbouring elements of
 * the output, or where that has few the longest.
 */
function runOf(loops: readonly Loop[]): Loop {
  const innermost = loops.at(-1);
  const [longest] = [...loops].reverse().sort((a, b) => b.extent - a.extent);
  if (innermost === undefined || longest === undefined) {
    return { extent: 1, inStride: 1, outStride: 1 };
  }
  const isLong = innermost.inStride !== 1 || innermost.extent >= leastRun;
  return innermost.outStride === 1 && isLong ? innermost : longest;
}

/** portable/copy: one loop is a run, the others are steps between runs. */
function copyCall(move: Move, fillCount: number): KernelCall {
  const loops = coalesce(move.loops);
  const run = runOf(loops);
  const scattered = run.outStride !== 1;
  const contiguous = run.inStride === 1 && !scattered;
  const outer = loops.filter((loop) => loop !== run).reverse();
  const nested = outer.length > 1;
  const step = outer[0] ?? { inStride: 0, outStride: 0 };
  const table = (numbers: readonly number[]) =>
    ({ data: Int32Array.from(numbers), role: 'table' }) as const;
  return {
    inputs: [move.input],
    outputs: [move.output],
    flags: { in_place: false, contiguous, scattered, nested, fill: move.fill !== undefined },
    numbers: {
      in_offset: move.inOffset,
      out_offset: move.outOffset,
      runs: outer.reduce((product, { extent }) => product * extent, 1),
      count: run.extent,
      ...(contiguous ? {} : { in_stride: run.inStride }),
      ...(scattered ? { out_stride: run.outStride } : {}),
      ...(nested ? {} : { in_step: step.inStride, out_step: step.outStride }),
      ...(move.fill === undefined ? {} : { fill_value: move.fill, fill_count: fillCount }),
    },
    tables: nested
      ? {
          // The outermost dimension never starts again: the number of runs ends it.
          extents: table(
            outer.map(({ extent }, d) => (d === outer.length - 1 ? 2 ** 31 - 1 : extent)),
          ),
          in_steps: table(stepsWithWayBack(outer, 'inStride')),
          out_steps: table(stepsWithWayBack(outer, 'outStride')),
        }
      : {},
  };
}

/** A dimension's stride less what the dimensions below it have gone, innermost first. */
function stepsWithWayBack(
  loops: readonly Loop[],
  stride: 'inStride' | 'outStride',
): readonly number[] {
  let gone = 0;
  return loops.map((loop) => {
    const step = loop[stride] - gone;
    gone += (loop.extent - 1) * loop[stride];
    return step;
  });
}
