/**
 * Nordic's boot loader of the nRF5 SDK over a serial port ('Secure DFU'): chip and image are checked, the boot loader
 * erases and writes page by page, compares a SHA-256 of the whole and starts it. Unsigned images alone, as the open boot loader
 * of the nRF52840 dongle takes them.
 */
import { crc32 } from 'node:zlib';
import { BonsaiError } from '../../errors.js';
import type { Transport } from '../device/transport.js';
import type { SettingsOf } from '../target/flash.js';
import { DfuClient, NoAnswer, Refusal } from './nrf/client.js';
import { initPacket } from './nrf/init-packet.js';
import type { FlashJob, FlashProtocol } from './protocol.js';
import { findOrRestart } from './shared/entry.js';
import { checkVectorTable, requireRoom } from './shared/image.js';

type Job = FlashJob<SettingsOf<'nrf-dfu'>>;

/** How often an object is sent. */
const mostTries = 8;
/** The whole may take so many times what it takes on a clean line. */
const patience = 4;
/** After which a boot loader that has the whole image has left. */
const leaveMs = 1_000;
const byHand =
  'press the reset button of the board (its LED pulses in the boot loader), and try again';

export const nrfDfu: FlashProtocol<'nrf-dfu'> = {
  async flash(job) {
    checkImage(job);
    const { transport, client } = await connect(job);
    try {
      await client.begin();
      await identify(client, job);
      job.say('sending the image');
      await new Sender(client, transport, job).run();
    } catch (error) {
      throw asBonsaiError(error, job.port);
    } finally {
      await transport.close();
    }
    return job.image.bytes.length;
  },
};

/** @throws BonsaiError 'flash' when it is no image for the place behind the boot sector */
function checkImage({ image, target, settings: { ramAddress } }: Job): void {
  const { flashAddress = '0x00000000' } = target;
  requireRoom(image.path, image.bytes.length, target.flashBytes, target.name);
  checkVectorTable(image, target, { flashAddress, ramAddress });
}

interface Connection {
  readonly transport: Transport;
  readonly client: DfuClient;
}

/** @throws BonsaiError 'flash' when no boot loader answers */
async function connect(job: Job): Promise<Connection> {
  const found = await findOrRestart(job, (waitMs) => greet(job, waitMs));
  if (found !== null) return found;
  throw new BonsaiError(
    'flash',
    job.port,
    'no boot loader of Nordic answers, and no firmware of bonsaic that could restart in it',
    byHand,
  );
}

/** The boot loader, if it answers. */
async function greet({ open, settings }: Job, waitFirstMs: number): Promise<Connection | null> {
  const transport = await open({ baudRate: settings.baudRate, parity: 'none' });
  try {
    await transport.sleep(waitFirstMs);
    const client = new DfuClient(transport);
    await client.flush();
    if (await client.ping()) return { transport, client };
  } catch (error) {
    await transport.close();
    throw error;
  }
  await transport.close();
  return null;
}

/** @throws BonsaiError 'flash' for another chip, or another place for the image */
async function identify(client: DfuClient, { port, target, settings }: Job): Promise<void> {
  const refuse = (message: string, hint: string) =>
    new BonsaiError('flash', port, `${message}: nothing was erased`, hint);
  const part = await client.part();
  const own = Number(settings.chip.part);
  if (part !== null && part !== own) {
    const other = `is an nRF${part.toString(16)}; ${target.name} has an nRF${own.toString(16)}`;
    throw refuse(other, 'bonsaic targets lists the boards');
  }
  for (let index = 0; index < 3; index++) {
    const firmware = await client.firmware(index);
    if (firmware === null || firmware.type === 'none') return;
    if (firmware.type !== 'softdevice') continue;
    const end = `0x${(firmware.address + firmware.bytes).toString(16)}`;
    throw refuse(
      `has a SoftDevice up to ${end}, where the image would be written; ${target.name} begins at ${target.flashAddress}`,
      `copy targets/${target.name} and move flash in its linker script and flashAddress`,
    );
  }
}

/** Sends the init packet and the image. */
class Sender {
  private readonly image: Uint8Array;
  private readonly deadlineMs: number;

  constructor(
    private readonly client: DfuClient,
    private readonly transport: Transport,
    private readonly job: Job,
  ) {
    this.image = job.image.bytes;
    const { pageBytes, eraseMs } = job.settings;
    const pages = Math.ceil(this.image.length / pageBytes);
    const expectedMs = 5_000 + pages * (eraseMs + 200) + this.lineMs(this.image.length);
    this.deadlineMs = transport.now() + patience * expectedMs;
  }

  async run(): Promise<void> {
    const { hardwareVersion, softDeviceId, pageBytes } = this.job.settings;
    const packet = initPacket(this.image, { hardwareVersion, softDeviceId });
    await this.again(() => this.sendObject('command', packet, 0, packet));
    await this.execute();
    const { mostBytes } = await this.client.select('data');
    if (mostBytes === 0 || mostBytes % pageBytes !== 0) throw new NoAnswer('no pages');
    this.job.progress(0, this.image.length);
    for (let at = 0; at < this.image.length; at += mostBytes) {
      const object = this.image.subarray(at, at + mostBytes);
      await this.again(() => this.sendObject('data', object, at, this.image));
      const isLast = at + object.length === this.image.length;
      if (isLast) await this.finish();
      else await this.execute();
      this.job.progress(at + object.length, this.image.length);
    }
  }

  /** Eight bits, start and stop; some bytes take two. */
  private lineMs(bytes: number): number {
    return (bytes * 1.1 * 10 * 1000) / this.job.settings.baudRate;
  }

  /** @param whole its first `at` bytes are in the chip */
  private async sendObject(
    type: 'command' | 'data',
    object: Uint8Array,
    at: number,
    whole: Uint8Array,
  ): Promise<void> {
    await this.client.create(type, object.length);
    await this.client.write(object);
    const end = at + object.length;
    const { offset, crc } = await this.client.checksum(this.lineMs(object.length));
    if (offset !== end || crc !== crc32(whole.subarray(0, end))) {
      throw new NoAnswer('what has arrived differs');
    }
  }

  /** Has what was sent taken. A repeated request is refused if the first one was heard. */
  private async execute(): Promise<void> {
    let isRepeated = false;
    await this.again(async () => {
      try {
        await this.client.execute();
      } catch (error) {
        if (error instanceof Refusal && error.isNotPermitted && isRepeated) return;
        isRepeated = true;
        throw error;
      }
    });
  }

  /** The last request: the boot loader compares the whole image, answers and starts it. */
  private async finish(): Promise<void> {
    const { client, transport, job } = this;
    let isAnswered = false;
    for (let attempt = 0; attempt < mostTries && !isAnswered; attempt++) {
      try {
        await client.execute();
        isAnswered = true;
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error;
        if (!(await client.ping())) break;
      }
    }
    if (isAnswered) {
      await transport.sleep(leaveMs);
      // Its port goes with it on USB.
      const stays = await client.ping().catch(() => false);
      if (!stays) return;
    }
    const message = isAnswered
      ? 'has the whole image, but does not start it'
      : 'has the whole image, but has not confirmed its start';
    throw new BonsaiError(
      'flash',
      job.port,
      message,
      `see bonsaic profile DIR; otherwise ${byHand}`,
    );
  }

  private async again(run: () => Promise<void>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await run();
        return;
      } catch (error) {
        const isKnown = error instanceof NoAnswer || error instanceof Refusal;
        const isLate = this.transport.now() > this.deadlineMs;
        if (!isKnown || attempt === mostTries || isLate) throw error;
        await this.client.flush();
      }
    }
  }
}

function asBonsaiError(error: unknown, port: string): unknown {
  if (error instanceof Refusal) {
    return new BonsaiError('flash', port, `the boot loader refuses: ${error.message}`, byHand);
  }
  if (!(error instanceof NoAnswer)) return error;
  return new BonsaiError('flash', port, `flashing stopped: ${error.message}`, byHand);
}
