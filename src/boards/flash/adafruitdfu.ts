/**
 * Adafruit's boot loader of nRF52 boards on its serial port (the protocol of adafruit-nrfutil's 'dfu serial'): for a board behind a
 * network, and where no drive is mounted. It does not tell its chip, and erases before it looks at the init packet, which
 * names the SoftDevice: a board with another one is left without a program. Nothing can be read back; it compares a CRC.
 */

import { BonsaiError } from '../../errors.js';
import { isNetworkPort } from '../device/link.js';
import { isUf2 } from '../device/uf2.js';
import type { SettingsOf } from '../target/flash.js';
import { againByHand, writeByAdafruit } from './adafruit/writer.js';
import type { FlashJob, FlashProtocol } from './protocol.js';
import { hasFirmware, isBuild } from './shared/confirm.js';
import { checkVectorTable, requireRoom } from './shared/image.js';
import { contentOf, uf2ImageFor } from './uf2/image.js';

type Job = FlashJob<SettingsOf<'adafruit-dfu'>>;

/** For the firmware to start and its port to come back. */
const mostGreetings = 20;
const greetMs = 500;

export const adafruitDfu: FlashProtocol<'adafruit-dfu'> = {
  // Where the board is plugged in here, it also has a drive.
  takes: isNetworkPort,
  async flash(job) {
    const content = contentFor(job);
    await writeByAdafruit(job, job.settings, content);
    await confirm(job, content);
    return content.length;
  },
};

/** The bytes of the flash. @throws BonsaiError 'flash' when they are not for this board */
function contentFor({ image, target, settings: { ramAddress } }: Job): Uint8Array {
  const { path, bytes } = image;
  const content = isUf2(bytes) ? contentOf(uf2ImageFor(image, target)) : bytes;
  const { flashAddress = '0x00000000' } = target;
  requireRoom(path, content.length, target.flashBytes, target.name);
  checkVectorTable({ path, bytes: content }, target, { flashAddress, ramAddress });
  return content;
}

/**
 * A boot loader that does not answer may also have been unplugged: firmware of bonsaic is asked for
 * its build.
 *
 * @throws BonsaiError 'flash' when none answers, or another one
 */
async function confirm({ port, target, greet, sleep }: Job, content: Uint8Array): Promise<void> {
  if (!hasFirmware(content, target)) return;
  for (let i = 0; i < mostGreetings; i++) {
    const answer = await greet();
    if (answer !== null && isBuild(content, answer)) return;
    if (answer !== null) break;
    await sleep(greetMs);
  }
  const message = 'the image was sent, but the board has not confirmed its start';
  throw new BonsaiError(
    'flash',
    port,
    message,
    `see bonsaic profile DIR; otherwise ${againByHand}`,
  );
}
