/** The learning rate of each step. */

/** A stretch of a schedule. */
export interface Piece {
  /** Share of the steps behind the warm-up, at which it ends. */
  readonly until: number;
  /** constant: `to` from its beginning. The others go there from where the piece before ended. */
  readonly shape: 'constant' | 'linear' | 'cosine';
  /** In units of the highest rate. */
  readonly to: number;
}

export const schedules = {
  cosine: [{ until: 1, shape: 'cosine', to: 0.01 }],
  linear: [{ until: 1, shape: 'linear', to: 0.01 }],
  constant: [{ until: 1, shape: 'constant', to: 1 }],
  steps: [
    { until: 0.5, shape: 'constant', to: 1 },
    { until: 0.75, shape: 'constant', to: 0.1 },
    { until: 1, shape: 'constant', to: 0.01 },
  ],
} as const satisfies Record<string, readonly Piece[]>;

export type ScheduleName = keyof typeof schedules;

export interface Rates {
  /** Share of the steps during which the rate rises evenly to the highest. */
  readonly warmup: number;
  /** How the rate goes on. */
  readonly rateSchedule: ScheduleName | readonly Piece[];
}

/**
 * The rate of step `step` (0 for the first) of `steps`, in units of the highest.
 */
export function rateOf({ warmup, rateSchedule }: Rates, step: number, steps: number): number {
  const rising = Math.floor(warmup * steps);
  if (step < rising) return (step + 1) / (rising + 1);
  const pieces: readonly Piece[] =
    typeof rateSchedule === 'string' ? schedules[rateSchedule] : rateSchedule;
  const done = (step - rising) / Math.max(1, steps - rising);
  let [from, begin] = [1, 0];
  for (const { until, shape, to } of pieces) {
    if (done < until) return between(from, to, shape, (done - begin) / (until - begin));
    [from, begin] = [to, until];
  }
  return from;
}

function between(from: number, to: number, shape: Piece['shape'], share: number): number {
  if (shape === 'constant') return to;
  const gone = shape === 'linear' ? share : (1 - Math.cos(Math.PI * share)) / 2;
  return from + (to - from) * gone;
}
