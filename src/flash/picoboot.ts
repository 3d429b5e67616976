/** RP2040 and RP2350 in their boot ROM over USB, where its drive is not mounted: `--port usb`. */
import { type FoundUsbDevice, type UsbHost, usbHost } from '../device/usb.js';
import { BonsaiError } from '../errors.js';
import type { SettingsOf } from '../target/flash.js';
import { listTargets, loadTarget } from '../target/index.js';
import { isOf, writeByPicoboot } from './picoboot/writer.js';
import type { FlashJob, FlashProtocol } from './protocol.js';
import { uf2ImageFor } from './uf2/image.js';

type Settings = SettingsOf<'picoboot'>;

const waitMs = 15_000;
const pollMs = 300;
const usbPort = /^usb(?::(.+))?$/;

export const picoboot: FlashProtocol<'picoboot'> = {
  takes: (port) => usbPort.test(port),
  flash: (job) => flashPicoboot(job),
};

/** @returns the bytes of the image */
export async function flashPicoboot(
  job: FlashJob<Settings>,
  host: UsbHost = usbHost,
): Promise<number> {
  const { image: file, target, port, settings, say } = job;
  const image = uf2ImageFor(file, target);
  say('looking for a board in its boot loader on USB: hold BOOTSEL while you plug it in');
  const serialNumber = usbPort.exec(port)?.[1] ?? null;
  const end = host.now() + waitMs;
  let found = await findBoard(job, serialNumber, host);
  while (found === null && host.now() < end) {
    await host.sleep(pollMs);
    found = await findBoard(job, serialNumber, host);
  }
  if (found === null) {
    throw new BonsaiError(
      'flash',
      port,
      `no ${target.name} in its boot loader appeared on USB within ${waitMs / 1000} s`,
      'hold BOOTSEL while you plug the board in, then try again',
    );
  }
  say(`reading the flash of ${found.name}`);
  await writeByPicoboot(job, settings, found, image);
  return image.bytes;
}

/**
 * The one board in its boot loader; null if there is none.
 *
 * @throws BonsaiError 'flash' when several fit, or only another chip is there; 'toolchain' without
 *   the package
 */
async function findBoard(
  { port, target, settings }: FlashJob<Settings>,
  serialNumber: string | null,
  host: UsbHost,
): Promise<FoundUsbDevice | null> {
  const devices = (await host.list()).filter(
    (device) => serialNumber === null || device.serialNumber === serialNumber,
  );
  const own = devices.filter((device) => isOf(device, settings));
  const [first, second] = own;
  if (first !== undefined && second === undefined) return first;
  if (first !== undefined) {
    const serials = own.map((device) => device.serialNumber ?? device.name);
    throw new BonsaiError(
      'flash',
      port,
      `several boards are in their boot loader: ${serials.join(', ')}`,
      'unplug all but one, or name one by its serial number: --port usb:SERIAL',
    );
  }
  for (const name of listTargets()) {
    const others = loadTarget(name).flashProtocols.filter((each) => each.protocol === 'picoboot');
    const other = devices.find((device) => others.some((each) => isOf(device, each)));
    if (other === undefined) continue;
    throw new BonsaiError(
      'flash',
      other.name,
      `is the boot loader of another chip than that of ${target.name}: nothing was erased`,
      `compile for it: --target ${name}`,
    );
  }
  return null;
}
