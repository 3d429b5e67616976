/** Shared by reduce_max and reduce_min. */
import { BonsaiError } from '../../../errors.js';
import { allocate, at, type DType, elementCount, type TensorData } from '../../ir/graph.js';
import type { ChannelBounds, OpDef } from '../../ir/op.js';
import { takenBounds } from '../arithmetic/bounds.js';
import { realRange } from '../arithmetic/plain.js';
import { sameQuant } from '../arithmetic/quant.js';
import { reducedAxes } from './axes.js';
import { inputOf, outputOf, requireOneType } from './operands.js';
import {
  keepsChannels,
  placesIn,
  type ReductionAttrs,
  reducedShape,
  reductionLoopsOf,
} from './reduction.js';

/** Types of inputs and outputs: one for both of a node. int16 and int32 are desktop TFLite's alone. */
export const extremeTypes: readonly DType[] = ['int8', 'int16', 'int32', 'float32'];

/**
 * Both runtimes compare integers and refuse a change of scale. Those of float32 begin at the least or
 * the greatest finite number, and NaN never wins (EvalMinMaxHelper of kernels/reduce_common.cc).
 *
 * @param wins whether an element takes the place of the one found before
 */
export function extreme(
  name: string,
  wins: (element: number, found: number) => boolean,
): OpDef<ReductionAttrs> {
  const [least, greatest] = realRange('none');
  const first = wins(greatest, least) ? least : greatest;
  return {
    name,
    types: extremeTypes,
    infer: (view) => [reducedShape(view)],
    check(view) {
      requireOneType(view, extremeTypes);
      reductionLoopsOf(view);
      if (sameQuant(inputOf(view, 0).quant, outputOf(view).quant)) return;
      throw new BonsaiError(
        'bad-quantization',
        at(view.node),
        'its output has not the scale and zero point of its input',
        'convert the model again: TFLite gives both one quantization',
      );
    },
    evaluate(view, [input]) {
      const { shape } = inputOf(view, 0);
      const data = input as TensorData;
      const { dtype } = outputOf(view);
      const found = new Array<number | undefined>(elementCount(outputOf(view).shape));
      placesIn(shape, view.attrs.axes).forEach((place, i) => {
        const value = Number(data[i]);
        const before = found[place] ?? (dtype === 'float32' ? first : value);
        found[place] = wins(value, before) ? value : before;
      });
      const result = allocate(dtype, found.length) as Int32Array;
      result.set(found as number[]);
      return [result];
    },
    macs: () => 0,
    range: (view, [input]) => [
      takenBounds(outputOf(view), input as ChannelBounds, keepsChannels(view)),
    ],
    axes: (view) => reducedAxes(inputOf(view, 0), view.attrs.axes, view.attrs.keepDims),
    inPlace: () => [],
  };
}
