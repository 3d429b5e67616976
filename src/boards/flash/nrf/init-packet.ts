/**
 * The init packet that precedes a firmware in Nordic's DFU: what the image is, as protocol buffers (dfu-cc.proto in
 * NordicSemiconductor/pc-nrfutil). It has no signature: Nordic's open boot loader wants none for applications.
 */
import { createHash } from 'node:crypto';

export interface InitFacts {
  /** 52 for all chips of the nRF52 series (NRF_DFU_HW_VERSION in the SDK's configuration). */
  readonly hardwareVersion: number;
  /** The SoftDevice that must be there; 0: none. */
  readonly softDeviceId: number;
}

/** What nrfutil's documentation uses for applications; the same version is accepted again. */
const firmwareVersion = 1;
const [opInit, typeApplication, hashSha256] = [1, 0, 3];

export function initPacket(
  image: Uint8Array,
  { hardwareVersion, softDeviceId }: InitFacts,
): Uint8Array {
  // The boot loader has the hash with its last byte first.
  const hash = createHash('sha256').update(image).digest().reverse();
  const init = [
    ...number(1, firmwareVersion),
    ...number(2, hardwareVersion),
    ...bytes(3, varint(softDeviceId)),
    ...number(4, typeApplication),
    ...number(7, image.length),
    ...bytes(8, [...number(1, hashSha256), ...bytes(2, [...hash])]),
  ];
  const command = [...number(1, opInit), ...bytes(2, init)];
  return Uint8Array.from(bytes(1, command));
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(Math.floor(value / 0x80))];
}

function number(field: number, value: number): number[] {
  return [field << 3, ...varint(value)];
}

function bytes(field: number, content: readonly number[]): number[] {
  return [(field << 3) | 2, ...varint(content.length), ...content];
}
