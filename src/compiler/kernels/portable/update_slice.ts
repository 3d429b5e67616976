/** dynamic_update_slice: a copy of the tensor, unless it is in place, and runs of the part. */
import { arenaTypes } from '../../ir/dtypes.js';
import { byteCount, dtypes, elementCount } from '../../ir/graph.js';
import {
  type DynamicUpdateSliceAttrs,
  firstPlace,
  updateDims,
  updateRank,
} from '../../ops/dynamic_update_slice.js';
import { inputOf, outputOf } from '../../ops/shape/operands.js';
import type { KernelVariant } from '../variant.js';
import { stepsWithWayBack } from './loops.js';

export const updateSliceVariant: KernelVariant<DynamicUpdateSliceAttrs> = {
  template: 'portable/update_slice',
  needs: [],
  types: arenaTypes,
  match: (view) => {
    const output = outputOf(view);
    const part = inputOf(view, 1);
    return {
      scratchBytes: 0,
      work: () => ({ bytes: { count: byteCount(output) + byteCount(part), cycles: 4 } }),
      calls() {
        const { bytes: width } = dtypes[output.dtype];
        const { limits, extents, strides } = updateDims(view);
        // Dimensions that the part fills are one run with the dimension around them.
        const runFrom = Math.max(
          0,
          limits.findLastIndex((limit) => limit > 0),
        );
        const outer = extents
          .slice(0, runFrom)
          .map((extent, d) => ({ extent, outStride: (strides[d] as number) * width }))
          .reverse();
        const { data: start } = inputOf(view, 2);
        const fixed = start !== null;
        const table = (values: readonly number[]) =>
          ({ data: Int32Array.from(values), role: 'table' }) as const;
        return [
          {
            inputs: fixed ? [0, 1] : [0, 1, 2],
            outputs: [0],
            bytes: true,
            flags: { fixed, nested: outer.length > 0 },
            numbers: {
              count: byteCount(output),
              run: elementCount(extents.slice(runFrom)) * width,
              ...(fixed ? { first: firstPlace(view, start) * width } : { rank: limits.length }),
              ...(outer.length > 0
                ? { runs: elementCount(extents.slice(0, runFrom)), most: updateRank }
                : {}),
            },
            tables: {
              ...(fixed
                ? {}
                : {
                    limits: table(limits),
                    strides: table(strides.map((stride) => stride * width)),
                  }),
              ...(outer.length > 0
                ? {
                    // The outermost dimension never restarts: the number of runs ends it.
                    extents: table(
                      outer.map(({ extent }, d) => (d === outer.length - 1 ? 2 ** 31 - 1 : extent)),
                    ),
                    steps: table(stepsWithWayBack(outer, 'outStride')),
                  }
                : {}),
            },
          },
        ];
      },
    };
  },
};
