/**
 * The RP2040 of rp2040js, extended for exact counts: the XIP cache, a SysTick with the hardware's
 * period, and the boot ROM functions that the firmware calls.
 */
import { type Logger, RP2040, type Simulator } from 'rp2040js';
import { BonsaiError } from '../../errors.js';
import type { XipModel } from './device.js';
import { SecondCore } from './rp2040core1.js';
import { type FlashChip, FlashInterface, w25q16 } from './rp2040flash.js';
import type { Uf2Image } from './uf2.js';

export const xipBase = 0x1000_0000;
export const flashBytes = 16 * 1024 * 1024;
const sramBase = 0x2000_0000;
/** Key of the flash interface, at 0x18000000, among the peripherals of rp2040js. */
const ssiPage = 0x18000;

/**
 * The XIP cache: 16 KB, two ways, lines of 8 bytes (RP2040 datasheet, 2.6.3). The datasheet does
 * not name a replacement policy; the model evicts the least recently used way.
 */
const cacheSets = 1024;
const lineShift = 3;

/** Where the boot ROM copies the second stage, and the size of that with its checksum. */
const boot2Address = 0x2004_1f00;
const boot2Bytes = 256;

/** RP2040 with the cost of flash reads. The run loop takes the cycles that `stall` accumulates. */
export class Rp2040Mcu extends RP2040 {
  stall = 0;
  misses = 0;
  /** Two tags per set, the more recently used first; the second one is replaced. */
  private readonly tags = new Uint32Array(2 * cacheSets);
  /** Whether misses are modelled. (A tag is never 0, since flash begins at 0x10000000.) */
  private readonly cached: boolean;
  readonly ssi: FlashInterface;
  readonly second: SecondCore;

  /** @param cores 1 for a chip whose second core never answers */
  constructor(xip: XipModel, log: Logger, flash: FlashChip = w25q16(), cores = 2) {
    super();
    this.second = new SecondCore(this, cores > 1);
    this.ssi = new FlashInterface(this, 'SSI', flash);
    this.peripherals[ssiPage] = this.ssi;
    this.cached = xip === 'model';
    this.logger = {
      debug: log.debug.bind(log),
      warn: log.warn.bind(log),
      error: log.error.bind(log),
      // rp2040js only logs this instruction.
      info: (component, message) =>
        message === 'SEV' ? this.second.signal() : log.info(component, message),
    };
    correctSysTick(this);
    this.bootrom.set(bootRomWords());
  }

  /** The clock of simulated time; the type of rp2040js is narrower than the object. */
  get simulationClock(): Simulator['clock'] {
    return this.clock as Simulator['clock'];
  }

  // Instruction fetches and loads all pass through these three. Only addresses 0x10… are cached;
  // the firmware does not use the aliases that bypass the cache.
  override readUint32(address: number): number {
    if (address >>> 24 === 0x10 && this.cached) this.touch(address);
    return super.readUint32(address);
  }

  override readUint16(address: number): number {
    if (address >>> 24 === 0x10 && this.cached) this.touch(address);
    return super.readUint16(address);
  }

  override readUint8(address: number): number {
    if (address >>> 24 === 0x10 && this.cached) this.touch(address);
    return super.readUint8(address);
  }

  private touch(address: number): void {
    const { tags } = this;
    const line = address >>> lineShift;
    const first = (line & (cacheSets - 1)) * 2;
    const recent = tags[first] as number;
    if (recent === line) return;
    if (tags[first + 1] !== line) {
      const { cyclesPerMiss } = this.ssi;
      this.stall += this.second.flashWait(cyclesPerMiss) + cyclesPerMiss;
      this.misses++;
    }
    tags[first + 1] = recent;
    tags[first] = line;
  }

  /** Writes a UF2 to flash; the rest stays erased. */
  load(image: Uf2Image, where: string): void {
    for (const { address, payload } of image.blocks) {
      const offset = address - xipBase;
      if (offset < 0 || offset + payload.length > flashBytes) {
        throw new BonsaiError(
          'flash',
          where,
          `writes to 0x${address.toString(16)}, which is not flash`,
          'build it again: bonsaic build DIR',
        );
      }
      this.flash.set(payload, offset);
    }
  }

  /**
   * Does the work of the boot ROM (datasheet 2.8.1): checks the CRC of the second stage, copies it
   * to the end of SRAM and jumps there.
   */
  boot(where: string): void {
    const { core, flash, flashView, sram } = this;
    const stored = flashView.getUint32(boot2Bytes - 4, true);
    if (crc32Mpeg(flash.subarray(0, boot2Bytes - 4)) !== stored) {
      throw new BonsaiError(
        'device',
        where,
        'cannot boot: the checksum of its second stage is wrong',
        'build it again: bonsaic build DIR',
      );
    }
    sram.set(flash.subarray(0, boot2Bytes), boot2Address - sramBase);
    core.SP = boot2Address;
    core.LR = 0;
    core.PC = boot2Address;
  }
}

/** The boot ROM's CRC-32: polynomial 0x04C11DB7, not reflected, no final inversion. */
function crc32Mpeg(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte << 24;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000_0000 ? (crc << 1) ^ 0x04c1_1db7 : crc << 1;
  }
  return crc >>> 0;
}

/**
 * SysTick counts reload, …, 1, 0, reload: a period of reload + 1 cycles. rp2040js reloads one cycle
 * early, on reaching 0, so every measurement across a wrap would lose a cycle.
 */
function correctSysTick(mcu: RP2040): void {
  const { clock, core, ppb } = mcu;
  const alarm = ppb.systickAlarm;
  const reload = clock.createAlarm(() => {
    ppb.systickTimer.set(ppb.systickReload);
    alarm.enable = true;
  });
  (alarm as { callback: () => void }).callback = () => {
    ppb.systickCountFlag = true;
    if (ppb.systickIntEnable) {
      core.pendingSystick = true;
      core.interruptsUpdated = true;
    }
    alarm.enable = false;
    reload.schedule(1e9 / mcu.clkSys);
  };
}

/**
 * The number of the `bkpt` by which the simulated boot ROM signals a restart in the boot loader.
 */
export const bootLoaderBreak = 0xb0;

/**
 * The boot ROM functions that the firmware calls (datasheet 2.8.3): the look-up function, and a
 * table with one entry, 'UB', which restarts the board as a USB drive.
 */
function bootRomWords(): Uint32Array {
  const lookup = 0x40;
  const usbBoot = 0x60;
  const table = 0x80;
  const rom = new Uint16Array(0x100 / 2);
  const place = (address: number, halfwords: readonly number[]) => rom.set(halfwords, address / 2);
  place(0x10, [0x754d, 0x0301]); // 'M' 'u' 1, version 3
  place(0x14, [table, table, lookup | 1]);
  place(lookup, [
    0x8802, //       next: ldrh r2, [r0]
    0x8843, //             ldrh r3, [r0, #2]
    0x428a, //             cmp  r2, r1
    0xd003, //             beq  found
    0x3004, //             adds r0, #4
    0x2a00, //             cmp  r2, #0
    0xd1f8, //             bne  next
    0x2300, //             movs r3, #0
    0x1c18, //      found: adds r0, r3, #0
    0x4770, //             bx   lr
  ]);
  place(usbBoot, [0xbe00 | bootLoaderBreak, 0xe7fe]); // bkpt; b .
  place(table, [0x4255, usbBoot | 1, 0, 0]); // 'U' 'B'
  return new Uint32Array(rom.buffer);
}
