/** Writing an image to a board, with its progress. */
import { isSimulated, placeOf } from '../device/index.js';
import { type FlashResult, flash } from '../flash/index.js';
import { greetFirmware, restartInBootLoader } from '../profile/restart.js';
import { transferBar } from '../progress.js';
import type { Target } from '../target/index.js';
import type { DeviceJob } from './types.js';

/** Lines about one transfer. */
const mostProgressLines = 50;

/** bonsaic flash: an image on a board, verified and started; for a simulator checked only. */
export function flashImage(
  image: string,
  target: Target,
  { port, progress, ifStopped }: Pick<DeviceJob, 'port' | 'progress' | 'ifStopped'>,
): Promise<FlashResult> {
  const title = isSimulated(port)
    ? `Check the image for ${placeOf(port, target)}`
    : `Flash ${target.name} over ${port}`;
  return progress(title, (say) => {
    let begin: number | null = null;
    let shown = -1;
    return flash(image, port, target, {
      say,
      // Without a terminal each is a line.
      progress(done, total) {
        if (begin === null) {
          begin = performance.now();
          if (!isSimulated(port)) ifStopped?.(halfWritten(port));
        }
        const share = Math.floor((done * mostProgressLines) / total);
        if (share === shown) return;
        shown = share;
        say(transferBar(done, total, performance.now() - begin));
      },
      restart: () => restartInBootLoader(port, target),
      greet: () => greetFirmware(port, target),
    }).finally(() => ifStopped?.(null));
  });
}

function halfWritten(port: string): string {
  return (
    `stopped while the board at ${port} was written: it has a part of the image and does not run\n` +
    `  → flash it again: bonsaic flash DIR --port ${port}`
  );
}
