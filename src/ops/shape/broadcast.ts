/** Two operands of which either may repeat along dimensions of extent 1, as in NumPy. */
import { BonsaiError } from '../../errors.js';
import { at, elementCount, type NodeView, type Shape } from '../../ir/graph.js';
import { inputOf, outputOf } from './operands.js';

/** What TFLite's kernels take, and what the C kernels have loop counters for. */
const maximumRank = 6;

/** The output's shape. @throws BonsaiError 'bad-shape' when the operands' shapes do not fit */
export function broadcastShape(view: NodeView<object>): Shape {
  const a = inputOf(view, 0).shape;
  const b = inputOf(view, 1).shape;
  const rank = Math.max(a.length, b.length);
  const extent = (shape: Shape, i: number) => shape[i - rank + shape.length] ?? 1;
  return Array.from({ length: rank }, (_, i) => {
    const x = extent(a, i);
    const y = extent(b, i);
    if (x === y || y === 1) return x;
    if (x === 1) return y;
    throw new BonsaiError(
      'bad-shape',
      at(view.node),
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

/** Elements between neighbours along each dimension of `output`; 0 where `input` repeats. */
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
 * How a kernel walks both operands: runs of `runLength` outputs, along which an operand's pointer
 * moves by its step (0 or 1), and between runs an odometer of `extents`, innermost first. When
 * dimension d of it turns, pointers move by aTurns[d] and bTurns[d], which take back what the
 * dimensions inside it have moved.
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

interface Span {
  extent: number;
  readonly a: number;
  readonly b: number;
}

export function walkOf(view: NodeView<object>): Walk {
  const output = outputOf(view).shape;
  const a = stridesOf(inputOf(view, 0).shape, output);
  const b = stridesOf(inputOf(view, 1).shape, output);
  // Neighbouring dimensions that an operand runs through, or repeats along, alike are one.
  const spans: Span[] = [];
  for (let i = output.length - 1; i >= 0; i--) {
    const span = { extent: output[i] as number, a: a[i] as number, b: b[i] as number };
    const inner = spans.at(-1);
    if (span.extent === 1) continue;
    if (inner !== undefined && follows(span.a, inner.a) && follows(span.b, inner.b)) {
      inner.extent *= span.extent;
    } else spans.push(span);
  }
  const [run = { extent: 1, a: 0, b: 0 }, ...outer] = spans;
  // C has no empty arrays: an odometer of one turn that leads nowhere.
  const turning = outer.length > 0 ? outer : [{ extent: 1, a: 0, b: 0 }];
  const turns = (operand: 'a' | 'b') =>
    turning.map((span, d) => {
      const inside = turning[d - 1] ?? run;
      return outer.length > 0 ? span[operand] - inside.extent * inside[operand] : 0;
    });
  return {
    runs: elementCount(turning.map(({ extent }) => extent)),
    runLength: run.extent,
    aStep: run.a,
    bStep: run.b,
    extents: turning.map(({ extent }) => extent),
    aTurns: turns('a'),
    bTurns: turns('b'),
  };
}

/** Both repeat or both advance: operands are dense, so what advances has no gaps. */
function follows(outer: number, inner: number): boolean {
  return (outer === 0) === (inner === 0);
}
