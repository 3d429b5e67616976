/** RP2040 and RP2350 in their boot ROM over USB, where its drive is not mounted: `--port usb`. */

import { BonsaiError } from '../../errors.js';
import { isUsb } from '../device/link.js';
import { type UsbHost, usbHost } from '../device/usb.js';
import type { SettingsOf } from '../target/flash.js';
import { isOf, writeByPicoboot } from './picoboot/writer.js';
import type { FlashJob, FlashProtocol } from './protocol.js';
import { compileHint, settingsOfAll, targetsWith } from './shared/kin.js';
import { type WantedUsbBoard, waitForUsbBoard } from './shared/usb-board.js';
import { uf2ImageFor } from './uf2/image.js';

type Job = FlashJob<SettingsOf<'picoboot'>>;

export const picoboot: FlashProtocol<'picoboot'> = {
  takes: isUsb,
  flash: (job) => flashPicoboot(job, job.usb),
};

/** @returns the bytes of the image */
export async function flashPicoboot(job: Job, host: UsbHost = usbHost): Promise<number> {
  const { image: file, target, settings, say } = job;
  const image = uf2ImageFor(file, target);
  const found = await waitForUsbBoard(job, host, wantedBoard(job));
  say(`reading the flash of ${found.name}`);
  await writeByPicoboot(job, settings, found, image);
  return image.bytes;
}

function wantedBoard({ target, settings }: Job): WantedUsbBoard {
  // Of all targets' files: read where another device is there, and once for all looks.
  let all: ReturnType<typeof settingsOfAll<'picoboot'>> | null = null;
  return {
    name: target.name,
    enter: 'hold BOOTSEL while you plug it in',
    isOwn: (device) => isOf(device, settings),
    onOthers(devices) {
      for (const device of devices) {
        all ??= settingsOfAll('picoboot');
        const kin = targetsWith('picoboot', (each) => isOf(device, each), all);
        if (kin.length === 0) continue;
        throw new BonsaiError(
          'flash',
          device.name,
          `is the boot loader of another chip than that of ${target.name}: nothing was erased`,
          compileHint(kin),
        );
      }
    },
  };
}
