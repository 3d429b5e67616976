/** The interface of a flash protocol. */

/** Called during a write, with the bytes done and the total. */
export type FlashProgress = (done: number, total: number) => void;

/**
 * Writes an image to the board at `port`, verifies and starts it.
 *
 * @param where the image's path, for errors
 * @throws BonsaiError 'flash' or 'device' with a hint
 */
export type FlashProtocol = (
  image: Uint8Array,
  where: string,
  port: string,
  progress: FlashProgress,
) => Promise<void>;
