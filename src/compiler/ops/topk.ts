/** topk (TOPK_V2): the greatest elements along the last dimension, and their places. */
import { BonsaiError } from '../../errors.js';
import { allocate, at, type DType, elementCount } from '../ir/graph.js';
import type { ChannelBounds, OpDef } from '../ir/op.js';
import { boundsOf, hullOf } from './arithmetic/bounds.js';
import { inputOf, outputOf, requireOneType, requireTypes } from './shape/operands.js';

/**
 * Output 0 has the elements, the greatest first, output 1 their places; of equal ones the first comes
 * first. Desktop TFLite alone has it. Of NaN no order is promised.
 */
export interface TopkAttrs {
  readonly k: number;
}

/** Types of the elements. */
export const topkTypes: readonly DType[] = ['int8', 'uint8', 'int32', 'float32'];

export const topk = {
  name: 'topk',
  types: topkTypes,
  infer(view) {
    const { shape } = inputOf(view, 0);
    const { k } = view.attrs;
    const result = [...shape.slice(0, -1), k];
    if (k >= 1 && k <= (shape.at(-1) ?? 0)) return [result, result];
    throw new BonsaiError(
      'bad-shape',
      at(view.node),
      `takes ${k} of the elements along the last dimension of [${shape}]`,
      'take at least one, and at most all',
    );
  },
  check(view) {
    const [values, places] = [outputOf(view, 0), outputOf(view, 1)];
    requireOneType({ ...view, outputs: [values] }, topkTypes);
    requireTypes({ ...view, inputs: [], outputs: [places] }, ['int32']);
  },
  evaluate(view, [input]) {
    const { shape, dtype } = inputOf(view, 0);
    const { k } = view.attrs;
    const extent = shape.at(-1) as number;
    const rows = elementCount(shape) / extent;
    const values = allocate(dtype, rows * k);
    const places = new Int32Array(rows * k);
    for (let row = 0; row < rows; row++) {
      const elements = Array.from({ length: extent }, (_, i) => Number(input?.[row * extent + i]));
      const order = elements.map((_, i) => i);
      order.sort((a, b) => (elements[b] as number) - (elements[a] as number) || a - b);
      order.slice(0, k).forEach((place, i) => {
        values[row * k + i] = elements[place] as never;
        places[row * k + i] = place;
      });
    }
    return [values, places];
  },
  macs: () => 0,
  range(view, [input]) {
    const { k } = view.attrs;
    const last = (inputOf(view, 0).shape.at(-1) as number) - 1;
    const range = hullOf(input as ChannelBounds);
    return [boundsOf(k, () => range), boundsOf(k, () => [0, last])];
  },
  inPlace: () => [],
} satisfies OpDef<TopkAttrs>;
