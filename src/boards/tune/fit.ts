/** Fits the costs of a kernel's terms of work to measured layers. */

/** The work of one layer and its measured count. */
export interface Sample {
  /** Term → number of times. */
  readonly counts: Readonly<Record<string, number>>;
  /** Cycles or instructions, above 0. */
  readonly measured: number;
}

export interface Fit {
  /** Term → cost of one unit, 0 or more. */
  readonly costs: Readonly<Record<string, number>>;
  /** The largest deviation of a layer's fitted cost, as a share of the measured count. */
  readonly worstError: number;
}

const rounds = 2000;

/**
 * Non-negative least squares of the relative errors, by coordinate descent: each cost in turn takes
 * its best value while the others stay. Deterministic.
 */
export function fitCosts(samples: readonly Sample[]): Fit {
  const terms = [...new Set(samples.flatMap(({ counts }) => Object.keys(counts)))];
  // Each row is divided by its measured count, so that the right side is 1 and errors are relative.
  const rows = samples.map(({ counts, measured }) =>
    terms.map((term) => (counts[term] ?? 0) / measured),
  );
  const costs = terms.map(() => 0);
  const residuals = rows.map(() => 1);
  for (let round = 0; round < rounds; round++) {
    terms.forEach((_, term) => {
      let slope = 0;
      let square = 0;
      rows.forEach((row, i) => {
        const share = row[term] as number;
        slope += share * (residuals[i] as number);
        square += share * share;
      });
      if (square === 0) return;
      const before = costs[term] as number;
      const after = Math.max(0, before + slope / square);
      costs[term] = after;
      rows.forEach((row, i) => {
        residuals[i] = (residuals[i] as number) - (after - before) * (row[term] as number);
      });
    });
  }
  return {
    costs: Object.fromEntries(terms.map((term, i) => [term, round4(costs[i] as number)])),
    worstError: Math.max(0, ...residuals.map(Math.abs)),
  };
}

function round4(value: number): number {
  return Number(value.toPrecision(4));
}
