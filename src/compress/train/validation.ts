/** How good an epoch is. */
export interface Validation {
  readonly loss: number;
  /** Share of right answers; null without classes. */
  readonly accuracy: number | null;
}

/** More right answers; with as many, a smaller loss. */
export function isBetter(a: Validation, b: Validation | null): boolean {
  if (b === null) return true;
  if (a.accuracy !== b.accuracy) return (a.accuracy ?? 0) > (b.accuracy ?? 0);
  return a.loss < b.loss;
}
