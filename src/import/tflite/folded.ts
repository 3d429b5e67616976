/** Operators whose results follow from a shape, which every tensor has: the importer computes them. */
import { elementCount, type Shape } from '../../ir/graph.js';

/** By name, the elements of the result from the shape of input 0. */
export const foldedOperators: ReadonlyMap<string, (shape: Shape) => readonly number[]> = new Map([
  ['SHAPE', (shape: Shape) => shape],
  ['RANK', (shape: Shape) => [shape.length]],
  // TFLM sets integers to 0, whatever their zero point.
  ['ZEROS_LIKE', (shape: Shape) => new Array<number>(elementCount(shape)).fill(0)],
]);
