/** relu (RELU): max(x, 0). */
import type { OpDef } from '../ir/op.js';
import { rescaleAndClamp } from './arithmetic/clamping.js';
import { elementwise } from './arithmetic/lookup.js';
import { clampReal } from './arithmetic/plain.js';

/** Both runtimes give the same bits. */
export type ReluAttrs = Readonly<Record<string, never>>;

export const relu = elementwise<ReluAttrs>(
  'relu',
  (view) => rescaleAndClamp(view, 'relu'),
  ['int8', 'int16'],
  () => (x) => clampReal(x, [0, Number.POSITIVE_INFINITY]),
) satisfies OpDef<ReluAttrs>;
