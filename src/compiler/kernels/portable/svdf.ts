/** svdf: the features of a run, and the sums over those of the last runs, in one pass. */

import type { NodeView } from '../../ir/graph.js';
import { inputOf } from '../../ops/shape/operands.js';
import { type SvdfAttrs, svdfDims, svdfRange, svdfScales } from '../../ops/svdf.js';
import type { KernelCall, KernelVariant } from '../variant.js';

/** Positions of the node's inputs. */
const [state, input, feature, time, bias] = [0, 2, 3, 4, 5];

export const svdfVariant: KernelVariant<SvdfAttrs> = {
  template: 'portable/svdf',
  needs: [],
  types: ['int8', 'int16', 'int32'],
  match: (view) => {
    const { batches, filters, inputs, memory, units } = svdfDims(view);
    return {
      scratchBytes: 0,
      // Cortex-M0+: two loads, a product and a sum, and a quarter of a loop's end.
      work: () => ({
        products: { count: batches * filters * (inputs + memory), cycles: 7 },
        outputs: { count: batches * (filters + units), cycles: 60 },
      }),
      calls: () => [callOf(view)],
    };
  },
};

function callOf(view: NodeView<SvdfAttrs>): KernelCall {
  const { batches, filters, inputs, memory, units } = svdfDims(view);
  const { first, second, inputZeroPoint, stateZeroPoint, output } = svdfScales(view);
  const [low, high] = svdfRange(inputOf(view, state));
  const features = inputOf(view, feature).data as Int8Array;
  const times = inputOf(view, time).data as Int8Array | Int16Array;
  const sumOf = (row: ArrayLike<number>) => Array.from(row).reduce((sum, w) => sum + w, 0);
  const featureRow = (f: number) => features.subarray(f * inputs, (f + 1) * inputs);
  const timeRow = (f: number) => times.subarray(f * memory, (f + 1) * memory);
  const isWide = times instanceof Int16Array;
  // The ring turns by a place a run: a row of weights twice over holds each of its rotations.
  const turned = new (isWide ? Int16Array : Int8Array)(2 * times.length);
  for (let f = 0; f < filters; f += 1) {
    turned.set(timeRow(f), 2 * f * memory);
    turned.set(timeRow(f), (2 * f + 1) * memory);
  }
  // Zero points times sums of weights move into the biases: (x - z) w = x w - z w.
  const offsets = Int32Array.from(
    { length: filters },
    (_, f) => -inputZeroPoint * sumOf(featureRow(f)),
  );
  const given = inputOf(view, 0) && view.inputs[bias]?.data;
  const { rank } = view.attrs;
  const biases = Int32Array.from({ length: units }, (_, unit) => {
    const rows = Array.from({ length: rank }, (_, r) => sumOf(timeRow(unit * rank + r)));
    return Number(given?.[unit] ?? 0) - stateZeroPoint * sumOf(rows);
  });
  return {
    inputs: [input],
    outputs: [0, 1, 2],
    flags: { wide: isWide, one: batches === 1 },
    words: { state: isWide ? 'int16_t' : 'int8_t' },
    numbers: {
      ...{ units, rank, memory, inputs, low, high, state_zero: stateZeroPoint },
      ...{ multiplier: first.multiplier, shift: first.shift },
      ...{ out_multiplier: second.multiplier, out_shift: second.shift },
      ...{ out_zero: output.zeroPoint, ...(batches === 1 ? {} : { batches }) },
    },
    tables: {
      features: { data: features, role: 'weights' },
      times: { data: turned, role: 'weights' },
      offsets: { data: offsets, role: 'table' },
      biases: { data: biases, role: 'table' },
    },
  };
}
