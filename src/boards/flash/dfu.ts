/**
 * The boot loader in an STM32's system memory over USB (ST's AN3156): `--port usb`, or
 * `--port usb:SERIAL` for one of several. It is entered by hand: BOOT0 high during a reset.
 */

import { BonsaiError } from '../../errors.js';
import { isUsb } from '../device/link.js';
import { UsbFault, type UsbHost, usbHost } from '../device/usb.js';
import type { SettingsOf } from '../target/flash.js';
import { DfuClient, DfuRefusal } from './dfu/client.js';
import { type DfuLayout, type DfuSector, readLayout } from './dfu/layout.js';
import { DfuWriter } from './dfu/writer.js';
import type { FlashJob, FlashProtocol } from './protocol.js';
import { stopped } from './shared/entry.js';
import { type WantedUsbBoard, waitForUsbBoard } from './shared/usb-board.js';
import { checkImage } from './stm32/image.js';

type Job = FlashJob<SettingsOf<'stm32-dfu'>>;

/** Of every STM32 in this boot loader (AN2606). */
const ids = { vendorId: 0x0483, productId: 0xdf11 } as const;
const board: WantedUsbBoard = {
  name: 'STM32',
  enter: 'hold BOOT0 high and reset the board (its README.md in targets/ has the pins)',
  isOwn: ({ vendorId, productId }) => vendorId === ids.vendorId && productId === ids.productId,
};
const flashName = /^internal flash$/i;

export const stm32Dfu: FlashProtocol<'stm32-dfu'> = {
  takes: isUsb,
  flash: (job) => flashDfu(job, job.usb),
};

/** @returns the bytes of the image */
export async function flashDfu(job: Job, host: UsbHost = usbHost): Promise<number> {
  checkImage(job, job.target.flashBytes ?? 0);
  const found = await waitForUsbBoard(job, host, board);
  const device = await found.openDfu();
  try {
    const layouts = device.alternates.map(readLayout);
    const setting = layouts.findIndex((layout) => layout !== null && flashName.test(layout.name));
    const sectors = identify(job, found.name, layouts[setting] ?? null);
    await device.selectAlternate(setting);
    await new DfuWriter(new DfuClient(device, host), job, found.name, sectors).run();
  } catch (error) {
    if (error instanceof UsbFault && error.kind === 'lost') {
      throw failed(found.name, `went away: ${error.message}`);
    }
    if (error instanceof UsbFault || error instanceof DfuRefusal) {
      throw failed(found.name, `stops answering: ${error.message}`);
    }
    throw error;
  } finally {
    await device.close();
  }
  return job.image.bytes.length;
}

/** The sectors under the image. @throws BonsaiError 'flash' for the layout of another chip */
function identify(
  { target, settings, image }: Job,
  name: string,
  layout: DfuLayout | null,
): readonly DfuSector[] {
  const begin = Number(settings.flashAddress);
  const sectors = layout?.sectors ?? [];
  const bytes = sectors.reduce((sum, sector) => sum + sector.bytes, 0);
  const isOwn =
    sectors[0]?.address === begin &&
    bytes === target.flashBytes &&
    sectors.every((sector) => sector.isWritable && settings.sectorBytes.includes(sector.bytes));
  if (isOwn) return sectors.filter(({ address }) => address < begin + image.bytes.length);
  const sizes = [...new Set(sectors.map((sector) => sector.bytes / 1024))].join(', ');
  const found =
    layout === null
      ? 'tells no flash'
      : `tells ${bytes / 1024} KB of flash in sectors of ${sizes} KB`;
  throw new BonsaiError(
    'flash',
    name,
    `${found}, which ${target.name} does not have: nothing was erased`,
    'compile for the board that is there: bonsaic targets lists them',
  );
}

function failed(name: string, what: string): BonsaiError {
  return stopped(name, what, 'check the cable, reset the board with BOOT0 high, and try again');
}
