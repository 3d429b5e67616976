/** Shared by space_to_batch_nd and batch_to_space_nd: pixels of a block and their place among batches. */
import { BonsaiError } from '../../../errors.js';
import { at, elementCount, type NodeView, type Shape } from '../../ir/graph.js';
import { type Loop, type Move, rowMajorStrides } from './movement.js';

/** Dimension 0 counts batches; the `block.length` dimensions after it are space. */
export interface SpaceOfBatches {
  /** The tensor with more batches and less space. */
  readonly batches: Shape;
  /** The tensor with fewer batches and more space. */
  readonly space: Shape;
  /** Extents of a block of space. */
  readonly block: readonly number[];
  /** Elements of the blocks before and after `space`, along each dimension, flat. */
  readonly pads: readonly number[];
}

/** One loop, with its strides in both tensors. */
interface PairedLoop {
  readonly extent: number;
  readonly inBatches: number;
  readonly inSpace: number;
}

/** The elements at one place in all blocks. */
interface Part {
  readonly batchesOffset: number;
  readonly spaceOffset: number;
  readonly loops: readonly PairedLoop[];
}

/** The parts of both tensors that correspond: one for each place in a block. */
function partsOf({ batches, space, block, pads }: SpaceOfBatches): readonly Part[] {
  const [batchStride = 1, ...batchStrides] = rowMajorStrides(batches);
  const [spaceStride = 1, ...spaceStrides] = rowMajorStrides(space);
  const count = space[0] as number;
  return Array.from({ length: elementCount(block) }, (_, place): Part => {
    let batchesOffset = place * count * batchStride;
    let spaceOffset = 0;
    let left = place;
    const loops = [...block.entries()].reverse().map(([d, size]): PairedLoop => {
      const within = left % size;
      left = Math.floor(left / size);
      const shift = within - (pads[2 * d] as number);
      // The blocks whose element `within` lies inside: 0 ≤ i · size + shift < extent.
      const first = Math.max(0, Math.ceil(-shift / size));
      const end = Math.min(
        batches[d + 1] as number,
        Math.ceil(((space[d + 1] as number) - shift) / size),
      );
      const [inBatches, inSpace] = [batchStrides[d] as number, spaceStrides[d] as number];
      batchesOffset += first * inBatches;
      spaceOffset += (first * size + shift) * inSpace;
      return { extent: Math.max(0, end - first), inBatches, inSpace: size * inSpace };
    });
    const rest = elementCount(space.slice(block.length + 1));
    const all = [
      { extent: count, inBatches: batchStride, inSpace: spaceStride },
      ...loops.reverse(),
      { extent: rest, inBatches: 1, inSpace: 1 },
    ];
    return { batchesOffset, spaceOffset, loops: all };
  }).filter(({ loops }) => loops.every(({ extent }) => extent > 0));
}

/** @param fill the value of elements of `batches` outside of `space` */
export function toBatches(shapes: SpaceOfBatches, fill: number): readonly Move[] {
  const padded = shapes.pads.some((amount) => amount > 0);
  return partsOf(shapes).map((part, i) => ({
    ...{ input: 0, output: 0, inOffset: part.spaceOffset, outOffset: part.batchesOffset },
    loops: part.loops.map(
      ({ extent, inBatches, inSpace }): Loop => ({
        extent,
        inStride: inSpace,
        outStride: inBatches,
      }),
    ),
    // Filled before the first part.
    ...(padded && i === 0 ? { fill } : {}),
  }));
}

export function toSpace(shapes: SpaceOfBatches): readonly Move[] {
  return partsOf(shapes).map((part) => ({
    ...{ input: 0, output: 0, inOffset: part.batchesOffset, outOffset: part.spaceOffset },
    loops: part.loops.map(
      ({ extent, inBatches, inSpace }): Loop => ({
        extent,
        inStride: inBatches,
        outStride: inSpace,
      }),
    ),
  }));
}

export function badBlocks(view: NodeView<object>, message: string): BonsaiError {
  return new BonsaiError('bad-shape', at(view.node), message, 'convert the model again');
}
