/** Whether a board runs the image, by what firmware of bonsaic says of itself. */
import type { FlashJob, Greeting } from '../protocol.js';

/** Whether the image is firmware of bonsaic for the target: it has the name that such firmware has on USB. */
export function hasFirmware(
  content: Uint8Array,
  { name }: Pick<FlashJob<unknown>['target'], 'name'>,
): boolean {
  return Buffer.from(content).includes(`bonsaic ${name}\0`);
}

/** Whether such an image is the one that has answered. */
export function isBuild(content: Uint8Array, { modelSha256, tag }: Greeting): boolean {
  const bytes = Buffer.from(content);
  return [modelSha256, tag].every((part) => bytes.includes(Buffer.from(part)));
}
