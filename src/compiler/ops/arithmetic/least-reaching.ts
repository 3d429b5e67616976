/** Where a function that never falls reaches a value. */

/**
 * The least x in [low, high] with reaches(x), given reaches(high). Gallops from a guess, then
 * bisects.
 */
export function leastReaching(
  reaches: (x: number) => boolean,
  low: number,
  high: number,
  guess: number,
): number {
  let [below, above] = [low - 1, high];
  let x = guess;
  let stride = 1;
  while (x > below && x < above) {
    if (reaches(x)) {
      above = x;
      x -= stride;
    } else {
      below = x;
      x += stride;
    }
    stride *= 2;
  }
  while (above - below > 1) {
    const middle = Math.floor((below + above) / 2);
    if (reaches(middle)) above = middle;
    else below = middle;
  }
  return above;
}
