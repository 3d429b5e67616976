/** bonsaic simulate TARGET --link F: a simulated board on a pseudo-terminal, for any program. */
import { type Command, Option } from 'commander';
import { simulateBoard, simulatedBoards } from '../boards/device/simulated.js';
import { muteBoard } from '../boards/profile/mute.js';
import { loadTarget } from '../boards/target/index.js';
import { BonsaiError } from '../errors.js';
import { onStop } from '../leaving.js';
import { required } from './config.js';
import { note } from './output.js';

export function addSimulate(blank: Command): void {
  blank
    .argument('<target>', 'the board')
    .addOption(
      required(
        new Option(
          '--link <path>',
          'where to link the terminal; the flash is kept in <path>.flash, and <path>.drive is its drive, if its boot loader is one',
        ),
      ),
    )
    .addHelpText('after', () => `\n${boardsText()}`)
    .action(async (name: string, { link }: { readonly link: string }) => {
      const board = await simulateBoard(loadTarget(name), link, note, muteBoard);
      const stop = new Promise<null>((resolve) => {
        // Instead of an exit at once: the flash has to be saved.
        onStop(() => resolve(null));
      });
      note(
        `the simulated ${name} is at ${board.place}, its flash in ${board.flashPath}; Ctrl-C ends it`,
      );
      const reason = await Promise.race([stop, board.lost]);
      await board.close();
      if (reason !== null) throw new BonsaiError('device', link, reason, 'start it again');
    });
}

function boardsText(): string {
  const boards = simulatedBoards();
  const names = (runs: boolean) =>
    boards
      .filter((board) => board.runs === runs)
      .map(({ name }) => name)
      .join(', ');
  return (
    `Boards whose image runs at <path> once it is started:\n  ${names(true)}\n` +
    `Boards in their boot loader alone:\n  ${names(false)}`
  );
}
