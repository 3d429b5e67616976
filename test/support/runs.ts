/** How many runs a property gets: TEST_RUNS_SHARE of them, where many tests have to be quick. */
export function runs(count: number): number {
  return Math.ceil(count * Number(process.env.TEST_RUNS_SHARE ?? 1));
}
