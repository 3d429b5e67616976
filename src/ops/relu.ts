/** relu (RELU): max(x, 0). */
import type { OpDef } from '../ir/op.js';
import { rescaleAndClamp } from './arithmetic/clamping.js';
import { elementwise } from './arithmetic/lookup.js';

/** Both runtimes give the same bits. */
export type ReluAttrs = Readonly<Record<string, never>>;

export const relu = elementwise<ReluAttrs>('relu', (view) =>
  rescaleAndClamp(view, 'relu'),
) satisfies OpDef<ReluAttrs>;
