/** What a simulated board answers whose image does not run: the simulator's word, at once. */
import { encodeFrame, errorCodes, errorType, FrameReader, maxBodyBytes } from './protocol.js';

/**
 * @param reason for people
 * @returns what the board sends back for bytes that it gets: an error for each frame, nothing for
 *   what is none
 */
export function muteBoard(reason: string): (bytes: Uint8Array) => Uint8Array {
  const reader = new FrameReader();
  const text = Buffer.from(reason).subarray(0, maxBodyBytes - 1);
  const body = Buffer.concat([Uint8Array.of(errorCodes.mute), text]);
  return (bytes) =>
    Buffer.concat(
      [...reader.push(bytes)].map(({ sequence, tag }) =>
        encodeFrame({ type: errorType, sequence, tag, body }),
      ),
    );
}
