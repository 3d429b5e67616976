/** squeeze (SQUEEZE): removes dimensions of extent 1. */
import type { OpDef } from '../ir/op.js';
import { type SameElementsAttrs, sameElements } from './shape/same-elements.js';

export type SqueezeAttrs = SameElementsAttrs;

export const squeeze = sameElements('squeeze') satisfies OpDef<SqueezeAttrs>;
