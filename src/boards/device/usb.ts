/** USB devices as flash protocols use them: control and bulk transfers of one interface, and a clock. */

import { setTimeout } from 'node:timers/promises';
import { BonsaiError } from '../../errors.js';
import { optional } from '../../optional.js';

/** Why a transfer has failed. */
export class UsbFault extends Error {
  constructor(
    readonly kind: 'stall' | 'timeout' | 'lost',
    message: string,
  ) {
    super(message);
    this.name = 'UsbFault';
  }
}

/** A request of the vendor or of the class to the interface (USB 2.0, 9.3). */
export interface ControlRequest {
  readonly request: number;
  readonly value: number;
}

/** A device with one claimed interface, which has a bulk endpoint in each direction. */
export interface UsbDevice {
  /** @throws UsbFault, as all of these */
  controlIn(request: ControlRequest, length: number): Promise<Uint8Array>;
  controlOut(request: ControlRequest): Promise<void>;
  /** At most `length` bytes; a short packet ends the transfer. */
  bulkIn(length: number, timeoutMs: number): Promise<Uint8Array>;
  /** No bytes: an empty packet. */
  bulkOut(bytes: Uint8Array, timeoutMs: number): Promise<void>;
  /** Ends a stall of both endpoints. */
  clearHalts(): Promise<void>;
  close(): Promise<void>;
}

/** A device whose interface for firmware upgrades is claimed: control transfers alone (DFU 1.1). */
export interface DfuDevice {
  /** Names of the interface's alternate settings, by their numbers. */
  readonly alternates: readonly string[];
  /** @throws UsbFault, as all of these */
  selectAlternate(setting: number): Promise<void>;
  controlIn(request: ControlRequest, length: number): Promise<Uint8Array>;
  controlOut(request: ControlRequest, bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

export interface UsbIds {
  readonly vendorId: number;
  readonly productId: number;
}

/** A device that is plugged in. */
export interface FoundUsbDevice extends UsbIds {
  /** For people: 'USB 1-2'. */
  readonly name: string;
  readonly serialNumber: string | null;
  /**
   * Claims its vendor-specific interface with two bulk endpoints.
   *
   * @throws BonsaiError 'device' with a hint
   */
  open(): Promise<UsbDevice>;
  /** Claims its interface for firmware upgrades. @throws as open */
  openDfu(): Promise<DfuDevice>;
}

/** The USB of this machine; tests replace it. */
export interface UsbHost {
  /** @throws as listUsbDevices */
  list(): Promise<readonly FoundUsbDevice[]>;
  now(): number;
  sleep(ms: number): Promise<unknown>;
}

export const usbHost: UsbHost = {
  list: () => listUsbDevices(),
  now: () => performance.now(),
  sleep: setTimeout,
};

const controlTimeoutMs = 1_000;
/** Class of interfaces without a standard. */
const vendorClass = 0xff;
/** Class and subclass of firmware upgrades (DFU 1.1, table 4.4). */
const dfuClass = { interfaceClass: 0xfe, interfaceSubclass: 1 } as const;

/** What is used of the npm package usb 3, in WebUSB's words; its transfers take a time-out besides. */
export interface UsbPackage {
  readonly usb: { getDevices(): Promise<readonly PackageDevice[]> };
}

interface PackageDevice extends UsbIds {
  readonly serialNumber: string | null;
  /** '1', and the numbers of the ports from there: [2, 1]. */
  readonly bus: string;
  readonly ports: readonly number[];
  readonly configuration: { readonly interfaces: readonly PackageInterface[] } | null;
  open(): Promise<void>;
  close(): Promise<void>;
  claimInterface(number: number): Promise<void>;
  selectAlternateInterface(number: number, setting: number): Promise<void>;
  clearHalt(direction: Direction, endpoint: number): Promise<void>;
  controlTransferIn(setup: Setup, length: number, timeoutMs: number): Promise<InResult>;
  controlTransferOut(setup: Setup, data: Uint8Array, timeoutMs: number): Promise<unknown>;
  transferIn(endpoint: number, length: number, timeoutMs: number): Promise<InResult>;
  transferOut(endpoint: number, data: Uint8Array, timeoutMs: number): Promise<unknown>;
}

type Direction = 'in' | 'out';

interface PackageInterface {
  readonly interfaceNumber: number;
  readonly alternate: PackageAlternate;
  readonly alternates?: readonly PackageAlternate[];
}

interface PackageAlternate {
  readonly interfaceClass: number;
  readonly interfaceSubclass?: number;
  readonly interfaceName?: string;
  readonly endpoints: readonly {
    readonly endpointNumber: number;
    readonly direction: Direction;
    readonly type: string;
  }[];
}

interface Setup extends ControlRequest {
  readonly requestType: 'vendor' | 'class';
  readonly recipient: 'interface';
  readonly index: number;
}

interface InResult {
  readonly data?: DataView;
}

/** Where the package is missing, nothing else depends on it: no type and no import at the start. */
const packageName: string = 'usb';

/**
 * The devices that are plugged in.
 *
 * @param load loads the package; tests replace it
 * @throws BonsaiError 'toolchain' when the package is missing; 'device' where this machine shows no USB
 */
export async function listUsbDevices(
  load: () => Promise<UsbPackage> = () => import(packageName),
): Promise<readonly FoundUsbDevice[]> {
  const { usb } = await optional([packageName], load, 'flash over another --port');
  const devices = await usb.getDevices().catch((error: Error) => {
    const hint = hintFor(error, listHints, 'flash over a serial port, or by a debug probe');
    throw new BonsaiError('device', 'USB', `cannot be listed: ${firstLine(error)}`, hint);
  });
  return devices.map(foundDevice);
}

const firstLine = ({ message }: Error) => message.split('\n', 1)[0] ?? '';

/** What the package's messages mean (nusb's errors: src/error.rs, src/platform/linux_usbfs). */
type Hints = readonly (readonly [message: RegExp, hint: string])[];

function hintFor({ message }: Error, hints: Hints, otherwise: string): string {
  return hints.find(([pattern]) => pattern.test(message))?.[1] ?? otherwise;
}

const listHints: Hints = [
  [
    /not found|errno 2\b/i,
    'this machine shows no USB: give a container --device=/dev/bus/usb and the host’s /sys, pass the ' +
      'board on to a virtual machine',
  ],
  [/permission|denied|errno 13\b/i, 'this user must be able to read /sys/bus/usb/devices'],
];

function openHints(vendorId: number): Hints {
  const id = vendorId.toString(16).padStart(4, '0');
  return [
    [
      /permission|denied|EACCES|err(no|or) 13\b/i,
      'write this line to /etc/udev/rules.d/70-bonsaic.rules: SUBSYSTEM=="usb", ' +
        `ATTR{idVendor}=="${id}", TAG+="uaccess"; then: sudo udevadm control --reload, and plug ` +
        'the board in again',
    ],
    [/busy|in use/i, 'end the program that has it (picotool, dfu-util, openocd), then try again'],
    [/no interface/i, 'it is another device, or has left its boot loader: enter that again'],
    [
      /not found|disconnected/i,
      'plug the board in again; a container also needs --device=/dev/bus/usb',
    ],
    [/unsupported|NOT_SUPPORTED/i, 'on Windows it needs the driver WinUSB (by Zadig)'],
  ];
}

function foundDevice(device: PackageDevice): FoundUsbDevice {
  const { vendorId, productId, bus, ports } = device;
  const name = `USB ${bus}-${ports.join('.')}`;
  return {
    ...{ vendorId, productId, name },
    serialNumber: device.serialNumber ?? null,
    open: () => opened(device, name, claimVendor),
    openDfu: () => opened(device, name, claimDfu),
  };
}

async function claimVendor(device: PackageDevice): Promise<UsbDevice> {
  const place = vendorInterface(device);
  if (place === null) throw new Error('it has no interface of its vendor');
  await device.claimInterface(place.number);
  return claimedDevice(device, place);
}

async function claimDfu(device: PackageDevice): Promise<DfuDevice> {
  const { interfaceClass, interfaceSubclass } = dfuClass;
  const place = device.configuration?.interfaces.find(
    ({ alternate }) =>
      alternate.interfaceClass === interfaceClass &&
      alternate.interfaceSubclass === interfaceSubclass,
  );
  if (place === undefined) throw new Error('it has no interface for firmware upgrades');
  const { interfaceNumber: number, alternates = [] } = place;
  await device.claimInterface(number);
  const setupOf = setups('class', number);
  return {
    alternates: alternates.map(({ interfaceName = '' }) => interfaceName),
    selectAlternate: (setting) => transfer(() => device.selectAlternateInterface(number, setting)),
    controlIn: (request, length) =>
      transfer(async () =>
        bytesOf(await device.controlTransferIn(setupOf(request), length, controlTimeoutMs)),
      ),
    controlOut: (request, bytes) =>
      transfer(async () => {
        await device.controlTransferOut(setupOf(request), bytes, controlTimeoutMs);
      }),
    close: () => device.close().catch(() => {}),
  };
}

async function opened<T>(
  device: PackageDevice,
  name: string,
  claim: (device: PackageDevice) => Promise<T>,
): Promise<T> {
  try {
    await device.open();
    return await claim(device);
  } catch (error) {
    await device.close().catch(() => {});
    const hint = hintFor(error as Error, openHints(device.vendorId), 'plug the board in again');
    throw new BonsaiError('device', name, `cannot be opened: ${firstLine(error as Error)}`, hint);
  }
}

interface Place {
  readonly number: number;
  readonly inEndpoint: number;
  readonly outEndpoint: number;
}

function vendorInterface({ configuration }: PackageDevice): Place | null {
  for (const { interfaceNumber, alternate } of configuration?.interfaces ?? []) {
    if (alternate.interfaceClass !== vendorClass) continue;
    const bulk = alternate.endpoints.filter(({ type }) => type === 'bulk');
    const inEndpoint = bulk.find(({ direction }) => direction === 'in')?.endpointNumber;
    const outEndpoint = bulk.find(({ direction }) => direction === 'out')?.endpointNumber;
    if (inEndpoint === undefined || outEndpoint === undefined) continue;
    return { number: interfaceNumber, inEndpoint, outEndpoint };
  }
  return null;
}

function claimedDevice(device: PackageDevice, place: Place): UsbDevice {
  const { number, inEndpoint, outEndpoint } = place;
  const setupOf = setups('vendor', number);
  return {
    controlIn: (request, length) =>
      transfer(async () =>
        bytesOf(await device.controlTransferIn(setupOf(request), length, controlTimeoutMs)),
      ),
    controlOut: (request) =>
      transfer(async () => {
        await device.controlTransferOut(setupOf(request), new Uint8Array(), controlTimeoutMs);
      }),
    bulkIn: (length, timeoutMs) =>
      transfer(async () => bytesOf(await device.transferIn(inEndpoint, length, timeoutMs))),
    bulkOut: (bytes, timeoutMs) =>
      transfer(async () => {
        await device.transferOut(outEndpoint, bytes, timeoutMs);
      }),
    clearHalts: () =>
      transfer(async () => {
        await device.clearHalt('in', inEndpoint);
        await device.clearHalt('out', outEndpoint);
      }),
    close: () => device.close().catch(() => {}),
  };
}

const setups =
  (requestType: Setup['requestType'], index: number) =>
  ({ request, value }: ControlRequest): Setup => ({
    ...{ requestType, recipient: 'interface' },
    ...{ request, value, index },
  });

function bytesOf({ data }: InResult): Uint8Array {
  if (data === undefined) throw new UsbFault('stall', 'the endpoint is stalled');
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** The package says why by the names of its transfer errors alone. */
const kinds: readonly (readonly [RegExp, UsbFault['kind']])[] = [
  [/stall/i, 'stall'],
  [/cancelled|timed out/i, 'timeout'],
];

async function transfer<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof UsbFault) throw error;
    const { message } = error as Error;
    const kind = kinds.find(([pattern]) => pattern.test(message))?.[1] ?? 'lost';
    throw new UsbFault(kind, message);
  }
}
