/** How boards are flashed: the settings of each protocol in src/boards/flash, as target.json has them. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { z } from 'zod';

const hex = (digits: number) => z.string().regex(new RegExp(`^0x[0-9a-f]{${digits}}$`));

/** A boot loader that is a USB drive and takes UF2 files. */
const uf2Drive = z.strictObject({
  protocol: z.literal('uf2-drive'),
  /** A part of the Board-ID in the drive's INFO_UF2.TXT; upper and lower case are the same. */
  boardId: z.string().min(1),
  /** Whether the boot ROM is that of RP2040 or RP2350, which remembers blocks of a broken copy. */
  remembersBlocks: z.boolean(),
});

/** The USB interface of the boot ROM of RP2040 and RP2350, besides its drive. */
const picoboot = z.strictObject({
  protocol: z.literal('picoboot'),
  vendorId: hex(4),
  productId: hex(4),
  /** The byte behind 'Mu' in the ROM: 1 on RP2040, 2 on RP2350. */
  romVersion: z.int().positive(),
});

const programBytes = z.int().positive();
/** How long the chip takes over it: data sheets, 'Flash memory characteristics'. */
const eraseMs = z.strictObject({ typical: z.number().positive(), longest: z.int().positive() });

/** Equal erasable sectors (pages), one after the other. */
const sectorRun = z.strictObject({
  count: z.int().positive(),
  bytes: z.int().positive(),
  /** The boot loader's number of the first. */
  first: z.int().nonnegative(),
  /** Another number that the first may have, where no document says which it is. */
  otherFirst: z.int().nonnegative().optional(),
  eraseMs,
  /** How long the chip may still erase after its answer (AN2606, known limitations). */
  settleMs: z.int().positive().optional(),
  /** Erases the whole run, a bank, at once: the code in place of a number of sectors (AN3155, 3.8). */
  bank: z.strictObject({ code: hex(4), eraseMs }).optional(),
});

/** The boot loader in the system memory of an STM32, over a UART (ST's AN3155 and AN2606). */
const stm32Uart = z.strictObject({
  protocol: z.literal('stm32-uart'),
  /** Where the facts below are from. */
  source: z.string().min(1),
  /** The answer to Get ID (AN2606, 'Device-dependent bootloader parameters'). */
  chipId: hex(3),
  /** Where the flash and the RAM begin. */
  flashAddress: hex(8),
  ramAddress: hex(8),
  /** All sectors, from the start of the flash. */
  sectors: z.array(sectorRun).nonempty(),
  /**
   * The option bytes that write-protect sectors: one bit a sector, 0 where it is protected
   * (RM0090, 'Write protections'), or words with the first sector in bits 0 to 6 and the last in
   * bits 16 to 22, without effect if that is less (RM0444, 'Write protection (WRP)'). Absent: the
   * boot loader is not known to read them.
   */
  writeProtection: z
    .discriminatedUnion('form', [
      z.strictObject({ form: z.literal('bits'), address: hex(8) }),
      z.strictObject({ form: z.literal('ranges'), addresses: z.array(hex(8)).nonempty() }),
    ])
    .optional(),
  /** The fewest bytes that are programmed together, and never twice between two erases. */
  programBytes,
  /** How long that takes, typically. */
  programUs: z.number().positive(),
  /**
   * A byte of the boot loader's that tells it the supply of the board, so that it programs more bytes
   * at once and erases faster (AN2606, 'Bootloader memory management'): 3 is 2.7 to 3.6 V.
   */
  voltageRange: z
    .strictObject({ address: hex(8), value: z.int().min(0).max(4), programBytes })
    .optional(),
  /** Rates to try, the best first. */
  baudRates: z.array(z.int().positive()).nonempty(),
});

/** The file of a flasher stub in the package esptool-js; it may not be there. */
export function stubPath(name: string): string {
  // Of the package itself, since names that are not there do not resolve.
  const main = createRequire(import.meta.url).resolve('esptool-js/package.json');
  return join(dirname(main), 'lib/targets/stub_flasher', `${name}.json`);
}

function isStub(name: string): boolean {
  return existsSync(stubPath(name));
}

/** Some bits of a word: how far to shift it, and how many. */
const bitField = z.strictObject({
  word: z.int().nonnegative(),
  shift: z.int().nonnegative(),
  bits: z.int().positive(),
});

/** The loader in the ROM of an ESP32 chip, and Espressif's flasher stub (esptool's serial protocol). */
const espRom = z.strictObject({
  protocol: z.literal('esp-rom'),
  /** Where the facts below are from. */
  source: z.string().min(1),
  /** The id in the answer to GET_SECURITY_INFO (esptool's IMAGE_CHIP_ID). */
  chipId: z.int().nonnegative(),
  /** The oldest revision that starts an image in place: 100 times the major plus the minor number. */
  minRevision: z.int().nonnegative(),
  /** Where block 1 of the eFuses has both numbers, the lowest bits first. */
  revision: z.strictObject({ major: z.array(bitField), minor: z.array(bitField) }),
  /** What an image that is started in place begins with, twice, and where it is entered. */
  directBoot: z.strictObject({ magic: hex(8), entry: hex(8) }),
  /** The file of the flasher stub in the package esptool-js. */
  stub: z.string().refine(isStub, { error: `no flasher stub of esptool-js has this name` }),
  /** The code of stubs that are known, for the simulated loader: its length and its SHA-256. */
  stubCodes: z.array(
    z.strictObject({ bytes: z.int().positive(), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
  ),
  /** Rates for the image, the best first; the loader itself starts at 115200. USB ignores them. */
  baudRates: z.array(z.int().positive()).nonempty(),
  /** Addresses of registers (Technical Reference Manual, register summaries). */
  registers: z.strictObject({
    /** Block 1 of the eFuses, which has the revision. */
    efuseBlock1: hex(8),
    /** The controller of the flash (SPI1). */
    spi: hex(8),
    /** Bit 0 holds the chip in the loader over a reset. */
    downloadBoot: hex(8),
  }),
  /** The RTC watchdog, the only reset from inside that samples the boot pins again. */
  watchdog: z.strictObject({
    ...{ config: hex(8), ticks: hex(8), protect: hex(8) },
    /** Opens the others, written to `protect`. */
    key: hex(8),
    /** Configuration that resets the RTC domain too, with the longest pulse. */
    resets: hex(8),
    /** After so many ticks of the slow clock. */
    resetTicks: z.int().positive(),
  }),
  superWatchdog: z.strictObject({
    ...{ config: hex(8), protect: hex(8), key: hex(8) },
    /** The bit by which it feeds itself. */
    feedsItself: hex(8),
  }),
});

/** The boot loader in the system memory of an STM32, over USB (ST's AN3156: DfuSe). */
const stm32Dfu = z.strictObject({
  protocol: z.literal('stm32-dfu'),
  /** Where the flash and the RAM begin. */
  flashAddress: hex(8),
  ramAddress: hex(8),
  /**
   * The sizes that sectors may have. The boot loader tells its memory layout; the chip counts as
   * this board's if it has as much flash in sectors of these sizes.
   */
  sectorBytes: z.array(z.int().positive()).nonempty(),
  /** The fewest bytes that are programmed together, and never twice between two erases. */
  programBytes,
});

/** A debug probe, by the programs in targets/debug-probes.json. */
const debugProbe = z.strictObject({
  protocol: z.literal('debug-probe'),
  /** The chip as probe-rs names it (probe-rs/targets). */
  probeRsChip: z.string(),
  /** OpenOCD's configuration of it (tcl/target). */
  openocdTarget: z.string(),
  /**
   * A word of the chip that tells which one it is, and the bits of it that count: DBGMCU_IDCODE of an
   * STM32 (its reference manual, 'Debug support'), CHIP_ID of RP2040 and RP2350 (datasheets, SYSINFO),
   * INFO.PART of an nRF52 (Product Specification, FICR).
   */
  id: z.strictObject({ address: hex(8), mask: hex(8), value: z.string().regex(/^0x[0-9a-f]+$/) }),
});

/** Equal pages (Product Specification, 'NVMC', longest times). */
const flashPages = {
  pageBytes: z.int().positive(),
  eraseMs: z.int().positive(),
};

/** Nordic's boot loader of the nRF5 SDK, over a serial port. */
const nrfDfu = z.strictObject({
  protocol: z.literal('nrf-dfu'),
  /** Where the facts below are from. */
  source: z.string().min(1),
  /** What the boot loader tells of the chip (its FICR): 'part' 0x52840 must be this one. */
  chip: z.strictObject({
    part: hex(5),
    ...{ flashBytes: z.int().positive(), ramBytes: z.int().positive() },
  }),
  ...flashPages,
  /** What init packets name; 52 for all nRF52. */
  hardwareVersion: z.int().nonnegative(),
  /** The SoftDevice that is below the program; 0: none. */
  softDeviceId: z.int().nonnegative(),
  /** Where the program's RAM begins, behind that of the boot sector. */
  ramAddress: hex(8),
  /** USB ignores it. */
  baudRate: z.int().positive(),
});

/** Adafruit's boot loader of nRF52 boards, on its serial port (Nordic's DFU of SDK 11). */
const adafruitDfu = z.strictObject({
  protocol: z.literal('adafruit-dfu'),
  /** Where the facts below are from. */
  source: z.string().min(1),
  /** What init packets name (ADAFRUIT_DEVICE_TYPE). */
  deviceType: z.int().nonnegative(),
  /** The SoftDevices behind which the flash for applications begins where the target's does. */
  softDeviceIds: z.array(hex(4)).nonempty(),
  /** Where the program's RAM begins. */
  ramAddress: hex(8),
  ...flashPages,
  /** How long programming a page takes. */
  programMs: z.int().positive(),
  /** USB ignores it. */
  baudRate: z.int().positive(),
});

/** ESP-IDF's own idf.py. */
const idf = z.strictObject({ protocol: z.literal('idf') });

export const flashSettings = z.discriminatedUnion('protocol', [
  uf2Drive,
  picoboot,
  stm32Uart,
  espRom,
  stm32Dfu,
  debugProbe,
  nrfDfu,
  adafruitDfu,
  idf,
]);

export type FlashSettings = z.infer<typeof flashSettings>;
export type FlashProtocolName = FlashSettings['protocol'];
/** The settings of one protocol. */
export type SettingsOf<Name extends FlashProtocolName> = Extract<FlashSettings, { protocol: Name }>;
