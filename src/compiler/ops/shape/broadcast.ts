/** Broadcasting of two operands: dimensions of extent 1 repeat, as in NumPy. */
import { BonsaiError } from '../../../errors.js';
import { at, elementCount, type NodeView, type Shape } from '../../ir/graph.js';
import { inputOf, outputOf } from './operands.js';

/** The highest rank of TFLite's kernels; the C kernels have as many loop counters. */
const maximumRank = 6;

/** The output's shape. @throws BonsaiError 'bad-shape' when the shapes do not broadcast */
export function broadcastShape(view: NodeView<object>): Shape {
  return broadcastShapes(inputOf(view, 0).shape, inputOf(view, 1).shape, at(view.node));
}

/** @throws BonsaiError 'bad-shape' when the shapes do not broadcast */
export function broadcastShapes(a: Shape, b: Shape, where: string): Shape {
  const rank = Math.max(a.length, b.length);
  const extent = (shape: Shape, i: number) => shape[i - rank + shape.length] ?? 1;
  return Array.from({ length: rank }, (_, i) => {
    const x = extent(a, i);
    const y = extent(b, i);
    if (x === y || y === 1) return x;
    if (x === 1) return y;
    throw new BonsaiError(
      'bad-shape',
      where,
      `shapes [${a}] and [${b}] do not broadcast`,
      'extents must be equal or 1',
    );
  });
}

/** @throws BonsaiError 'unsupported-attribute' when there are too many dimensions */
export function requireRank(view: NodeView<object>): void {
  const { length } = outputOf(view).shape;
  if (length <= maximumRank) return;
  throw new BonsaiError(
    'unsupported-attribute',
    at(view.node),
    `has ${length} dimensions`,
    `reshape its operands to at most ${maximumRank}`,
  );
}

/** Stride in elements of `input` along each dimension of `output`; 0 where `input` repeats. */
function stridesOf(input: Shape, output: Shape): readonly number[] {
  let stride = 1;
  const strides = new Array<number>(output.length).fill(0);
  for (let i = 1; i <= input.length; i++) {
    const extent = input[input.length - i] as number;
    if (extent !== 1) strides[output.length - i] = stride;
    stride *= extent;
  }
  return strides;
}

/** For every element of the output, the index of the operand's element. */
export function sourceIndices(input: Shape, output: Shape): Int32Array {
  const strides = stridesOf(input, output);
  let indices = Int32Array.of(0);
  output.forEach((extent, dimension) => {
    const stride = strides[dimension] as number;
    const outer = indices;
    indices = new Int32Array(outer.length * extent);
    for (let i = 0; i < indices.length; i++) {
      indices[i] = (outer[Math.floor(i / extent)] as number) + (i % extent) * stride;
    }
  });
  return indices;
}

/**
 * The order in which a kernel walks both operands. It computes runs of `runLength` outputs, in
 * which an operand's pointer moves by its step (0 or 1) for each output. Between runs an odometer
 * of `extents`, innermost first, counts. When its dimension d advances, the pointers move by
 * aTurns[d] and bTurns[d], which also undo the movement of the dimensions inside d.
 */
export interface Walk {
  readonly runs: number;
  readonly runLength: number;
  readonly aStep: number;
  readonly bStep: number;
  readonly extents: readonly number[];
  readonly aTurns: readonly number[];
  readonly bTurns: readonly number[];
}

/** The same for any number of operands: `steps` and `turns` have an entry for each. */
export interface OperandsWalk extends Pick<Walk, 'runs' | 'runLength' | 'extents'> {
  readonly steps: readonly number[];
  readonly turns: readonly (readonly number[])[];
}

interface Dimension {
  extent: number;
  /** Of each operand. */
  readonly strides: readonly number[];
}

export function broadcastWalk(view: NodeView<object>): Walk {
  const { steps, turns, ...walk } = operandsWalk(view);
  const [aStep = 0, bStep = 0] = steps;
  const [aTurns = [], bTurns = []] = turns;
  return { ...walk, aStep, bStep, aTurns, bTurns };
}

/** Of all inputs of a node. */
export function operandsWalk(view: NodeView<object>): OperandsWalk {
  const output = outputOf(view).shape;
  const all = view.inputs.map((_, position) => stridesOf(inputOf(view, position).shape, output));
  // Merge neighbouring dimensions in which each operand advances in both, or repeats in both.
  const dimensions: Dimension[] = [];
  for (let i = output.length - 1; i >= 0; i--) {
    const strides = all.map((own) => own[i] as number);
    const dimension = { extent: output[i] as number, strides };
    const inner = dimensions.at(-1);
    if (dimension.extent === 1) continue;
    if (inner?.strides.every((stride, k) => follows(strides[k] as number, stride))) {
      inner.extent *= dimension.extent;
    } else dimensions.push(dimension);
  }
  const still = { extent: 1, strides: all.map(() => 0) };
  const [run = still, ...outer] = dimensions;
  // C has no empty arrays, so the odometer has at least one dimension; it never moves a pointer.
  const turning = outer.length > 0 ? outer : [still];
  const turns = all.map((_, k) =>
    turning.map(({ strides }, d) => {
      const inside = turning[d - 1] ?? run;
      const moved = inside.extent * (inside.strides[k] as number);
      return outer.length > 0 ? (strides[k] as number) - moved : 0;
    }),
  );
  const extents = turning.map(({ extent }) => extent);
  const { extent: runLength, strides: steps } = run;
  return { runs: elementCount(extents), runLength, steps, extents, turns };
}

/**
 * Whether both repeat or both advance. Operands are dense, so advancing dimensions have no gaps.
 */
function follows(outer: number, inner: number): boolean {
  return (outer === 0) === (inner === 0);
}
