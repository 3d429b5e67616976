/** Writes an image to a board. One file per protocol. */
import { setTimeout } from 'node:timers/promises';
import { BonsaiError } from '../../errors.js';
import { readInput } from '../../files.js';
import type { Say } from '../../progress.js';
import { isElf } from '../build/elf.js';
import { hasChip, makeChip } from '../device/chips/index.js';
import { transportTo } from '../device/chips/transport.js';
import { hasUsbChip, makeUsbHost } from '../device/chips/usb.js';
import { isSimulated, placeOf } from '../device/index.js';
import { isProbe, isUsb, type LineSettings } from '../device/link.js';
import { openTransport, type Transport } from '../device/transport.js';
import type { FlashProtocolName, FlashSettings } from '../target/flash.js';
import { adafruitDfu } from './adafruitdfu.js';
import { stm32Dfu } from './dfu.js';
import { espRom } from './esprom.js';
import { idf } from './idf.js';
import { checkForSimulator, checkRecord } from './image-check.js';
import { nrfDfu } from './nrfdfu.js';
import { picoboot } from './picoboot.js';
import { debugProbe } from './probe.js';
import type { FlashJob, FlashProgress, FlashProtocol, FlashTarget } from './protocol.js';
import { stm32Uart } from './stm32uart.js';
import { uf2Drive } from './uf2drive.js';

export type { FlashProgress } from './protocol.js';

export interface FlashResult {
  /** Bytes of the image that the board stores. */
  readonly bytes: number;
  /** Whether a boot loader, real or simulated, has written any of them. */
  readonly written: boolean;
  /** Whether the board held all of them already. If neither, they were only checked. */
  readonly unchanged: boolean;
}

export interface FlashOptions {
  /** Whether to take images that bonsaic did not build, or that have changed since; default: no. */
  readonly foreign?: boolean;
  readonly progress?: FlashProgress;
  readonly say?: Say;
  /** See FlashJob; default: there is no firmware to ask. */
  readonly restart?: FlashJob<FlashSettings>['restart'];
  readonly greet?: FlashJob<FlashSettings>['greet'];
  /** Default: in real time. */
  readonly sleep?: FlashJob<FlashSettings>['sleep'];
  /** How to open the port; default: as a serial port. */
  readonly open?: (line: LineSettings) => Promise<Transport>;
}

/** By the name in target.json. */
const protocols: { readonly [Name in FlashProtocolName]: FlashProtocol<Name> } = {
  'adafruit-dfu': adafruitDfu,
  'esp-rom': espRom,
  'debug-probe': debugProbe,
  idf,
  'nrf-dfu': nrfDfu,
  picoboot,
  'stm32-dfu': stm32Dfu,
  'stm32-uart': stm32Uart,
  'uf2-drive': uf2Drive,
};

/**
 * Writes the image to the board at `port`, verifies and starts it. For a simulator, which loads its
 * image when it starts, the image is checked. Where the boot loader of the board is simulated too,
 * the image also goes through it in this process.
 *
 * @param path of a .uf2 (rp2040), a .bin (stm32, esp32c3) or an executable (QEMU, host)
 * @throws BonsaiError 'flash' or 'device' with a hint; 'device' too when there is no simulator; 'usage' for a file
 *   that cannot be read
 */
export async function flash(
  path: string,
  port: string,
  target: FlashTarget,
  options: FlashOptions = {},
): Promise<FlashResult> {
  const { progress = () => {}, say = () => {}, sleep = setTimeout, foreign = false } = options;
  const { restart = async () => false, greet = async () => null } = options;
  // Without a simulator no image is the right one.
  placeOf(port, target);
  requireSimulatedUsb(port, target);
  const file = readInput(path, 'image');
  const image = { path, bytes: file };
  checkRecord(image, target, foreign);
  let open = options.open ?? ((line: LineSettings) => openTransport(port, line));
  const isOnUsb = port === simulatedUsb && hasUsbChip(target);
  if (isSimulated(port)) {
    const bytes = checkForSimulator(image, target);
    if (!isOnUsb && (!hasSimulatedLoader(target) || isElf(file))) {
      progress(bytes, bytes);
      return { bytes, written: false, unchanged: false };
    }
    if (!isOnUsb) {
      const chip = makeChip(target);
      open = async () => transportTo(chip, port);
    }
  }
  const usb = isOnUsb ? { usb: makeUsbHost(target) } : {};
  const { protocol, settings } = protocolFor(isOnUsb ? 'usb' : port, target);
  let written = false;
  const watch: FlashProgress = (done, total) => {
    // A protocol that finds all bytes there has nothing to tell but the end.
    written ||= done < total || total === 0;
    progress(done, total);
  };
  const [board, told] = [
    { target, settings, port, open, ...usb },
    { progress: watch, say },
  ];
  const job: FlashJob<FlashSettings> = { image, ...board, restart, greet, sleep, ...told };
  const bytes = await protocol.flash(job);
  return { bytes, written, unchanged: !written };
}

const simulatedUsb = 'sim:usb';

/** @throws BonsaiError 'device' where no boot loader that could be on USB is simulated */
function requireSimulatedUsb(port: string, target: FlashTarget): void {
  if (port !== simulatedUsb || hasUsbChip(target) || hasChip(target)) return;
  const message = `no boot loader of ${target.name} on USB is simulated`;
  const hint = '--port sim checks the image as its simulator loads it';
  throw new BonsaiError('device', port, message, hint);
}

/** Whether `flash` to the target's simulator goes through the boot loader of the board. */
export function hasSimulatedLoader(target: FlashTarget): boolean {
  return hasChip(target);
}

/** The protocol for the board at `port`, and its settings. */
function protocolFor(port: string, target: FlashTarget) {
  for (const settings of target.flashProtocols) {
    const protocol = protocols[settings.protocol] as FlashProtocol;
    if (protocol.takes?.(port) ?? !(isProbe(port) || isUsb(port))) return { protocol, settings };
  }
  const isFlashed = target.flashProtocols.length > 0;
  throw new BonsaiError(
    'flash',
    port,
    isFlashed
      ? `boards of target ${target.name} are not flashed over this port`
      : `bonsaic does not flash boards of target ${target.name}`,
    `targets/${target.name}/README.md says ${isFlashed ? 'how they are' : 'what does'}`,
  );
}
