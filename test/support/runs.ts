/**
 * How many cases a property gets: all properties take TEST_RUNS_SHARE of theirs. 20 finds rare
 * failures (`TEST_RUNS_SHARE=20 npx mocha FILE`), below 1 many tests are quick. Seeds are fresh.
 */
export function runs(count: number): number {
  return Math.ceil(count * Number(process.env.TEST_RUNS_SHARE ?? 1));
}
