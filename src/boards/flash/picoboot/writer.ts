/** Writes an image by PICOBOOT: only the sectors that differ, read back, tried again. */

import { BonsaiError } from '../../../errors.js';
import type { Uf2Image } from '../../device/uf2.js';
import { type FoundUsbDevice, type UsbDevice, UsbFault, type UsbIds } from '../../device/usb.js';
import type { SettingsOf } from '../../target/flash.js';
import type { FlashJob } from '../protocol.js';
import { notStarted } from '../shared/entry.js';
import { compileHint, targetsWith } from '../shared/kin.js';
import { PicobootClient, Refused } from './client.js';

const sectorBytes = 4096;
const pageBytes = 256;
/** Every boot ROM has 'M', 'u' and its version here (RP2040 datasheet 2.8.3, RP2350 datasheet 5.4). */
const romMagicAddress = 0x10;
const rebootDelayMs = 500;
/** How often a command is tried, with a reset of the interface between. */
const mostTries = 4;
const mostPasses = 4;

type Job = Pick<FlashJob<unknown>, 'target' | 'progress'>;

/** What a flash sector will hold. */
interface Sector {
  readonly address: number;
  readonly bytes: Uint8Array;
}

/** Whether the device is the boot ROM of these settings, by its USB ids. */
export function isOf(
  { vendorId, productId }: UsbIds,
  settings: Pick<SettingsOf<'picoboot'>, 'vendorId' | 'productId'>,
): boolean {
  return vendorId === Number(settings.vendorId) && productId === Number(settings.productId);
}

/**
 * @throws BonsaiError 'flash' or 'device' with a hint
 */
export async function writeByPicoboot(
  job: Job,
  settings: SettingsOf<'picoboot'>,
  found: FoundUsbDevice,
  image: Uf2Image,
): Promise<void> {
  const device = await found.open();
  try {
    await new Writer(job, settings, device, found.name).run(sectorsOf(image));
  } catch (error) {
    throw asBonsaiError(error, found.name);
  } finally {
    await device.close();
  }
}

const bytesOf = (sectors: readonly Sector[]) =>
  sectors.reduce((sum, { bytes }) => sum + bytes.length, 0);

class Writer {
  private readonly client: PicobootClient;

  constructor(
    private readonly job: Job,
    private readonly settings: SettingsOf<'picoboot'>,
    device: UsbDevice,
    private readonly name: string,
  ) {
    this.client = new PicobootClient(device);
  }

  async run(sectors: readonly Sector[]): Promise<void> {
    await this.begin();
    let wrong = await this.differing(sectors);
    const total = bytesOf(sectors);
    let right = total - bytesOf(wrong);
    if (wrong.length > 0) this.job.progress(0, total);
    for (let pass = 0; wrong.length > 0; pass++) {
      if (pass === mostPasses) {
        const hint =
          'plug the board in again with BOOTSEL held; if it stays so, its flash is worn out';
        const { address } = wrong[0] as Sector;
        const message = `its flash differs at 0x${address.toString(16)} after ${pass} attempts`;
        throw new BonsaiError('flash', this.name, message, hint);
      }
      // Without the first sector nothing starts the image, so a board that starts has all of it.
      for (const sector of [...wrong].reverse()) {
        await this.write(sector);
        // A sector that is written again does not count twice.
        right = Math.min(total, right + sector.bytes.length);
        this.job.progress(right, total);
      }
      wrong = await this.differing(sectors);
    }
    await this.reboot();
  }

  private async reboot(): Promise<void> {
    let isSent = false;
    try {
      const { romVersion } = this.settings;
      await this.again(() =>
        this.client.reboot(romVersion, rebootDelayMs, () => {
          isSent = true;
        }),
      );
    } catch (error) {
      // It may go before it has answered.
      if (isSent && error instanceof UsbFault && error.kind === 'lost') return;
      if (!(error instanceof UsbFault || error instanceof Refused)) throw error;
      throw notStarted(this.name, 'unplug the board and plug it in again, BOOTSEL up');
    }
  }

  /** Claims the board, and identifies it by its ROM, before anything is erased. */
  private async begin(): Promise<void> {
    const { romVersion } = this.settings;
    const magic = await this.again(() => this.client.read(romMagicAddress, 4), true);
    const text = Buffer.from(magic.subarray(0, 2)).toString('latin1');
    if (text === 'Mu' && magic[2] === romVersion) return;
    const what = `'${text}' ${magic[2]}, not 'Mu' ${romVersion}`;
    const kin = targetsWith('picoboot', (each) => each.romVersion === magic[2]);
    throw new BonsaiError(
      'flash',
      this.name,
      `is another chip than that of ${this.job.target.name}: its boot ROM says ${what}: nothing was erased`,
      compileHint(kin),
    );
  }

  private async differing(sectors: readonly Sector[]): Promise<readonly Sector[]> {
    const wrong: Sector[] = [];
    for (const sector of sectors) {
      const { address, bytes } = sector;
      const found = await this.again(() => this.client.read(address, bytes.length));
      if (Buffer.compare(found, bytes) !== 0) wrong.push(sector);
    }
    return wrong;
  }

  private async write({ address, bytes }: Sector): Promise<void> {
    await this.again(async () => {
      await this.client.erase(address, sectorBytes, 1);
      await this.client.write(address, bytes);
    });
  }

  /** Runs it; after a refusal or a time-out the interface is reset, and it is tried again. */
  private async again<T>(run: () => Promise<T>, isFirst = false): Promise<T> {
    let isReady = !isFirst;
    for (let tries = 1; ; tries++) {
      try {
        if (!isReady) {
          await this.client.reset();
          await this.client.claim();
          await this.client.exitXip();
          isReady = true;
        }
        return await run();
      } catch (error) {
        const isLost = error instanceof UsbFault && error.kind === 'lost';
        const isKnown = error instanceof UsbFault || error instanceof Refused;
        if (!isKnown || isLost || tries === mostTries) throw error;
        isReady = false;
      }
    }
  }
}

/** Whole pages; what the image leaves out of a sector is erased. */
function sectorsOf({ blocks }: Uf2Image): Sector[] {
  const sectors = new Map<number, Sector>();
  for (const { address, payload } of blocks) {
    const begin = address - (address % sectorBytes);
    const sector = sectors.get(begin) ?? {
      address: begin,
      bytes: new Uint8Array(sectorBytes).fill(0xff),
    };
    sector.bytes.set(payload, address - begin);
    sectors.set(begin, sector);
  }
  return [...sectors.values()]
    .sort((a, b) => a.address - b.address)
    .map(({ address, bytes }) => ({ address, bytes: withoutErasedEnd(bytes) }));
}

/** Pages at the end that are erased anyway are neither written nor read back. */
function withoutErasedEnd(bytes: Uint8Array): Uint8Array {
  let end = bytes.length;
  while (end > pageBytes && bytes.subarray(end - pageBytes, end).every((byte) => byte === 0xff)) {
    end -= pageBytes;
  }
  return bytes.subarray(0, end);
}

function asBonsaiError(error: unknown, name: string): unknown {
  const again = 'plug the board in again with BOOTSEL held, and try again';
  if (error instanceof Refused) {
    return new BonsaiError('flash', name, `refuses a command: ${error.message}`, again);
  }
  if (!(error instanceof UsbFault)) return error;
  const message = error.kind === 'lost' ? `went away: ${error.message}` : 'does not answer';
  return new BonsaiError('device', name, message, again);
}
