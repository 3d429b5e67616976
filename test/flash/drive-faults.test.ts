/** Faults while a drive is written, 200 seeds each; docs/reliability.md has the outcomes. */
import { expect } from 'chai';
import type { DriveFile } from '../../src/boards/flash/uf2/copy.js';
import { flashUf2Drive } from '../../src/boards/flash/uf2drive.js';
import { DriveBoard, firmwareOf, systemError } from '../support/drive.js';
import { checkTable, Killed, Outcomes, resultOf, seeds } from '../support/fault-rows.js';
import { Random } from '../support/module.js';

const imageBytes = 9_000;
/** Waits for the drive, for its end, for the port and for the firmware. */
const longestMs = 4 * 15_000 + 5_000;

/** What happens when the drive has got so many bytes; the user then does what `mend` says. */
interface Fault {
  readonly strike: (board: DriveBoard, random: Random) => void;
  readonly mend: (board: DriveBoard) => void;
}

const fails = (code: string) => () => {
  throw systemError(code);
};
const plugIn = (board: DriveBoard) => board.plugIn();
const nothing = () => {};

const faults: Readonly<Record<string, Fault>> = {
  'drive full': { strike: fails('ENOSPC'), mend: nothing },
  'drive read-only': { strike: fails('EROFS'), mend: nothing },
  'drive vanishes': {
    strike: (board) => {
      board.leave();
      throw systemError('EIO');
    },
    mend: plugIn,
  },
  'cable out and in again': {
    // What the flash has now starts, if the boot ROM finds its second stage.
    strike: (board, random) => {
      board.leave();
      const isWhole = board.rom.flash.subarray(0, 256).some((byte) => byte !== 0xff);
      board.after(random.integer(0, 3_000), () =>
        isWhole ? board.start() : board.enterBootLoader(),
      );
      throw systemError('EIO');
    },
    mend: plugIn,
  },
  'host killed': {
    strike: () => {
      throw new Killed();
    },
    mend: nothing,
  },
};

/** A file that lets so many bytes pass. */
function limited(file: DriveFile, bytes: number, strike: () => void): DriveFile {
  let left = bytes;
  return {
    close: () => file.close(),
    write: async (piece) => {
      const some = await file.write(piece.subarray(0, left));
      left -= some;
      if (some < piece.length) {
        // The kernel has sent what it had.
        await file.sync();
        strike();
      }
      return some;
    },
    sync: () => file.sync(),
  };
}

describe('flash: faults of a drive', () => {
  it('each of 200 seeds ends done or with an error, and the next attempt succeeds', async () => {
    const rows: (readonly (string | number)[])[] = [];
    for (const [name, fault] of Object.entries(faults)) {
      const outcomes = new Outcomes();
      for (let seed = 0; seed < seeds; seed++) await tryOne(name, fault, seed, outcomes);
      rows.push(outcomes.row('rp2040, drive', name));
    }
    checkTable('drive faults', rows);
  });
});

async function tryOne(name: string, fault: Fault, seed: number, outcomes: Outcomes): Promise<void> {
  const what = `${name}, seed ${seed}`;
  const random = new Random(seed);
  const board = new DriveBoard();
  try {
    // It runs firmware of the same size, so that no block's number tells the images apart.
    board.rom.flash.set(firmwareOf(seed + 1_000, imageBytes));
    if (random.integer(0, 1) === 0) board.start();
    else board.enterBootLoader();
    const image = firmwareOf(seed, imageBytes);
    const passes = random.integer(0, Math.ceil(imageBytes / 256) * 512);
    board.breakFile = (file) => limited(file, passes, () => fault.strike(board, random));
    const result = await resultOf(() => flashUf2Drive(board.job(image), board.around), what);
    outcomes.add(result, board.nowMs);
    if (result === 'done') expect(board.holds(image), what).to.equal(true);
    board.breakFile = null;
    fault.mend(board);
    const [begin, next] = [board.nowMs, firmwareOf(seed + 2_000, imageBytes)];
    await flashUf2Drive(board.job(next), board.around).catch((error: Error) => {
      throw new Error(`${what}: the next attempt: ${error.message}`, { cause: error });
    });
    expect(board.holds(next), `${what}: what it holds`).to.equal(true);
    expect(board.nowMs - begin, what).to.be.below(longestMs);
  } finally {
    board.dispose();
  }
}
