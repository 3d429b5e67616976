/**
 * The table of docs/reliability.md, 'Clients of others over a bad line'.
 *
 *     npx tsx bench/noise.ts [SEEDS]
 */
import { clients, flashNoisily, type NoisyOutcome } from '../test/support/noisy-clients.js';

const seeds = Number(process.argv[2] ?? 20);

console.log(
  '| client | one byte lost, one changed in | written | refused | ended after 60 s | wrong | next flash by bonsaic |\n|---|---|---|---|---|---|---|',
);
for (const client of clients) {
  for (const one of [20_000, 2_000, 200]) {
    const outcomes: NoisyOutcome[] = [];
    for (let seed = 1; seed <= seeds; seed++)
      outcomes.push(await flashNoisily(client, { one, seed }));
    const count = (how: NoisyOutcome['client']) =>
      outcomes.filter((outcome) => outcome.client === how).length;
    const good = outcomes.filter(({ next }) => next === '').length;
    const others = new Set(outcomes.map(({ next }) => next).filter((next) => next !== ''));
    const next = [`${good} of ${seeds} done`, ...others].join('; ');
    const cells = [client.name, one, count('written'), count('refused')];
    console.log(`| ${[...cells, count('ended after 60 s'), count('WRONG'), next].join(' | ')} |`);
  }
}
