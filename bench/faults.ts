/**
 * The table of docs/reliability.md, 'Faults while profiling'.
 *
 *     npx tsx bench/faults.ts [SEEDS]
 */
import {
  type ProfilingOutcome,
  profileWithFault,
  profilingFaults,
} from '../test/support/faulty-line.js';

const seeds = Number(process.argv[2] ?? 200);

/** Messages by their beginning, most frequent first. */
function messages(outcomes: readonly ProfilingOutcome[]): string {
  const counts = new Map<string, number>();
  for (const { first } of outcomes) {
    if (first === 'exact') continue;
    const kind = first
      .replace(/\d[\d.]*/g, 'n')
      .replace(/(answer to|answer|answers|refuses|during|finish|not) \w+/, '$1 …')
      .split(/ within|,|:|\(/)[0] as string;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  return sorted.map(([kind, count]) => `${count} ${kind}`).join('; ');
}

const lines = [
  '| fault | exact | error | wrong | next attempt | errors |',
  '|---|---|---|---|---|---|',
];
for (const fault of profilingFaults) {
  const outcomes: ProfilingOutcome[] = [];
  for (let seed = 1; seed <= seeds; seed++) outcomes.push(await profileWithFault(fault, seed));
  const exact = outcomes.filter(({ first }) => first === 'exact').length;
  const wrong = outcomes.filter(({ first }) => first.startsWith('WRONG')).length;
  const next = outcomes.filter(({ next }) => next === 'exact').length;
  const refused = outcomes.filter(({ next }) => /another (model|build)/.test(next)).length;
  const after = refused > 0 ? `${next} exact, ${refused} told of the other` : `${next} exact`;
  lines.push(
    `| ${fault} | ${exact} | ${seeds - exact - wrong} | ${wrong} | ${after} | ${messages(outcomes)} |`,
  );
}
console.log(lines.join('\n'));
