/**
 * Patterns in which weights are pruned. Weights of a unit are pruned together; of each group the
 * same share of units is kept.
 *
 * - unstructured: each weight for itself. Cortex-M0+, RV32 and Helium skip single zeros.
 * - blocks R×C: the same tap of R neighbouring filters and C neighbouring input channels. Blocks
 *   begin at multiples of R and C, and never reach from one tap into the next, which is how
 *   `dsp/sparse_conv2d_blocks` reads them: it skips four channels of one filter at once (1x4, 4x4).
 *   At the end of a layer, and where it has fewer filters or channels, blocks are smaller.
 * - N:M: N of each M neighbouring input channels of a tap are kept; of a smaller group at the end
 *   the same share, rounded up.
 */
import { BonsaiError } from '../../errors.js';
import type { PrunableLayer } from './layers.js';

export type Pattern =
  | { readonly kind: 'blocks'; readonly rows: number; readonly columns: number }
  | { readonly kind: 'groups'; readonly kept: number; readonly size: number };

export const unstructured: Pattern = { kind: 'blocks', rows: 1, columns: 1 };

const blockPatterns: ReadonlyMap<string, Pattern> = new Map([
  ['unstructured', unstructured],
  ['1x4', { kind: 'blocks', rows: 1, columns: 4 }],
  ['4x1', { kind: 'blocks', rows: 4, columns: 1 }],
  ['4x4', { kind: 'blocks', rows: 4, columns: 4 }],
]);

/** N:M for M up to this: positions in larger groups are no shorter than without groups. */
const largestGroup = 32;

/** For messages. */
export const patternForms = `${[...blockPatterns.keys()].join(', ')}, or N:M with N below M and M up to ${largestGroup}, such as 2:4`;

export const isPattern = (name: string): boolean => parsed(name) !== null;

/** @throws BonsaiError 'usage' for another name */
export function patternNamed(name: string): Pattern {
  const pattern = parsed(name);
  if (pattern !== null) return pattern;
  throw new BonsaiError('usage', `pattern "${name}"`, 'is not known', `use ${patternForms}`);
}

function parsed(name: string): Pattern | null {
  const known = blockPatterns.get(name);
  if (known !== undefined) return known;
  const [, kept, size] = (/^(\d+):(\d+)$/.exec(name) ?? []).map(Number);
  if (kept !== undefined && size !== undefined && 0 < kept && kept < size && size <= largestGroup) {
    return { kind: 'groups', kept, size };
  }
  return null;
}

export function nameOf(pattern: Pattern): string {
  if (pattern.kind === 'groups') return `${pattern.kept}:${pattern.size}`;
  const { rows, columns } = pattern;
  return rows * columns === 1 ? 'unstructured' : `${rows}x${columns}`;
}

/** How a pattern divides a layer's weights. */
export interface Units {
  /** Unit of each weight, by the weight's index in its tensor. */
  readonly unitOf: Uint32Array;
  /** Weights of each unit. */
  readonly sizes: Uint32Array;
  /** First unit of each group; a group's units follow each other. Blocks have one group. */
  readonly groups: readonly number[];
}

export function unitsOf(layer: PrunableLayer, pattern: Pattern): Units {
  const { filters, taps, channels, count, position } = layer;
  const [rows, columns] = pattern.kind === 'groups' ? [1, 1] : [pattern.rows, pattern.columns];
  const across = Math.ceil(channels / columns);
  const unitOf = new Uint32Array(count);
  const sizes = new Uint32Array(Math.ceil(filters / rows) * taps * across);
  for (let filter = 0; filter < filters; filter += 1) {
    for (let tap = 0; tap < taps; tap += 1) {
      const first = (Math.floor(filter / rows) * taps + tap) * across;
      for (let channel = 0; channel < channels; channel += 1) {
        const unit = first + Math.floor(channel / columns);
        unitOf[position(filter, tap, channel)] = unit;
        sizes[unit] = (sizes[unit] as number) + 1;
      }
    }
  }
  const groups: number[] = [];
  const size = pattern.kind === 'groups' ? pattern.size : sizes.length;
  const run = pattern.kind === 'groups' ? channels : sizes.length;
  for (let first = 0; first < sizes.length; first += run) {
    for (let own = 0; own < run; own += size) groups.push(first + own);
  }
  return { unitOf, sizes, groups };
}

/** The share of zeros that a pattern stands for; null where any share goes with it. */
export function shareOf(pattern: Pattern): number | null {
  return pattern.kind === 'groups' ? 1 - pattern.kept / pattern.size : null;
}
