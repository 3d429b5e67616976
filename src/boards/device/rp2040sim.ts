/** A simulated Raspberry Pi Pico: boots the real UF2 in rp2040js and talks over UART0 or USB. */
import { type Logger, USBCDC } from 'rp2040js';
import type { Device, XipModel } from './device.js';
import { bootLoaderBreak, Rp2040Mcu, xipBase } from './rp2040mcu.js';
import { runInTurns, type SimulatedBoard } from './turns.js';
import { isUf2, readUf2, type Uf2Image } from './uf2.js';

export type Rp2040Link = 'uart' | 'usb';

export interface Rp2040Options {
  readonly name: string;
  readonly link: Rp2040Link;
  readonly xip: XipModel;
  /** 1: the second core does not answer. Default 2. */
  readonly cores?: number;
  /** A file of this size that is no UF2 is the content of the flash. */
  readonly flashBytes?: number | null;
}

/** UF2 family id of RP2040 images (github.com/microsoft/uf2, uf2families.json). */
const familyId = 0xe48b_ff56;

/** Instructions between two polls of the link. */
const stepInstructions = 200;
/** Firmware that waits for a request polls its link's status more often than this. */
const idleInstructionsPerRead = 100;

/** Peripherals whose reads count as polls of the link. */
const uart0Base = 0x4003_4000;
const usbControllerBase = 0x5011_0000;
const pageMask = 0xffff_c000;

/** UARTFR.RXFF: the receive FIFO is full. */
const uartReceiveFull = 1 << 6;

/** The board, with a count of its polls for input. */
class Pico extends Rp2040Mcu {
  linkReads = 0;

  override findPeripheral(address: number) {
    const page = (address & pageMask) >>> 0;
    if (page === uart0Base || page === usbControllerBase) this.linkReads++;
    return super.findPeripheral(address);
  }
}

/** A link that exchanges bytes with the simulated board. */
interface Link {
  /** Enumerated and ready for data. */
  readonly ready: boolean;
  /** Moves as many bytes of `queue` to the board as fit. */
  feed(queue: number[]): void;
  /** Bytes from the board; the run loop empties it. */
  readonly sent: number[];
}

/**
 * @param file a UF2 image, or the whole content of the flash
 * @throws BonsaiError when the image is not a UF2 for the RP2040, or cannot boot
 */
export async function openRp2040(file: Uint8Array, options: Rp2040Options): Promise<Device> {
  const { name, link, xip, cores, flashBytes } = options;
  const image =
    file.length === flashBytes && !isUf2(file)
      ? { blocks: [{ address: xipBase, payload: file }], bytes: file.length }
      : readUf2(file, familyId, name);
  const { mcu, stopped } = bootedPico(image, name, xip, cores);
  return runInTurns(boardOf(mcu, links[link](mcu), stopped), {
    name,
    xip,
    simulation:
      'rp2040js: no bus contention except for flash, no cycles to enter an exception; flash ' +
      (xip === 'model'
        ? 'behind the 16 KB two-way XIP cache, a miss costs what the flash setup implies ' +
          '(quad reads at half the clock: 56 cycles)'
        : 'as fast as RAM'),
  });
}

/** `stopped` tells why the board will not go on; null while it does. */
function bootedPico(
  image: Uf2Image,
  name: string,
  xip: XipModel,
  cores: number | undefined,
): { readonly mcu: Pico; readonly stopped: () => string | null } {
  let reason: string | null = null;
  const stop = (why: string) => {
    reason ??= why;
  };
  const log: Logger = {
    ...silent,
    warn: (component, message) => {
      if (component === 'CortexM0Core') stop(`the simulated core stopped: ${message}`);
    },
  };
  const mcu = new Pico(xip, log, undefined, cores);
  mcu.onBreak = (code) =>
    stop(
      code === bootLoaderBreak
        ? 'the board has restarted in its boot loader'
        : `the simulated core stopped at breakpoint ${code}, 0x${mcu.core.PC.toString(16)}`,
    );
  mcu.load(image, name);
  mcu.boot(name);
  return { mcu, stopped: () => reason };
}

function boardOf(mcu: Pico, link: Link, stopped: () => string | null): SimulatedBoard {
  return {
    get ready() {
      return link.ready;
    },
    sent: link.sent,
    get stopped() {
      return stopped();
    },
    run(instructions, queue) {
      const readsBefore = mcu.linkReads;
      let done = 0;
      while (done < instructions && stopped() === null) {
        if (queue.length > 0) link.feed(queue);
        execute(mcu, stepInstructions);
        done += stepInstructions;
      }
      const reads = mcu.linkReads - readsBefore;
      return mcu.core.waiting || reads > done / idleInstructionsPerRead;
    },
  };
}

/** Instructions of the first core, or pauses in its sleep, and what the second does meanwhile. */
function execute(mcu: Pico, instructions: number): void {
  const { core, second } = mcu;
  const clock = mcu.simulationClock;
  const nanosPerCycle = 1e9 / mcu.clkSys;
  for (let i = 0; i < instructions; i++) {
    if (core.waiting && second.isBusy) {
      clock.tick(second.goOn() * nanosPerCycle);
      continue;
    }
    if (core.waiting) {
      // Asleep until an interrupt, so time jumps to the next event.
      clock.tick(Math.max(clock.nanosToNextAlarm, nanosPerCycle));
      continue;
    }
    let cycles = core.executeInstruction();
    if (mcu.stall !== 0) {
      cycles += mcu.stall;
      core.cycles += mcu.stall;
      mcu.stall = 0;
    }
    clock.tick(cycles * nanosPerCycle);
    if (second.isBusy) second.follow(cycles);
  }
}

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

const links: Readonly<Record<Rp2040Link, (mcu: Rp2040Mcu) => Link>> = {
  /** Bytes arrive as fast as the firmware reads; the line rate is not simulated. */
  uart(mcu) {
    const uart = mcu.uart[0];
    if (uart === undefined) throw new RangeError('the RP2040 has UART0');
    const sent: number[] = [];
    uart.onByte = (byte) => sent.push(byte);
    return {
      ready: true,
      sent,
      feed(queue) {
        // A byte that arrives before the firmware has set up its UART would be lost.
        while (uart.enabled && (uart.flags & uartReceiveFull) === 0) {
          const byte = queue.shift();
          if (byte === undefined) return;
          uart.feedByte(byte);
        }
      },
    };
  },

  usb(mcu) {
    const cdc = new USBCDC(mcu.usbCtrl);
    const sent: number[] = [];
    let ready = false;
    cdc.onDeviceConnected = () => {
      ready = true;
    };
    cdc.onSerialData = (bytes) => sent.push(...bytes);
    return {
      get ready() {
        return ready;
      },
      sent,
      feed(queue) {
        while (ready && !cdc.txFIFO.full) {
          const byte = queue.shift();
          if (byte === undefined) return;
          cdc.sendSerialByte(byte);
        }
      },
    };
  },
};
