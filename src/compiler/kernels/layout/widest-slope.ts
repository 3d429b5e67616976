/** The slope with which a line may lie highest above the lowest place from where it is right. */

/** A line must reach `level` at the whole number `at`, and not one before. */
export interface Crossing {
  readonly at: number;
  readonly level: number;
}

/** Shares of the real slope on both sides of it within which a line can pass. */
const reach = 2 ** -9;
const steps = 50;

/**
 * The slope near `real` at which lines through each group's crossings have the most room. A group's lines
 * begin anywhere between two bounds, each the extreme of linear functions of the slope. So their distance is
 * concave, and so is the least of the groups: a ternary search finds its top. Null where no line has room.
 */
export function widestSlope(groups: readonly (readonly Crossing[])[], real: number): number | null {
  const room = (slope: number) => Math.min(...groups.map((group) => roomOf(group, slope)));
  let [low, high] = [real * (1 - reach), real * (1 + reach)];
  for (let step = 0; step < steps; step += 1) {
    const third = (high - low) / 3;
    if (room(low + third) < room(high - third)) low += third;
    else high -= third;
  }
  const slope = (low + high) / 2;
  return room(slope) > 0 ? slope : null;
}

function roomOf(group: readonly Crossing[], slope: number): number {
  let [least, most] = [-Infinity, Infinity];
  for (const { at, level } of group) {
    const start = level - slope * at;
    least = Math.max(least, start);
    most = Math.min(most, start + slope);
  }
  return most - least;
}
