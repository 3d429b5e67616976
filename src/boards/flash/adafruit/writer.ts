/** Writes an image by Adafruit's boot loader on its serial port. */

import { BonsaiError } from '../../../errors.js';
import type { Transport } from '../../device/transport.js';
import type { SettingsOf } from '../../target/flash.js';
import type { FlashJob } from '../protocol.js';
import { findOrRestart } from '../shared/entry.js';
import { paddedTo } from '../shared/image.js';
import { AdafruitClient, Restarted, Silent } from './client.js';
import { initPacket } from './init-packet.js';

type Settings = SettingsOf<'adafruit-dfu'>;

/** Mode of the start packet. */
const application = 4;
/** Of a packet with a part of the image: what adafruit-nrfutil sends, and what a bad line lets pass. */
const [mostBlockBytes, leastBlockBytes] = [512, 64];
/** After which a boot loader that has the whole image has left. */
const leaveMs = 1_000;
/** How often the image is sent. */
const mostPasses = 4;
/** Enough to know that nothing answers. */
const fewPings = 3;
const pingMs = 300;
export const againByHand = 'press the reset button of the board twice, and try again';

/**
 * Sends an image, again from its beginning if the boot loader refuses it.
 *
 * @param content from the start of the flash for applications on
 * @throws BonsaiError 'flash' or 'device' with a hint
 */
export async function writeByAdafruit(
  job: FlashJob<unknown>,
  settings: Settings,
  content: Uint8Array,
): Promise<void> {
  for (let pass = 0; pass < mostPasses; pass++) {
    const line = await findOrRestart(job, (waitMs) => openLine(job, settings, waitMs));
    if (line === null) {
      const message = 'no boot loader of Adafruit answers, and no firmware of bonsaic';
      throw new BonsaiError('flash', job.port, `${message} that could restart in it`, againByHand);
    }
    const session = new Session(line, job, settings, content);
    if ((await session.run().finally(() => line.transport.close())) === 'started') return;
  }
  throw new BonsaiError(
    'flash',
    job.port,
    `flashing stopped: the boot loader has refused the image ${mostPasses} times`,
    againByHand,
  );
}

interface Line {
  readonly transport: Transport;
  readonly client: AdafruitClient;
}

/** The line to a boot loader that answers; null: none does. @throws BonsaiError 'device' without a port */
async function openLine(
  { open }: Pick<FlashJob<unknown>, 'open'>,
  { baudRate }: Settings,
  waitMs: number,
): Promise<Line | null> {
  const transport = await open({ baudRate, parity: 'none' });
  let isThere = false;
  try {
    await transport.sleep(waitMs);
    const client = new AdafruitClient(transport);
    isThere = await client.ping(fewPings, pingMs);
    return isThere ? { transport, client } : null;
  } finally {
    if (!isThere) await transport.close();
  }
}

/** Whether the boot loader answers at the job's port. */
export async function answersAdafruit(
  job: Pick<FlashJob<unknown>, 'open'>,
  settings: Settings,
): Promise<boolean> {
  const line = await openLine(job, settings, 0).catch((error: unknown) => {
    if (error instanceof BonsaiError) return null;
    throw error;
  });
  await line?.transport.close();
  return line !== null;
}

/** One attempt to have the boot loader take the image. */
class Session {
  private readonly image: Uint8Array;

  constructor(
    private readonly line: Line,
    private readonly job: FlashJob<unknown>,
    private readonly settings: Settings,
    private readonly content: Uint8Array,
  ) {
    // It counts in words.
    this.image = paddedTo(4, content);
  }

  /** @throws BonsaiError 'flash' when it does not answer, or refuses the board's SoftDevice */
  async run(): Promise<'started' | 'refused'> {
    try {
      if (!(await this.begin())) return 'refused';
      await this.send();
      return await this.finish();
    } catch (error) {
      if (error instanceof Restarted) return 'refused';
      if (!(error instanceof Silent)) throw error;
      throw new BonsaiError(
        'flash',
        this.job.port,
        `flashing stopped: ${error.message}`,
        againByHand,
      );
    }
  }

  /** Has the flash erased. A boot loader in which another session was broken off begins anew instead. */
  private async begin(): Promise<boolean> {
    const { client } = this.line;
    const { pageBytes, eraseMs, deviceType, softDeviceIds } = this.settings;
    const pages = Math.ceil(this.image.length / pageBytes);
    this.job.say('erasing');
    this.job.progress(0, this.content.length);
    const sizes = wordsOf(application, 0, 0, this.image.length);
    const workMs = (pages + 1) * eraseMs;
    if ((await this.stateAfter(() => client.send('start', sizes), workMs)) !== 'ready')
      return false;
    const ids = softDeviceIds.map(Number);
    const init = initPacket(this.image, { deviceType, softDeviceIds: ids });
    const state = await this.stateAfter(() => client.send('init', init), 0);
    if (state === 'ready') return true;
    const what =
      state === 'restarted'
        ? 'the boot loader refuses the image: it has another SoftDevice'
        : 'the board has gone away: its cable, or it has another SoftDevice';
    throw new BonsaiError(
      'flash',
      this.job.port,
      `${what}; its program is erased`,
      `plug it in again; update the SoftDevice to that of targets/${this.job.target.name}/README.md; a copy of the target can also begin elsewhere`,
    );
  }

  /** Whether the boot loader begins anew after a packet. Its port on USB goes away then. */
  private async stateAfter(
    sendPacket: () => Promise<unknown>,
    workMs: number,
  ): Promise<'ready' | 'restarted' | 'lost'> {
    const { client } = this.line;
    await client.makeResetsShow();
    try {
      await sendPacket();
      await client.requireNoReset(workMs);
      return 'ready';
    } catch (error) {
      if (error instanceof Restarted) return 'restarted';
      if (isLost(error)) return 'lost';
      throw error;
    }
  }

  private async send(): Promise<void> {
    const { programMs } = this.settings;
    this.job.say('sending the image');
    let blockBytes = mostBlockBytes;
    for (let at = 0; at < this.image.length; ) {
      const block = this.image.subarray(at, at + blockBytes);
      // It may still program the page before.
      const tries = await this.line.client.send('data', block, programMs);
      if (tries > 2) blockBytes = Math.max(leastBlockBytes, blockBytes / 2);
      at += block.length;
      // The last bytes count when it has compared all.
      this.job.progress(Math.min(at, this.content.length - 1), this.content.length);
    }
  }

  /** It has started the image if it no longer answers. */
  private async finish(): Promise<'started' | 'refused'> {
    const { client, transport } = this.line;
    const { eraseMs, programMs } = this.settings;
    try {
      await client.send('stop', new Uint8Array(), eraseMs + programMs);
      await transport.sleep(leaveMs);
      if (await client.ping(fewPings)) return 'refused';
    } catch (error) {
      // The acknowledgement may be lost with the boot loader, and its port goes with it.
      if (!(error instanceof Silent || isLost(error))) throw error;
    }
    this.job.progress(this.content.length, this.content.length);
    return 'started';
  }
}

/** Whether the line is gone. */
function isLost(error: unknown): boolean {
  return error instanceof BonsaiError && error.code === 'device';
}

function wordsOf(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    view.setUint32(i * 4, value, true);
  });
  return bytes;
}
