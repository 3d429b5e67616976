/** push: moves what stays of a window to its begin, and copies the new rows behind it. */
import { arenaTypes, dtypes } from '../../ir/dtypes.js';
import { type PushAttrs, pushDims } from '../../ops/push.js';
import { outputOf } from '../../ops/shape/operands.js';
import type { KernelVariant } from '../variant.js';

export const pushVariant: KernelVariant<PushAttrs> = {
  template: 'portable/push',
  needs: [],
  types: arenaTypes,
  match: (view) => {
    const dims = pushDims(view);
    const { bytes } = dtypes[outputOf(view).dtype];
    const [blocks, kept, added] = [dims.blocks, dims.kept * bytes, dims.added * bytes];
    const filled = kept === 0;
    const one = !filled && blocks === 1;
    // A copy of words may not be longer than the way that it goes: both are multiples of it.
    const words = one ? [4, 2, 1].find((n) => kept % (4 * n) === 0 && added % (4 * n) === 0) : 0;
    const flags = {
      ...{ filled, one },
      ...{ quads: words === 4, pairs: words === 2, singles: words === 1 },
    };
    const numbers = filled ? { added: blocks * added } : { kept, added };
    return {
      scratchBytes: 0,
      // Cortex-M0+: 4 words in about 16 cycles, bytes in 8 each.
      work: () => ({ bytes: { count: blocks * (kept + added), cycles: words ? 1 : 8 } }),
      calls: () => [
        {
          inputs: [1],
          outputs: [0],
          bytes: true,
          flags,
          numbers: { ...numbers, ...(filled || blocks === 1 ? {} : { blocks }) },
          tables: {},
        },
      ],
    };
  },
};
