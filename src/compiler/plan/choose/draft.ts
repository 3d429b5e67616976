/** A choice that moves change, and what it takes. */
import { codeMargin, type Pick } from './prices.js';
import type { Room } from './room.js';
import type { Totals } from './score.js';

/** Steps with their new picks. */
export type Move = readonly Change[];
export type Change = readonly [step: number, pick: Pick];

/** Sums are kept up to date, since a search asks for the totals after thousands of moves. */
export class Draft {
  readonly picks: Pick[];
  /** How many picks have a function; an image contains it once. */
  private readonly uses = new Map<string, number>();
  private cycles = 0;
  private constantBytes = 0;
  private codeBytes = 0;
  private copiedBytes = 0;

  constructor(
    picks: readonly Pick[],
    readonly room: Room,
  ) {
    this.picks = [...picks];
    for (const pick of picks) this.count(pick, 1);
  }

  totals(): Totals {
    const { cycles, constantBytes, copiedBytes, room } = this;
    let arenaBytes = room.leastArenaBytes;
    for (const { alternative } of this.picks) {
      if (alternative.arenaBytes > arenaBytes) arenaBytes = alternative.arenaBytes;
    }
    const code = Math.ceil((1 + codeMargin) * (room.runtimeBytes + this.codeBytes));
    return { cycles, imageBytes: constantBytes + code, arenaBytes, copiedBytes };
  }

  /** @returns the move back */
  apply(move: Move): Move {
    const back = move.map(([step]): Change => [step, this.picks[step] as Pick]);
    for (const [step, pick] of move) {
      this.count(this.picks[step] as Pick, -1);
      this.picks[step] = pick;
      this.count(pick, 1);
    }
    return back;
  }

  totalsAfter(move: Move): Totals {
    const back = this.apply(move);
    const totals = this.totals();
    this.apply(back);
    return totals;
  }

  private count({ alternative, cycles, sramBytes }: Pick, sign: 1 | -1): void {
    this.cycles += sign * cycles;
    this.constantBytes += sign * alternative.flashBytes;
    this.copiedBytes += sign * sramBytes;
    for (const { key, bytes } of alternative.code) {
      const before = this.uses.get(key) ?? 0;
      this.uses.set(key, before + sign);
      if (Math.min(before, before + sign) === 0) this.codeBytes += sign * bytes;
    }
  }
}
