/** Shared by reduce_max and reduce_min. */
import { BonsaiError } from '../../errors.js';
import { at, elementCount, type TensorData } from '../../ir/graph.js';
import type { ChannelBounds, OpDef } from '../../ir/op.js';
import { boundsOf, channelCount, hullOf, rangeAt, tieOf } from '../arithmetic/bounds.js';
import { sameQuant } from '../arithmetic/quant.js';
import { inputOf, outputOf, requireInt8 } from './operands.js';
import {
  keepsChannels,
  placesIn,
  type ReductionAttrs,
  reducedShape,
  reductionLoopsOf,
} from './reduction.js';

/** Both runtimes compare integers and refuse a change of scale. */
export function extreme(
  name: string,
  choose: (a: number, b: number) => number,
): OpDef<ReductionAttrs> {
  return {
    name,
    infer: (view) => [reducedShape(view)],
    check(view) {
      requireInt8(view);
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
      const found = new Array<number | undefined>(elementCount(outputOf(view).shape));
      placesIn(shape, view.attrs.axes).forEach((place, i) => {
        const value = Number(data[i]);
        found[place] = choose(found[place] ?? value, value);
      });
      return [Int8Array.from(found as number[])];
    },
    macs: () => 0,
    range(view, [input]) {
      const bounds = input as ChannelBounds;
      const isKept = keepsChannels(view);
      return [
        boundsOf(channelCount(outputOf(view)), (channel) =>
          isKept ? rangeAt(bounds, channel) : hullOf(bounds),
        ),
      ];
    },
    channels: (view) => (keepsChannels(view) ? { kind: 'tied', ties: [tieOf(0)] } : null),
    inPlace: () => [],
  };
}
