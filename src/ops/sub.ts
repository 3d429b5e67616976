/** sub (SUB): a − b with broadcasting. */
import type { OpDef } from '../ir/op.js';
import { type BinaryAttrs, binary } from './binary.js';
import { sumOf, sumSupport } from './sum.js';

/**
 * Both runtimes give the same bits. (Until 2026 TFLM divided the scales in float32, which changed
 * about one element in a million.)
 */
export interface SubAttrs extends BinaryAttrs {}

export const sub = binary<SubAttrs>(
  'sub',
  { template: 'portable/add', support: sumSupport, flags: { subtract: true }, cycles: 90 },
  (view) => sumOf(view, -1),
) satisfies OpDef<SubAttrs>;
