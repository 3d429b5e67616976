/** A simulated board on a simulated USB, in virtual time and with faults. */
import type { PicobootChip } from '../../src/boards/device/chips/picoboot.js';
import {
  type FoundUsbDevice,
  type UsbDevice,
  UsbFault,
  type UsbHost,
  type UsbIds,
} from '../../src/boards/device/usb.js';
import { Killed } from './fault-rows.js';

/** What becomes of a transfer; null: nothing. 'late': it takes effect, but its answer is lost. */
export type TransferFault =
  | 'lost'
  | 'late'
  | 'stall'
  | 'unplugged'
  | 'power lost'
  | 'killed'
  | null;

/** Bytes a millisecond on a full-speed bus, and the time of a transfer without. */
const bytesPerMs = 1000;
const transferMs = 0.2;

export class UsbBoard implements UsbHost {
  nowMs = 0;
  /** How many transfers there were. */
  transfers = 0;
  /** Asked before each transfer. */
  fault: (transfer: number) => TransferFault = () => null;
  private isUnplugged = false;
  readonly others: FoundUsbDevice[] = [];

  constructor(
    readonly chip: PicobootChip,
    private readonly ids: UsbIds,
    private readonly serialNumber = 'E0C912952D54',
  ) {}

  /** The user plugs it in again, with BOOTSEL held. */
  plugIn(): void {
    this.isUnplugged = false;
    this.fault = () => null;
    this.chip.restart();
  }

  now = () => this.nowMs;

  sleep = async (ms: number) => {
    this.nowMs += ms;
  };

  list = async (): Promise<readonly FoundUsbDevice[]> => {
    const isThere = !this.isUnplugged && !this.chip.isStarted;
    return isThere ? [this.asFound(), ...this.others] : this.others;
  };

  asFound(): FoundUsbDevice {
    const { serialNumber } = this;
    return {
      ...{ ...this.ids, name: 'USB 1-2', serialNumber },
      open: async () => this.device(),
      openDfu: () => Promise.reject(new Error('it has no interface for firmware upgrades')),
    };
  }

  private device(): UsbDevice {
    const { chip } = this;
    return {
      controlIn: async ({ request }, length) =>
        this.transfer(length, 1_000, () => chip.control(request, length) ?? 'stall'),
      controlOut: async ({ request }) => {
        await this.transfer(0, 1_000, () => chip.control(request, 0) ?? 'stall');
      },
      bulkIn: async (length, timeoutMs) =>
        this.transfer(length, timeoutMs, () => chip.bulkIn(length)),
      bulkOut: async (bytes, timeoutMs) => {
        await this.transfer(bytes.length, timeoutMs, () =>
          chip.bulkOut(bytes) === 'stall' ? 'stall' : new Uint8Array(),
        );
      },
      clearHalts: async () => {
        await this.transfer(0, 1_000, () => {
          chip.clearHalts();
          return new Uint8Array();
        });
      },
      close: async () => {},
    };
  }

  /** @param run null: the board has no answer */
  private transfer(
    bytes: number,
    timeoutMs: number,
    run: () => Uint8Array | 'stall' | null,
  ): Uint8Array {
    const fault = this.isUnplugged ? 'unplugged' : this.fault(this.transfers++);
    this.nowMs += transferMs + bytes / bytesPerMs;
    if (fault === 'killed') throw new Killed();
    if (fault === 'unplugged' || fault === 'power lost') {
      if (fault === 'power lost') {
        run();
        this.chip.losePower();
      }
      this.isUnplugged = true;
      throw new UsbFault('lost', 'device disconnected');
    }
    if (fault === 'stall') throw new UsbFault('stall', 'endpoint stalled');
    const before = this.chip.workMs;
    const answer = fault === 'lost' ? null : run();
    this.nowMs += this.chip.workMs - before;
    if (answer === 'stall') throw new UsbFault('stall', 'endpoint stalled');
    if (answer === null || fault === 'late') {
      this.nowMs += timeoutMs;
      throw new UsbFault('timeout', 'transfer was cancelled');
    }
    return answer;
  }
}
