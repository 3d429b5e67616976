/** A simulated STM32 in its boot loader on a simulated USB, in virtual time and with faults. */
import type { DfuChip, DfuOptions } from '../../src/boards/device/chips/dfu.js';
import {
  type DfuDevice,
  type FoundUsbDevice,
  UsbFault,
  type UsbHost,
} from '../../src/boards/device/usb.js';
import { Killed } from './fault-rows.js';
import type { TransferFault } from './usb.js';

/** The boot loader of stm32f405 (AN2606). */
export const f405Options: DfuOptions = {
  alternates: [
    '@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg',
    '@Option Bytes  /0x1FFFC000/01*016 e',
    '@OTP Memory /0x1FFF7800/01*512 e,01*016 e',
    '@Device Feature/0xFFFF0000/01*004 e',
  ],
  begin: 0x0800_0000,
  sectors: [...Array(4).fill(16_384), 65_536, ...Array(7).fill(131_072)],
  programBytes: 1,
};

const kilobyte = 1024;

/** A chip of equal sectors whose flash takes no second write between erases. */
export function pagedOptions(
  flashBytes: number,
  sectorBytes: number,
  programBytes: number,
): DfuOptions {
  const count = flashBytes / sectorBytes;
  return {
    alternates: [`@Internal Flash  /0x08000000/${count}*${sectorBytes / kilobyte}Kg`],
    begin: 0x0800_0000,
    sectors: Array(count).fill(sectorBytes),
    programBytes,
  };
}

const transferMs = 0.2;
const timeoutMs = 1_000;

export class DfuBus implements UsbHost {
  nowMs = 0;
  transfers = 0;
  /** Asked before each transfer. */
  fault: (transfer: number) => TransferFault = () => null;
  serials = ['207D3480'];
  private isUnplugged = false;

  constructor(readonly chip: DfuChip) {}

  now = () => this.nowMs;

  sleep = async (ms: number) => {
    this.nowMs += ms;
  };

  /** The user plugs it in again, with BOOT0 high. */
  plugIn(): void {
    this.isUnplugged = false;
    this.fault = () => null;
    this.chip.restart();
  }

  list = async (): Promise<readonly FoundUsbDevice[]> => {
    if (this.isUnplugged || this.chip.started !== null) return [];
    return this.serials.map((serialNumber) => ({
      ...{ vendorId: 0x0483, productId: 0xdf11, name: 'USB 1-3', serialNumber },
      open: async () => {
        throw new Error('it has no interface of its vendor');
      },
      openDfu: async () => this.device(),
    }));
  };

  private device(): DfuDevice {
    const { chip } = this;
    return {
      alternates: chip.options.alternates,
      selectAlternate: async () => void this.transfer(() => new Uint8Array()),
      controlIn: async ({ request, value }, length) =>
        this.transfer(() => chip.controlIn(request, value, length, this.nowMs)),
      controlOut: async ({ request, value }, bytes) =>
        void this.transfer(() => chip.controlOut(request, value, bytes) ?? new Uint8Array()),
      close: async () => {},
    };
  }

  private transfer(run: () => Uint8Array | 'stall'): Uint8Array {
    const fault = this.isUnplugged ? 'unplugged' : this.fault(this.transfers++);
    this.nowMs += transferMs;
    if (fault === 'killed') throw new Killed();
    if (fault === 'unplugged' || fault === 'power lost') {
      if (fault === 'power lost') this.chip.losePower(this.nowMs);
      this.isUnplugged = true;
      throw new UsbFault('lost', 'device disconnected');
    }
    if (this.chip.started !== null) throw new UsbFault('lost', 'device disconnected');
    if (fault === 'stall') throw new UsbFault('stall', 'endpoint stalled');
    const answer = fault === 'lost' ? null : run();
    if (answer === 'stall') throw new UsbFault('stall', 'endpoint stalled');
    if (answer !== null && fault !== 'late') return answer;
    this.nowMs += timeoutMs;
    throw new UsbFault('timeout', 'transfer was cancelled');
  }
}
