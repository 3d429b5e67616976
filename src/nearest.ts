/** Names that a mistyped one may have meant: of targets, goals, passes, keys. */

/** A word may differ from a name by these edits for each of its characters, and three names are shown. */
const editsPerCharacter = 0.4;
const mostShown = 3;

/**
 * The names nearest to a word, best first: those that continue it, then those that few edits make
 * of it. Case does not matter.
 */
export function nearest(word: string, names: readonly string[]): readonly string[] {
  const asked = word.toLowerCase();
  // A text of any length may stand on a command line; edits are counted in time length².
  if (asked === '' || asked.length > 64) return [];
  const most = Math.floor(asked.length * editsPerCharacter);
  return names
    .map((name) => ({ name, edits: editsOf(asked, name.toLowerCase()) }))
    .filter(({ edits }) => edits <= most)
    .sort((a, b) => a.edits - b.edits)
    .slice(0, mostShown)
    .map(({ name }) => name);
}

/** '; did you mean stm32f405 or stm32f411?', '' where no name is near */
export function didYouMean(word: string, names: readonly string[]): string {
  const near = nearest(word, names);
  if (near.length === 0) return '';
  const last = near.at(-1);
  const others = near.slice(0, -1).join(', ');
  return `; did you mean ${others === '' ? '' : `${others} or `}${last}?`;
}

/** 0 for a word that the name continues; else characters to insert, remove, replace or swap. */
function editsOf(word: string, name: string): number {
  if (name.startsWith(word)) return 0;
  // Row i: edits from the first i characters of the word to each beginning of the name.
  let [before, row] = [[] as number[], Array.from({ length: name.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= word.length; i++) {
    const next = [i];
    for (let j = 1; j <= name.length; j++) {
      const at = (list: readonly number[], k: number) => list[k] ?? Infinity;
      const same = word[i - 1] === name[j - 1] ? 0 : 1;
      const swaps = i > 1 && j > 1 && word[i - 1] === name[j - 2] && word[i - 2] === name[j - 1];
      next.push(
        Math.min(
          ...[at(row, j) + 1, at(next, j - 1) + 1, at(row, j - 1) + same],
          swaps ? at(before, j - 2) + 1 : Infinity,
        ),
      );
    }
    [before, row] = [row, next];
  }
  return row[name.length] ?? Infinity;
}
