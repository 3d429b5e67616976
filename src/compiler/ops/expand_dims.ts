/** expand_dims (EXPAND_DIMS): inserts dimensions of extent 1. */
import type { OpDef } from '../ir/op.js';
import { type SameElementsAttrs, sameElements } from './shape/same-elements.js';

export type ExpandDimsAttrs = SameElementsAttrs;

export const expandDims = sameElements('expand_dims') satisfies OpDef<ExpandDimsAttrs>;
