/** Operators that move elements: runs of bytes in nested loops, whatever the elements' type. */
import { arenaTypes } from '../../ir/dtypes.js';
import {
  allocate,
  byteCount,
  type DType,
  dtypes,
  elementCount,
  type NodeView,
  rawBytes,
} from '../../ir/graph.js';
import type { Loop, Move, Moving } from '../../ops/shape/movement.js';
import { outputOf } from '../../ops/shape/operands.js';
import type { Kernel, KernelCall, KernelVariant } from '../variant.js';
import { gatherCall } from './gather.js';
import { coalesce, stepsWithWayBack } from './loops.js';

export function copyVariants<A extends object>({
  moves,
  movesInPlace,
}: Moving<A>): readonly KernelVariant<A>[] {
  return [
    {
      template: 'portable/copy',
      needs: [],
      types: arenaTypes,
      match: (view) => {
        const all = moves(view);
        if (all.some(hasPlaces)) return null;
        return {
          scratchBytes: 0,
          work: () => copyWork(view),
          calls: () => all.map((move) => (movesInPlace ? sameElements(view) : callOf(view, move))),
        };
      },
    },
    {
      template: 'portable/gather',
      needs: [],
      types: arenaTypes,
      match: (view) => {
        const all = moves(view);
        if (!all.some(hasPlaces)) return null;
        const calls = () => all.map((move) => gatherCall(inBytes(move, widthOf(view, move))));
        return { scratchBytes: 0, work: () => copyWork(view), calls };
      },
    },
  ];
}

/** Cortex-M0+: about 5 cycles per byte, for a short memcpy or a strided loop. */
function copyWork(view: NodeView<object>): ReturnType<Kernel['work']> {
  const bytes = view.outputs.reduce((sum, output) => sum + byteCount(output), 0);
  return { bytes: { count: bytes, cycles: 5 } };
}

const hasPlaces = ({ loops }: Move) => loops.some(({ places }) => places !== undefined);

function callOf(view: NodeView<object>, move: Move): KernelCall {
  // Constants begin anywhere, all other tensors at words of the arena.
  const isAligned = view.inputs[move.input]?.data === null;
  const { dtype } = outputOf(view, move.output);
  const fill = move.fill === undefined ? null : fillOf(dtype, move.fill);
  return copyCall(
    inBytes(move, dtypes[dtype].bytes),
    fill,
    elementCount(outputOf(view).shape),
    isAligned,
  );
}

function sameElements(view: NodeView<object>): KernelCall {
  const numbers = { count: byteCount(outputOf(view)) };
  return {
    ...{ inputs: [0], outputs: [0], bytes: true },
    ...{ flags: { in_place: true }, numbers, tables: {} },
  };
}

/** Bytes of an element. */
function widthOf(view: NodeView<object>, { output }: Move): number {
  return dtypes[outputOf(view, output).dtype].bytes;
}

/** The move of elements of `width` bytes as a move of bytes. */
function inBytes(move: Move, width: number): Move {
  if (width === 1) return move;
  return {
    ...move,
    inOffset: width * move.inOffset,
    outOffset: width * move.outOffset,
    loops: [
      ...move.loops.map(({ extent, inStride, outStride, places }) => ({
        ...{ extent, inStride: width * inStride, outStride: width * outStride },
        ...(places === undefined ? {} : { places: places.map((place) => width * place) }),
      })),
      { extent: width, inStride: 1, outStride: 1 },
    ],
  };
}

/** What fills the elements that no run reaches. */
interface Fill {
  /** The bits of an element as a signed integer of its width. */
  readonly value: number;
  /** The integer's type; null if all its bytes are equal, so that memset fills. */
  readonly element: DType | null;
  /** Bytes of an element. */
  readonly width: number;
}

function fillOf(dtype: DType, value: number): Fill {
  const element = allocate(dtype, 1).fill(value as never);
  const bytes = rawBytes(element);
  const width = bytes.length;
  if (bytes.every((byte) => byte === bytes[0]))
    return { value: width === 1 ? value : (bytes[0] as number), element: null, width };
  const words = width === 2 ? new Int16Array(element.buffer) : new Int32Array(element.buffer);
  return { value: words[0] as number, element: width === 2 ? 'int16' : 'int32', width };
}

/** Bytes that one load and one store may copy. */
const units = { words: 4, halves: 2 } as const;

/**
 * The bytes that are copied at once: the most of which every run begins and ends at a multiple.
 *
 * @param move  in bytes
 * @param loops of `move`, coalesced
 * @param isAligned whether both tensors begin at a word
 */
function unitOf({ inOffset, outOffset }: Move, loops: readonly Loop[], isAligned: boolean): number {
  const innermost = loops.at(-1);
  if (!isAligned || innermost?.inStride !== 1 || innermost.outStride !== 1) return 1;
  const steps = loops.slice(0, -1).flatMap(({ inStride, outStride }) => [inStride, outStride]);
  const all = [inOffset, outOffset, innermost.extent, ...steps];
  return Object.values(units).find((unit) => all.every((bytes) => bytes % unit === 0)) ?? 1;
}

/** The loops over units, all of whose strides are counted in units. */
function inUnits(loops: readonly Loop[], unit: number): readonly Loop[] {
  return loops.map((loop, i) =>
    i === loops.length - 1
      ? { ...loop, extent: loop.extent / unit }
      : { ...loop, inStride: loop.inStride / unit, outStride: loop.outStride / unit },
  );
}

/** Loop counters around a run in all but deep nests. */
const shallow = 6;
/** Runs of at least this many units use memcpy, and so do shorter ones that no group divides. */
const leastRun = 16;
const leastUndivided = 6;
/** Groups of neighbouring units that are copied without a loop, and their sizes. */
const groups = { quads: 4, triples: 3, pairs: 2 } as const;

interface Nest {
  /** Neighbours copied at once. */
  readonly width: number;
  readonly contiguous: boolean;
  /** The innermost loop of portable/copy. */
  readonly run: Loop;
  /** The other loops, innermost first. */
  readonly outer: readonly Loop[];
}

/**
 * Without memcpy the longest loop is the run, since starting a run costs as much as a few elements.
 */
function nestOf(loops: readonly Loop[]): Nest {
  const innermost = loops.at(-1);
  const isContiguous = innermost?.inStride === 1 && innermost.outStride === 1;
  const neighbours = isContiguous ? innermost.extent : 1;
  const width = Object.values(groups).find((size) => neighbours % size === 0) ?? 1;
  if (isContiguous && neighbours >= (width === 1 ? leastUndivided : leastRun)) {
    const outer = loops.slice(0, -1).reverse();
    return { width: neighbours, contiguous: true, run: innermost, outer };
  }
  const cut = { extent: neighbours / width, inStride: width, outStride: width };
  const rest = width === 1 ? loops : coalesce([...loops.slice(0, -1), cut]);
  const [longest] = [...rest].reverse().sort((a, b) => b.extent - a.extent);
  const run = longest ?? { extent: 1, inStride: 1, outStride: 1 };
  const outer = rest.filter((loop) => loop !== longest).reverse();
  return { width, contiguous: false, run, outer };
}

/** The names of the sizes, and whether each is the given one. */
function flagsOf(sizes: Readonly<Record<string, number>>, given: number) {
  return Object.fromEntries(Object.entries(sizes).map(([name, size]) => [name, size === given]));
}

/** portable/copy: one loop is the run, the others are steps between runs. */
function copyCall(move: Move, fill: Fill | null, elements: number, isAligned: boolean): KernelCall {
  const loops = coalesce(move.loops);
  const unit = unitOf(move, loops, isAligned);
  const { width, contiguous, run, outer } = nestOf(coalesce(inUnits(loops, unit)));
  const nested = outer.length > 1;
  const deep = outer.length > shallow;
  const step = outer[0] ?? { inStride: 0, outStride: 0 };
  const table = (numbers: readonly number[]) =>
    ({ data: Int32Array.from(numbers), role: 'table' }) as const;
  const bytes = (count: readonly number[]) => count.map((n) => n * unit);
  return {
    inputs: [move.input],
    outputs: [move.output],
    bytes: true,
    ...(fill?.element == null ? {} : { types: { element: fill.element } }),
    flags: {
      ...{ in_place: false, contiguous, nested, deep, fill: fill !== null },
      ...{ fill_elements: fill?.element != null },
      ...flagsOf(units, contiguous ? 0 : unit),
      ...flagsOf(groups, contiguous ? 0 : width),
    },
    words: {
      ...{ group: `${width}`, depths: `${deep ? 16 : shallow}` },
      others: Array.from({ length: width - 1 }, (_, i) => `${unit * (i + 1)}`),
    },
    numbers: {
      in_offset: move.inOffset,
      out_offset: move.outOffset,
      runs: outer.reduce((product, { extent }) => product * extent, 1),
      count: contiguous ? run.extent * unit : run.extent,
      ...(contiguous ? {} : { in_stride: run.inStride * unit, out_stride: run.outStride * unit }),
      ...(nested ? {} : { in_step: step.inStride * unit, out_step: step.outStride * unit }),
      ...(fill === null
        ? {}
        : {
            fill_value: fill.value,
            fill_count: fill.element === null ? elements * fill.width : elements,
          }),
    },
    tables: nested
      ? {
          // The outermost dimension never restarts: the number of runs ends it.
          extents: table(
            outer.map(({ extent }, d) => (d === outer.length - 1 ? 2 ** 31 - 1 : extent)),
          ),
          in_steps: table(bytes(stepsWithWayBack(outer, 'inStride'))),
          out_steps: table(bytes(stepsWithWayBack(outer, 'outStride'))),
        }
      : {},
  };
}
