/**
 * A simulated ESP32-C3: starts the image in flash as the boot ROM does, and talks over UART0 or the
 * USB Serial/JTAG controller.
 *
 * ESP32-C3 Technical Reference Manual, version 1.0 (TRM).
 */
import { BonsaiError } from '../../errors.js';
import type { Device, XipModel } from './device.js';
import { type Csr, Rv32 } from './rv32/core.js';
import { Memory } from './rv32/memory.js';
import { runInTurns } from './turns.js';

export type Esp32c3Link = 'uart' | 'usb';

export interface Esp32c3Options {
  readonly name: string;
  readonly link: Esp32c3Link;
  readonly xip: XipModel;
}

/** TRM 3.3: SRAM 1 and flash, each on the buses of instructions and of data. */
const sramBytes = 0x6_0000;
const sramBases = [0x3fc8_0000, 0x4038_0000];
const flashBytes = 4 * 2 ** 20;
const [drom, irom] = [0x3c00_0000, 0x4200_0000];
const romBase = 0x4000_0000;
const romBytes = 0x2000;
/** c.jr ra: the functions of the boot ROM return at once. */
const romCode = 0x8082;
const registersBase = 0x6000_0000;
const registersBytes = 0xd_1000;

/** An image that the boot ROM does not copy to RAM begins with this word, twice. */
const magic = 0xaedb_041d;
const entry = irom + 8;

/** The cache of both buses: 16 KB, eight ways, lines of 32 bytes (TRM 3.3.3.2). */
const lineBytes = 32;
const ways = 8;
const sets = 64;
/**
 * Cycles at 160 MHz to fill a line over two data lines at 80 MHz: 8 flash clocks for the command,
 * 16 for address and mode, 128 for the data. The cache's own cycles are not documented.
 */
const missCycles = 304;

/** Cycles per tick of the system timer. */
const tickCycles = 10;

/** Registers that are simulated. */
const registers = {
  uartFifo: 0x6000_0000,
  uartStatus: 0x6000_001c,
  options0: 0x6000_8000,
  timerOp: 0x6002_3004,
  timerHigh: 0x6002_3040,
  timerLow: 0x6002_3044,
  usbFifo: 0x6004_3000,
  usbConf: 0x6004_3004,
} as const;
const timerValid = 1 << 29;
const systemReset = 2 ** 31;
const [usbWriteDone, usbInFree, usbOutAvailable] = [1, 2, 4];
/** Bytes of the receiver's FIFO, and of a packet. */
const [mostReceived, packetBytes] = [127, 64];

/** Firmware that waits for a request polls its link's status more often than this. */
const idleInstructionsPerPoll = 200;
/** Instructions between two checks whether the board has stopped. */
const stepInstructions = 10_000;

/** Lines of flash in the cache; in each set the most recently used one comes first. */
class FlashCache {
  private readonly lines = new Int32Array(sets * ways).fill(-1);

  /** @returns whether the line had to be fetched */
  misses(line: number): boolean {
    const { lines } = this;
    const first = (line % sets) * ways;
    if (lines[first] === line) return false;
    let at = first + 1;
    while (at < first + ways - 1 && lines[at] !== line) at += 1;
    const missed = lines[at] !== line;
    lines.copyWithin(first + 1, first, at);
    lines[first] = line;
    return missed;
  }
}

/** The chip: its processor and the visible part of its peripherals. */
class Chip {
  readonly sent: number[] = [];
  readonly ready = true;
  private readonly core: Rv32;
  private readonly held = new Map<number, number>();
  private readonly packet: number[] = [];
  private queue: number[] = [];
  private polls = 0;
  private latched = 0;
  stopped: string | null = null;

  constructor(
    image: Uint8Array,
    private readonly link: Esp32c3Link,
    xip: XipModel,
  ) {
    const flash = new Uint8Array(flashBytes).fill(0xff);
    flash.set(image);
    const rom = new Uint8Array(new Uint16Array(romBytes / 2).fill(romCode).buffer);
    const memory = new Memory();
    const cache = new FlashCache();
    const fetch = (line: number) => {
      if (cache.misses(line)) this.core.stallCycles += missCycles;
    };
    const isModelled = xip === 'model';
    const onLoad = isModelled ? (address: number) => fetch(lineOf(address)) : null;
    memory.map(new Uint8Array(sramBytes), sramBases, { isWritable: true });
    memory.map(rom, [romBase], { isWritable: false });
    memory.map(flash, [drom, irom], { isWritable: false, onLoad });
    memory.attach(registersBase, registersBytes, {
      read: (address) => this.read(address),
      write: (address, value) => this.write(address, value),
    });
    const isCached = (address: number) => address >= irom && address < irom + flashBytes;
    this.core = new Rv32({
      memory,
      pc: entry,
      csrs: new Map(this.performanceCounter()),
      lacks: ['mcycle', 'mcycleh', 'minstret', 'minstreth'],
      ...(isModelled
        ? {
            cache: { lineBytes, isCached, fetch: (line) => fetch(line % (flashBytes / lineBytes)) },
          }
        : {}),
    });
  }

  run(instructions: number, queue: number[]): boolean {
    this.queue = queue;
    this.polls = 0;
    for (let done = 0; done < instructions && this.stopped === null; done += stepInstructions) {
      try {
        this.core.execute(stepInstructions);
      } catch (error) {
        // No caller catches exceptions here.
        this.stopped = `the simulated core stopped: ${(error as Error).message}`;
      }
      // The firmware raises no exception on purpose.
      const cause = this.core.csr('mcause').read();
      const at = (this.core.csr('mepc').read() >>> 0).toString(16);
      if (cause !== 0) this.stopped = `the simulated core stopped: exception ${cause} at 0x${at}`;
    }
    return this.polls > instructions / idleInstructionsPerPoll;
  }

  /** mpcer, mpcmr and mpccr (TRM 1.4.3): counts cycles if enabled. */
  private *performanceCounter(): Iterable<[number, Csr]> {
    let [events, mode, base] = [0, 0, 0];
    const setEvents = (value: number) => {
      events = value;
    };
    const setMode = (value: number) => {
      mode = value;
    };
    const setCount = (value: number) => {
      base = this.core.cycles - value;
    };
    const count = () => ((events & mode & 1) !== 0 ? (this.core.cycles - base) | 0 : 0);
    yield [0x7e0, { read: () => events, write: setEvents }];
    yield [0x7e1, { read: () => mode, write: setMode }];
    yield [0x7e2, { read: count, write: setCount }];
  }

  /** Registers that no peripheral changes read back as written. */
  private read(address: number): number {
    switch (address) {
      case registers.uartStatus:
        this.polls += 1;
        return this.link === 'uart' ? Math.min(this.queue.length, mostReceived) : 0;
      case registers.uartFifo:
        return this.queue.shift() ?? 0;
      case registers.usbConf:
        this.polls += 1;
        return this.link === 'usb' && this.queue.length > 0
          ? usbInFree | usbOutAvailable
          : usbInFree;
      case registers.usbFifo:
        return this.queue.shift() ?? 0;
      case registers.timerOp:
        return timerValid;
      case registers.timerLow:
        return this.latched >>> 0;
      case registers.timerHigh:
        return Math.floor(this.latched / 2 ** 32);
      default:
        return this.held.get(address) ?? 0;
    }
  }

  private write(address: number, value: number): void {
    switch (address) {
      case registers.uartFifo:
        if (this.link === 'uart') this.sent.push(value & 255);
        return;
      case registers.usbFifo:
        this.packet.push(value & 255);
        if (this.packet.length === packetBytes) this.sendPacket();
        return;
      case registers.usbConf:
        if ((value & usbWriteDone) !== 0) this.sendPacket();
        return;
      case registers.timerOp:
        this.latched = Math.floor(this.core.cycles / tickCycles);
        return;
      case registers.options0:
        if (value >= systemReset) this.stopped = 'the board has restarted in its boot loader';
    }
    this.held.set(address, value);
  }

  private sendPacket(): void {
    const bytes = this.packet.splice(0);
    if (this.link === 'usb') this.sent.push(...bytes);
  }
}

/** The line of flash, on either bus. */
function lineOf(address: number): number {
  return Math.floor(((address >>> 0) % flashBytes) / lineBytes);
}

/** @throws BonsaiError 'device' if the boot ROM cannot start the image in flash */
function checkDirectBoot(image: Uint8Array, where: string): void {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const boots = image.length > 8 && [0, 4].every((at) => view.getUint32(at, true) === magic);
  if (!boots || image.length > flashBytes) {
    const what = boots
      ? 'is larger than the flash'
      : 'does not begin with the words of direct boot';
    throw new BonsaiError('device', where, `the image ${what}`, 'build it: bonsaic build DIR');
  }
}

/** @throws BonsaiError as checkDirectBoot */
export function openEsp32c3(image: Uint8Array, { name, link, xip }: Esp32c3Options): Device {
  checkDirectBoot(image, name);
  return runInTurns(new Chip(image, link, xip), {
    name,
    xip,
    simulation:
      'an RV32IMC core of our own, checked against QEMU: one cycle an instruction, branches, ' +
      'loads, multiplications and divisions too; flash ' +
      (xip === 'model'
        ? 'behind the 16 KB eight-way cache (LRU is assumed), a miss costs what two lines at ' +
          '80 MHz take for 32 bytes (304 cycles)'
        : 'as fast as RAM'),
  });
}
