/** Writing an image to a board, with its progress. */
import { isSimulated, placeOf } from '../boards/device/index.js';
import { type FlashResult, flash } from '../boards/flash/index.js';
import { greetFirmware, restartInBootLoader } from '../boards/profile/restart.js';
import type { Target } from '../boards/target/index.js';
import type { Left } from '../leaving.js';
import { transferBar } from '../progress.js';
import type { DeviceJob } from './types.js';

/** How often a transfer is told, in a log and on a terminal that redraws. */
const logLines = 10;
const terminalLines = 50;

type FlashJob = Pick<DeviceJob, 'port' | 'progress' | 'ifStopped'> & {
  /** Whether to take images that bonsaic did not build. */
  readonly foreign?: boolean;
};

/** bonsaic flash: an image on a board, verified and started; for a simulator checked only. */
export function flashImage(
  image: string,
  target: Target,
  { port, progress, ifStopped, foreign = false }: FlashJob,
): Promise<FlashResult> {
  const title = isSimulated(port)
    ? `Check the image for ${placeOf(port, target)}`
    : `Flash ${target.name} over ${port}`;
  return progress(title, (say) => {
    let isBegun = false;
    let base: { readonly done: number; readonly at: number } | null = null;
    let shown = -1;
    let logged = -1;
    let text = '';
    return flash(image, port, target, {
      foreign,
      say,
      progress(done, total) {
        if (!isBegun && done < total && !isSimulated(port)) {
          isBegun = true;
          ifStopped?.(halfWritten(port));
        }
        const now = performance.now();
        // The first call with bytes counts those that the board held already.
        if (done > 0) base ??= { done, at: now };
        const share = (parts: number) => Math.floor((done * parts) / total);
        if (share(terminalLines) === shown) return;
        shown = share(terminalLines);
        const { done: kept = done, at = now } = base ?? {};
        const picture = transferBar(done, total, { done: kept, sinceMs: now - at });
        if (share(logLines) !== logged) text = picture;
        logged = share(logLines);
        say(text, picture);
      },
      restart: () => restartInBootLoader(port, target),
      greet: () => greetFirmware(port, target),
    }).finally(() => ifStopped?.(null));
  });
}

function halfWritten(port: string): Left {
  return {
    where: port,
    message: 'stopped while the board was written: it has a part of the image and does not run',
    hint: `flash it again: bonsaic flash DIR --port ${port}`,
  };
}
