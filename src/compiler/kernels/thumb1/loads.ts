/** How a routine loads the packed words that it needs, in few instructions. */

/** An instruction; `words` are those that it loads, the first into r1, the second into r2. */
export type Load =
  /** ldm: two words at the pointer, which advances past them. */
  | { readonly kind: 'pair'; readonly words: readonly [number, number] }
  /** ldr: a word, `offset` bytes after the pointer. */
  | { readonly kind: 'single'; readonly words: readonly [number]; readonly offset: number }
  /** adds: moves the pointer by `bytes`. */
  | { readonly kind: 'advance'; readonly words: readonly []; readonly bytes: number };

/** Words within reach of ldr's immediate offset, and of adds's. */
const maxOffset = 31;
const maxAdvance = 63;

/** @param words indices of the words that are needed, ascending; the pointer begins at word 0 */
export function planLoads(words: readonly number[]): readonly Load[] {
  const loads: Load[] = [];
  let pointer = 0;
  const advanceTo = (word: number) => {
    while (pointer < word) {
      const step = Math.min(maxAdvance, word - pointer);
      loads.push({ kind: 'advance', words: [], bytes: 4 * step });
      pointer += step;
    }
  };
  for (let i = 0; i < words.length; ) {
    const first = words[i] as number;
    const length = runLength(words, i);
    // To move the pointer takes as many cycles as two pairs save.
    const pairs = pointer === first ? length >= 2 : length >= 4;
    if (pairs || first - pointer > maxOffset) advanceTo(first);
    if (pairs) {
      loads.push({ kind: 'pair', words: [first, first + 1] });
      pointer = first + 2;
      i += 2;
    } else {
      loads.push({ kind: 'single', words: [first], offset: 4 * (first - pointer) });
      i += 1;
    }
  }
  return loads;
}

/** The number of consecutive words from words[start], at most 4: more make no difference. */
function runLength(words: readonly number[], start: number): number {
  let length = 1;
  while (length < 4 && words[start + length] === (words[start] as number) + length) length += 1;
  return length;
}
