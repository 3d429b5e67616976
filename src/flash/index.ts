/** Writes an image to a board. One file per protocol. */
import { readFile } from 'node:fs/promises';
import { isSimulated } from '../device/index.js';
import { readUf2 } from '../device/uf2.js';
import { BonsaiError } from '../errors.js';
import type { Target } from '../target/index.js';
import type { FlashProgress, FlashProtocol } from './protocol.js';
import { flashUf2Drive } from './uf2drive.js';

export interface FlashResult {
  /** Bytes of the image that the board stores. */
  readonly bytes: number;
}

/** By the name in target.json. */
const protocols: ReadonlyMap<string, FlashProtocol> = new Map([['uf2-drive', flashUf2Drive]]);

/**
 * Writes the image to the board at `port`, verifies and starts it. For a simulator, which loads its
 * image when it starts, the image is only checked.
 *
 * @param image path of a .uf2 (rp2040) or an executable (host)
 * @throws BonsaiError 'flash' or 'device' with a hint
 */
export async function flash(
  image: string,
  port: string,
  target: Pick<Target, 'name' | 'flashProtocol' | 'uf2FamilyId'>,
  progress: FlashProgress = () => {},
): Promise<FlashResult> {
  const file = await readImage(image);
  const bytes =
    target.uf2FamilyId === undefined
      ? file.length
      : readUf2(file, Number(target.uf2FamilyId), image).bytes;
  if (isSimulated(port)) {
    progress(bytes, bytes);
    return { bytes };
  }
  const protocol = protocols.get(target.flashProtocol ?? '');
  if (protocol === undefined) {
    throw new BonsaiError(
      'flash',
      port,
      `bonsaic does not flash boards of target ${target.name}`,
      `targets/${target.name}/README.md says what does; then: bonsaic profile DIR --port ${port}`,
    );
  }
  await protocol(file, image, port, progress);
  return { bytes };
}

async function readImage(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new BonsaiError(
      'flash',
      path,
      `cannot read the image: ${(error as Error).message}`,
      'build it first: bonsaic build DIR',
    );
  }
}
