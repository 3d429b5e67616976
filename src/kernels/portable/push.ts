/** push: moves what stays of a window to its begin, and copies the new rows behind it. */
import { type PushAttrs, pushDims } from '../../ops/push.js';
import type { KernelVariant } from '../variant.js';

export const pushVariant: KernelVariant<PushAttrs> = {
  template: 'portable/push',
  needs: [],
  match: (view) => {
    const { blocks, kept, added } = pushDims(view);
    const filled = kept === 0;
    const flags = { filled, one: !filled && blocks === 1 };
    const numbers = filled ? { added: blocks * added } : { kept, added };
    return {
      scratchBytes: 0,
      // Cortex-M0+: about 2 cycles per byte of a memmove.
      work: () => ({ bytes: { count: blocks * (kept + added), cycles: 2 } }),
      calls: () => [
        {
          inputs: [1],
          outputs: [0],
          flags,
          numbers: { ...numbers, ...(filled || blocks === 1 ? {} : { blocks }) },
          tables: {},
        },
      ],
    };
  },
};
