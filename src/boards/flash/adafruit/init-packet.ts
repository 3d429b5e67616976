/** The packet that precedes an image in Nordic's DFU of SDK 11 (dfu_types.h, dfu_init_packet_t). */
import { crc16 } from '../../device/hci.js';

/** Any revision of the device, and no version of the application. */
const [anyRevision, noVersion] = [0xffff, 0xffff_ffff];

export interface InitFacts {
  readonly deviceType: number;
  /** The SoftDevices of which one must be there. */
  readonly softDeviceIds: readonly number[];
}

/** @returns whole words: what follows the CRC is not read */
export function initPacket(
  image: Uint8Array,
  { deviceType, softDeviceIds }: InitFacts,
): Uint8Array {
  const bytes = 12 + 2 * softDeviceIds.length;
  const packet = new Uint8Array(Math.ceil(bytes / 4) * 4);
  const view = new DataView(packet.buffer);
  view.setUint16(0, deviceType, true);
  view.setUint16(2, anyRevision, true);
  view.setUint32(4, noVersion, true);
  view.setUint16(8, softDeviceIds.length, true);
  softDeviceIds.forEach((id, i) => {
    view.setUint16(10 + 2 * i, id, true);
  });
  view.setUint16(bytes - 2, crc16(image), true);
  return packet;
}
