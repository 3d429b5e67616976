/** select (SELECT, SELECT_V2): x where the condition holds, y elsewhere, with broadcasting. */
import { BonsaiError } from '../../errors.js';
import { arenaTypes } from '../ir/dtypes.js';
import { allocate, at, elementCount, type NodeView } from '../ir/graph.js';
import type { ChannelBounds, OpDef } from '../ir/op.js';
import { inPlaceOperands } from './arithmetic/binary.js';
import { boundsOf, channelCount, rangeAt } from './arithmetic/bounds.js';
import { sameQuant } from './arithmetic/quant.js';
import { pointwiseAxes } from './shape/axes.js';
import { broadcastShapes, requireRank, sourceIndices } from './shape/broadcast.js';
import { inputOf, outputOf, requireOneType, requireTypes } from './shape/operands.js';

/** Inputs: the condition, x, y. Both runtimes copy integers as they are. */
export interface SelectAttrs {
  /** Whether the condition has one dimension and chooses rows, as that of SELECT may. */
  readonly rows?: boolean;
}

/** The node with a condition that broadcasts to the rows that it chooses. */
export function broadcasting(view: NodeView<SelectAttrs>): NodeView<SelectAttrs> {
  if (view.attrs.rows !== true) return view;
  const [condition, x, y] = [inputOf(view, 0), inputOf(view, 1), inputOf(view, 2)];
  const shape = [...condition.shape, ...x.shape.slice(1).map(() => 1)];
  return { ...view, inputs: [{ ...condition, shape }, x, y] };
}

export const select = {
  name: 'select',
  types: arenaTypes,
  infer(view) {
    const whole = broadcasting(view);
    const [condition, x, y] = [0, 1, 2].map((position) => inputOf(whole, position).shape);
    const where = at(view.node);
    return [broadcastShapes(condition ?? [], broadcastShapes(x ?? [], y ?? [], where), where)];
  },
  check(view) {
    const [condition, ...values] = view.inputs;
    requireTypes({ ...view, inputs: [condition ?? null], outputs: [] }, ['bool']);
    requireOneType({ ...view, inputs: values }, arenaTypes);
    requireRank(view);
    const [x, y, output] = [inputOf(view, 1), inputOf(view, 2), outputOf(view)];
    if (sameQuant(x.quant, output.quant) && sameQuant(y.quant, output.quant)) return;
    throw new BonsaiError(
      'bad-quantization',
      at(view.node),
      'its output has not the scale and zero point of both operands',
      'convert the model again: TFLite gives all one quantization',
    );
  },
  evaluate(view, inputs) {
    const { shape, dtype } = outputOf(view);
    const places = [0, 1, 2].map((i) => sourceIndices(inputOf(broadcasting(view), i).shape, shape));
    const to = allocate(dtype, elementCount(shape));
    for (let i = 0; i < to.length; i++) {
      const chosen = inputs[0]?.[places[0]?.[i] as number] ? 1 : 2;
      to[i] = inputs[chosen]?.[places[chosen]?.[i] as number] as never;
    }
    return [to];
  },
  macs: () => 0,
  range(view, [, x, y]) {
    const [ofX, ofY] = [x as ChannelBounds, y as ChannelBounds];
    return [
      boundsOf(channelCount(outputOf(view)), (channel) => {
        const ends = [ofX, ofY].flatMap((bounds) => rangeAt(bounds, channel % bounds.min.length));
        return [Math.min(...ends), Math.max(...ends)];
      }),
    ];
  },
  axes: (view) => pointwiseAxes(broadcasting(view)),
  inPlace: inPlaceOperands,
} satisfies OpDef<SelectAttrs>;
