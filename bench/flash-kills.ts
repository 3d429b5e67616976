/**
 * The table of docs/reliability.md, 'Kills of bonsaic flash': `bonsaic flash` as a process of its own on a simulated
 * board in another, killed (SIGKILL) at a random byte or moment; then flashed again.
 *
 *     npx tsx bench/flash-kills.ts [KILLS] [TARGET ...]
 */
import { type KillableBoard, killableBoards, killRow } from '../test/support/flash-kills.js';

const [kills = '200', ...names] = process.argv.slice(2);

console.log(
  '| board | kills | before the first erase | while it was written | after the last byte | next flash |\n|---|---|---|---|---|---|',
);
for (const name of names.length === 0 ? killableBoards : (names as KillableBoard[])) {
  const { before, during, behind, next, errors } = await killRow(name, Number(kills), 1);
  const told = [`${next} done`, ...errors].join('; ');
  console.log(`| ${[name, kills, before, during, behind, told].join(' | ')} |`);
}
