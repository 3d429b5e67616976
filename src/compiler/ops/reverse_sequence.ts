/** reverse_sequence (REVERSE_SEQUENCE): the begin of each sequence of a batch in reverse order. */
import { BonsaiError } from '../../errors.js';
import { allocate, at, type DType, elementCount, type NodeView } from '../ir/graph.js';
import type { ChannelBounds, OpDef } from '../ir/op.js';
import { hullOf, sameBounds } from './arithmetic/bounds.js';
import { requireIndexType } from './shape/indices.js';
import { rowMajorStrides } from './shape/movement.js';
import { inputOf, outputOf, requireOneType } from './shape/operands.js';

/**
 * Input 1 has the length of each sequence's begin; one outside is taken as 0 or as the whole
 * sequence, where desktop TFLite, which alone has the operator, reads outside or ends with an error.
 */
export interface ReverseSequenceAttrs {
  /** The dimensions of the elements of a sequence, and of the sequences. */
  readonly sequence: number;
  readonly batch: number;
}

/** Those of desktop TFLite: it has no kernel of int8. */
export const reversedTypes: readonly DType[] = ['float32', 'uint8', 'int16', 'int32'];

export const reverseSequence = {
  name: 'reverse_sequence',
  types: reversedTypes,
  infer(view) {
    const [{ shape }, lengths] = [inputOf(view, 0), inputOf(view, 1).shape];
    const { sequence, batch } = view.attrs;
    const isDimension = (d: number) => d >= 0 && d < shape.length;
    const fits = isDimension(sequence) && isDimension(batch) && sequence !== batch;
    if (fits && lengths.join() === `${shape[batch]}`) return [shape];
    throw new BonsaiError(
      'bad-shape',
      at(view.node),
      `lengths of [${lengths}] do not fit [${shape}] along ${sequence}, batches along ${batch}`,
      'convert the model again',
    );
  },
  check(view) {
    requireOneType({ ...view, inputs: view.inputs.slice(0, 1) }, reversedTypes);
    requireIndexType(view, 1);
  },
  evaluate(view, [input, lengths]) {
    const { dtype, shape } = outputOf(view);
    const results = allocate(dtype, elementCount(shape));
    const { extent, stride, batches, batchStride } = sequenceDims(view);
    for (let i = 0; i < results.length; i++) {
      const given = Number(lengths?.[Math.floor(i / batchStride) % batches]);
      const length = Math.min(given, extent);
      const place = Math.floor(i / stride) % extent;
      const from = place < length ? i + (length - 1 - 2 * place) * stride : i;
      results[i] = input?.[from] as never;
    }
    return [results];
  },
  macs: () => 0,
  range: (view, [input]) => [sameBounds(outputOf(view), hullOf(input as ChannelBounds))],
  inPlace: () => [],
} satisfies OpDef<ReverseSequenceAttrs>;

/** Extents of both dimensions, and elements from one to the next along them. */
export function sequenceDims(view: NodeView<ReverseSequenceAttrs>) {
  const { shape } = inputOf(view, 0);
  const { sequence, batch } = view.attrs;
  const strides = rowMajorStrides(shape);
  return {
    ...{ extent: shape[sequence] as number, stride: strides[sequence] as number },
    ...{ batches: shape[batch] as number, batchStride: strides[batch] as number },
  };
}
