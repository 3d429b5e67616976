/**
 * The requests of DFU 1.1 with ST's commands (AN3156). A command takes effect only when its status
 * is asked for: the first answer says 'busy' and for how long, the second how it ended.
 */
import { type DfuDevice, UsbFault, type UsbHost } from '../../device/usb.js';

const requests = { download: 1, upload: 2, getStatus: 3, clearStatus: 4, abort: 6 } as const;
const commands = { setAddress: 0x21, erase: 0x41 } as const;
const states = { idle: 2, downloadBusy: 4, downloadIdle: 5, uploadIdle: 9, error: 10 } as const;

/** The most bytes of a block in flash (AN3156, 4.1 and 5.1). */
export const blockBytes = 2048;
/** wValue 0 is a command and 1 is reserved, so that blocks count from 2. */
const firstBlock = 2;
/** A status has a pause of up to 16 777 s; a sector takes at most 4 s. */
const longestBusyMs = 60_000;

/** A command that the boot loader has refused. */
export class DfuRefusal extends Error {
  constructor(readonly status: number) {
    super(`status ${status}`);
  }
}

/** bStatus of a chip that is protected against reading (AN3156, 4.1). */
export const vendorStatus = 0x0b;

interface Status {
  readonly status: number;
  readonly pauseMs: number;
  readonly state: number;
}

export class DfuClient {
  constructor(
    private readonly device: DfuDevice,
    private readonly host: UsbHost,
  ) {}

  /** Brings the boot loader to dfuIDLE, whatever another session has left. @throws UsbFault */
  async reset(): Promise<void> {
    for (let attempt = 0; attempt < 5; attempt++) {
      const { state, pauseMs } = await this.getStatus();
      if (state === states.idle) return;
      if (state === states.downloadBusy) await this.host.sleep(Math.min(pauseMs, longestBusyMs));
      else await this.send(state === states.error ? requests.clearStatus : requests.abort);
    }
    throw new UsbFault('stall', 'it does not become idle');
  }

  /** `count` bytes from an address on. @throws DfuRefusal, UsbFault */
  async read(address: number, count: number): Promise<Uint8Array> {
    await this.setAddress(address);
    await this.reset();
    const blocks: Uint8Array[] = [];
    // Blocks count in their own length, so the last one is as long as the others.
    for (let index = 0; index * blockBytes < count; index++) {
      const upload = { request: requests.upload, value: firstBlock + index };
      const block = await this.device.controlIn(upload, blockBytes).catch(this.refused);
      if (block.length !== blockBytes) throw new UsbFault('stall', 'a block is too short');
      blocks.push(block);
    }
    await this.reset();
    return new Uint8Array(Buffer.concat(blocks)).subarray(0, count);
  }

  /** Up to `blockBytes` into erased flash. @throws DfuRefusal, UsbFault */
  async write(address: number, bytes: Uint8Array): Promise<void> {
    await this.setAddress(address);
    await this.download(firstBlock, bytes);
  }

  private setAddress(address: number): Promise<void> {
    return this.download(0, withAddress(commands.setAddress, address));
  }

  erase(address: number): Promise<void> {
    return this.download(0, withAddress(commands.erase, address));
  }

  /** Starts the image; the device goes away. @throws DfuRefusal, UsbFault */
  async leave(address: number): Promise<void> {
    await this.setAddress(address);
    await this.send(requests.download, firstBlock, new Uint8Array());
    await this.getStatus();
  }

  private async download(value: number, bytes: Uint8Array): Promise<void> {
    await this.send(requests.download, value, bytes);
    let busyMs = 0;
    for (;;) {
      const { status, state, pauseMs } = await this.getStatus();
      if (state === states.error) throw new DfuRefusal(status);
      if (state === states.downloadIdle) return;
      if (state !== states.downloadBusy) throw new UsbFault('stall', `it is in state ${state}`);
      busyMs += pauseMs + 1;
      if (busyMs > longestBusyMs) throw new UsbFault('timeout', 'it stays busy');
      await this.host.sleep(pauseMs + 1);
    }
  }

  /** What a stall means. @throws DfuRefusal, or the error itself */
  private readonly refused = async (error: unknown): Promise<never> => {
    if (!(error instanceof UsbFault) || error.kind !== 'stall') throw error;
    const { state, status } = await this.getStatus();
    throw state === states.error && status !== 0 ? new DfuRefusal(status) : error;
  };

  private async getStatus(): Promise<Status> {
    const bytes = await this.device.controlIn({ request: requests.getStatus, value: 0 }, 6);
    if (bytes.length < 6) throw new UsbFault('stall', `a status of ${bytes.length} bytes`);
    const [status = 0, low = 0, middle = 0, high = 0, state = 0] = bytes;
    return { status, state, pauseMs: low | (middle << 8) | (high << 16) };
  }

  private send(request: number, value = 0, bytes: Uint8Array = new Uint8Array()): Promise<void> {
    return this.device.controlOut({ request, value }, bytes);
  }
}

function withAddress(command: number, address: number): Uint8Array {
  return Uint8Array.of(command, address, address >>> 8, address >>> 16, address >>> 24);
}
