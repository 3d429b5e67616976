/** What simulated boards for other programs have in common. */
import { lstatSync, readFileSync } from 'node:fs';
import { BonsaiError } from '../../errors.js';
import { judgeImage } from '../build/image-record.js';

export interface SimulatedBoard {
  /** The file with the content of the flash. */
  readonly flashPath: string;
  /** Where its boot loader is, for people. */
  readonly place: string;
  /** Resolves with the reason when the board ends by itself. */
  readonly lost: Promise<string>;
  close(): Promise<void>;
}

/** How long after bytes from the host the flash is saved; a start and the end save at once. */
export const saveAfterMs = 200;

/**
 * The flash of an earlier session; undefined if there is none.
 *
 * @throws BonsaiError 'usage' for a file that is no flash of this board, since it would be replaced
 */
export function keptFlash(path: string, target: string, bytes: number): Uint8Array | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  if (!stats.isFile() || stats.size !== bytes) {
    throw new BonsaiError(
      'usage',
      path,
      `is not the flash of a simulated ${target}, a file of ${bytes} bytes`,
      'move it away, or choose another --link',
    );
  }
  return new Uint8Array(readFileSync(path));
}

/** A boot loader starts what its flash holds: tells of an image that is not whole. */
export function tellOfFault(flash: Uint8Array, tell: (text: string) => void): void {
  const { state, what } = judgeImage(flash, true);
  if (state === 'damaged') tell(`the image in the flash ${what}`);
}
