/** logical_not (LOGICAL_NOT). */
import type { OpDef } from '../ir/op.js';
import { elementwise } from './arithmetic/lookup.js';

export type LogicalNotAttrs = Readonly<Record<string, never>>;

export const logicalNot = elementwise<LogicalNotAttrs>(
  'logical_not',
  () => (x) => (x === 0 ? 1 : 0),
  ['bool'],
) satisfies OpDef<LogicalNotAttrs>;
