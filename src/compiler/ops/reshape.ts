/** reshape (RESHAPE): another shape with the same number of elements. */
import type { OpDef } from '../ir/op.js';
import { type SameElementsAttrs, sameElements } from './shape/same-elements.js';

export type ReshapeAttrs = SameElementsAttrs;

export const reshape = sameElements('reshape') satisfies OpDef<ReshapeAttrs>;
