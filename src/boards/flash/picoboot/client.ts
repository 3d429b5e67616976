/**
 * PICOBOOT: the USB interface of the boot ROMs of RP2040 and RP2350 (RP2040 datasheet 2.8.5, RP2350 datasheet 5.6.4). A
 * command is 32 bytes; its data follow, and an empty packet in the other direction ends it.
 */
import { type UsbDevice, UsbFault } from '../../device/usb.js';

const magic = 0x431f_d10b;
const interfaceReset = 0x41;
const commandStatus = 0x42;
const statusBytes = 16;
const packetBytes = 64;

/** Ids; bit 7: the data come from the board. */
const commands = {
  exclusiveAccess: 0x01,
  reboot: 0x02,
  erase: 0x03,
  write: 0x05,
  exitXip: 0x06,
  reboot2: 0x0a,
  read: 0x84,
} as const;

/** Status codes 1 to 17, in order. */
const statusTexts = [
  ...['unknown command', 'invalid command length', 'invalid transfer length', 'invalid address'],
  ...['bad alignment', 'interleaved write', 'rebooting', 'unknown error', 'invalid state'],
  ...['not permitted', 'invalid argument', 'buffer too small', 'precondition not met'],
  ...['modified data', 'invalid data', 'not found', 'unsupported modification'],
];

/** A transfer takes milliseconds. */
const transferMs = 3_000;
/** A sector of the slowest flash chips takes 0.4 s to erase. */
const sectorEraseMs = 500;

/** The board has refused a command. */
export class Refused extends Error {}

interface CommandData {
  readonly send?: Uint8Array;
  /** Bytes that the board sends. */
  readonly receive?: number;
  readonly answerMs?: number;
  /** Called when the board has the command. */
  readonly onSent?: () => void;
}

export class PicobootClient {
  private token = 0;

  constructor(private readonly device: UsbDevice) {}

  /** Begins anew whatever was under way, of another program too. */
  async reset(): Promise<void> {
    await this.device.clearHalts();
    await this.device.controlOut({ request: interfaceReset, value: 0 });
  }

  /** The drive's writes are refused from now on. */
  async claim(): Promise<void> {
    await this.command(commands.exclusiveAccess, Uint8Array.of(1));
  }

  /** Takes the flash out of the mode in which code runs from it, before it is erased or written. */
  async exitXip(): Promise<void> {
    await this.command(commands.exitXip, new Uint8Array());
  }

  async read(address: number, bytes: number): Promise<Uint8Array> {
    return this.command(commands.read, words(address, bytes), { receive: bytes });
  }

  /** @param bytes whole sectors */
  async erase(address: number, bytes: number, sectors: number): Promise<void> {
    const answerMs = transferMs + sectors * sectorEraseMs;
    await this.command(commands.erase, words(address, bytes), { answerMs });
  }

  /** @param bytes whole pages, erased before */
  async write(address: number, bytes: Uint8Array): Promise<void> {
    await this.command(commands.write, words(address, bytes.length), { send: bytes });
  }

  /**
   * A reset into the program in flash.
   *
   * @param onSent called when the board has the command, and may go before it answers
   */
  async reboot(romVersion: number, delayMs: number, onSent = () => {}): Promise<void> {
    if (romVersion === 1) await this.command(commands.reboot, words(0, 0, delayMs), { onSent });
    else await this.command(commands.reboot2, words(0, delayMs, 0, 0), { onSent });
  }

  /** @returns what the board sends */
  private async command(id: number, args: Uint8Array, data: CommandData = {}): Promise<Uint8Array> {
    const { send = new Uint8Array(), receive = 0, answerMs = transferMs } = data;
    this.token = (this.token + 1) >>> 0;
    const packet = new Uint8Array(32);
    const view = new DataView(packet.buffer);
    view.setUint32(0, magic, true);
    view.setUint32(4, this.token, true);
    packet[8] = id;
    packet[9] = args.length;
    view.setUint32(12, send.length + receive, true);
    packet.set(args, 16);
    try {
      await this.device.bulkOut(packet, transferMs);
      data.onSent?.();
      if (receive > 0) {
        const received = await this.device.bulkIn(receive, answerMs);
        if (received.length !== receive) throw new UsbFault('timeout', 'sent too little');
        await this.device.bulkOut(new Uint8Array(), transferMs);
        return received;
      }
      if (send.length > 0) await this.device.bulkOut(send, transferMs);
      return await this.device.bulkIn(packetBytes, answerMs);
    } catch (error) {
      if (error instanceof UsbFault && error.kind === 'stall') throw await this.refusal(error);
      throw error;
    }
  }

  /** Why the board has stalled. */
  private async refusal(fault: UsbFault): Promise<Error> {
    const status = await this.device.controlIn({ request: commandStatus, value: 0 }, statusBytes);
    if (status.length < statusBytes) return fault;
    const view = new DataView(status.buffer, status.byteOffset);
    const code = view.getUint32(4, true);
    // The status of an earlier command says nothing of this one.
    if (view.getUint32(0, true) !== this.token || code === 0) return fault;
    return new Refused(statusTexts[code - 1] ?? `status ${code}`);
  }
}

function words(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    view.setUint32(i * 4, value, true);
  });
  return bytes;
}
