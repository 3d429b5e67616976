/** add (ADD): a + b with broadcasting. */
import type { OpDef } from '../ir/op.js';
import { type BinaryAttrs, binary } from './binary.js';
import { sumOf, sumSupport } from './sum.js';

/** Both runtimes give the same bits. */
export interface AddAttrs extends BinaryAttrs {}

export const add = binary<AddAttrs>(
  'add',
  { template: 'portable/add', support: sumSupport, flags: { subtract: false }, cycles: 90 },
  (view) => sumOf(view, 1, 'double'),
) satisfies OpDef<AddAttrs>;
