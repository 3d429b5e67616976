/**
 * Packets of Nordic's HCI transport, of the older of its serial boot loaders (nRF5 SDK 11, 'HCI Transport'; three-wire
 * UART of Bluetooth): numbered by 3 bits, with a checksum of the header and a CRC of all. Each is a SLIP frame.
 */
const headerBytes = 4;
const crcBytes = 2;
/** Type of packets with data; that of an acknowledgement is 0. */
const vendorSpecific = 14;
/** Bits 6 and 7: it has a CRC, and wants an acknowledgement. */
const reliable = 0xc0;

/** CRC-16 with the polynomial 0x1021, from 0xffff (CCITT). */
export function crc16(bytes: Uint8Array): number {
  let crc = 0xffff;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++)
      crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  return crc;
}

/** The number behind this one. */
export const nextNumber = (number: number) => (number + 1) % 8;

/** A packet with data, before SLIP. */
export function hciPacket(number: number, data: Uint8Array): Uint8Array {
  const header = [reliable | (nextNumber(number) << 3) | number];
  header.push(((data.length & 0x0f) << 4) | vendorSpecific, data.length >> 4);
  const body = Uint8Array.of(...withChecksum(header), ...data);
  const crc = crc16(body);
  return Uint8Array.of(...body, crc & 0xff, crc >> 8);
}

/** An acknowledgement, before SLIP. @param expected the number of the packet that is wanted next */
export function hciAck(expected: number): Uint8Array {
  return Uint8Array.from(withChecksum([expected << 3, 0, 0]));
}

/** The packet's number and data; null: it is another, or damaged. */
export function readHciPacket(frame: Uint8Array): { number: number; data: Uint8Array } | null {
  const [first = 0, second = 0] = frame;
  const isPacket = (first & reliable) === reliable && (second & 0x0f) === vendorSpecific;
  const end = frame.length - crcBytes;
  if (!isPacket || end < headerBytes || !hasChecksum(frame)) return null;
  if (crc16(frame.subarray(0, end)) !== ((frame[end + 1] ?? 0) << 8) + (frame[end] ?? 0))
    return null;
  return { number: first & 7, data: frame.slice(headerBytes, end) };
}

/** The number that is wanted next; null: it is no acknowledgement, or damaged. */
export function readHciAck(frame: Uint8Array): number | null {
  const [first = 0, second = 0] = frame;
  const isAck = frame.length === headerBytes && (second & 0x0f) === 0 && hasChecksum(frame);
  return isAck ? (first >> 3) & 7 : null;
}

/** All four bytes add up to 0. */
function withChecksum(header: readonly number[]): number[] {
  return [...header, -header.reduce((sum, byte) => sum + byte, 0) & 0xff];
}

function hasChecksum(frame: Uint8Array): boolean {
  return frame.subarray(0, headerBytes).reduce((sum, byte) => sum + byte, 0) % 256 === 0;
}
