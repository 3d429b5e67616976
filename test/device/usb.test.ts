/** The npm package `usb` behind our interface: which interface is claimed, what its errors mean. */
import { expect } from 'chai';
import { listUsbDevices, UsbFault, type UsbPackage } from '../../src/boards/device/usb.js';
import { BonsaiError } from '../../src/errors.js';

const endpoint = (endpointNumber: number, direction: 'in' | 'out') => ({
  ...{ endpointNumber, direction, type: 'bulk' },
});
const drive = {
  interfaceNumber: 0,
  alternate: { interfaceClass: 8, endpoints: [endpoint(1, 'in'), endpoint(2, 'out')] },
};
const vendor = {
  interfaceNumber: 1,
  alternate: { interfaceClass: 0xff, endpoints: [endpoint(3, 'out'), endpoint(4, 'in')] },
};

const refuse = (message: string) => () => Promise.reject(new Error(message));

type Device = Awaited<ReturnType<UsbPackage['usb']['getDevices']>>[number];

/** A device of the package, and the calls that it gets. */
function fake(changes: Partial<Device> = {}) {
  const calls: unknown[][] = [];
  const told =
    (name: string) =>
    async (...args: unknown[]) =>
      void calls.push([name, ...args]);
  const device: Device = {
    ...{ vendorId: 0x2e8a, productId: 3, serialNumber: 'E0', bus: '1', ports: [2, 4] },
    configuration: { interfaces: [drive, vendor] },
    ...{ open: told('open'), close: told('close'), clearHalt: told('clearHalt') },
    claimInterface: told('claim'),
    selectAlternateInterface: told('select'),
    controlTransferIn: async () => ({ data: new DataView(new ArrayBuffer(16)) }),
    ...{ controlTransferOut: told('control'), transferOut: told('out') },
    transferIn: async () => ({ data: new DataView(Uint8Array.of(1, 2, 3).buffer) }),
    ...changes,
  };
  const list = () => listUsbDevices(async () => ({ usb: { getDevices: async () => [device] } }));
  return { calls, list };
}

const open = async (changes: Partial<Device> = {}) => {
  const { calls, list } = fake(changes);
  const [found] = await list();
  return { calls, found, device: await found?.open() };
};

describe('device/usb', () => {
  it('claims the vendor’s interface, not the drive, and uses its endpoints', async () => {
    const { calls, found, device } = await open();
    expect(found?.name).to.equal('USB 1-2.4');
    await device?.bulkOut(Uint8Array.of(9), 50);
    await device?.controlOut({ request: 0x41, value: 0 });
    await device?.clearHalts();
    expect(await device?.bulkIn(64, 50)).to.deep.equal(Uint8Array.of(1, 2, 3));
    const setup = { requestType: 'vendor', recipient: 'interface', request: 0x41, value: 0 };
    expect(calls).to.deep.equal([
      ['open'],
      ['claim', 1],
      ['out', 3, Uint8Array.of(9), 50],
      ['control', { ...setup, index: 1 }, new Uint8Array(), 1000],
      ['clearHalt', 'in', 4],
      ['clearHalt', 'out', 3],
    ]);
  });

  it('claims the interface for firmware upgrades, and tells the names of its settings', async () => {
    const setting = (interfaceName: string) => ({
      ...{ interfaceClass: 0xfe, interfaceSubclass: 1, endpoints: [], interfaceName },
    });
    const [flash, options] = [setting('@Internal Flash'), setting('@Option Bytes')];
    const dfu = { interfaceNumber: 2, alternate: flash, alternates: [flash, options] };
    const { calls, list } = fake({ configuration: { interfaces: [drive, dfu] } });
    const [found] = await list();
    const device = await found?.openDfu();
    expect(device?.alternates).to.deep.equal(['@Internal Flash', '@Option Bytes']);
    await device?.selectAlternate(0);
    await device?.controlOut({ request: 1, value: 2 }, Uint8Array.of(9));
    expect(await device?.controlIn({ request: 3, value: 0 }, 6)).to.have.length(16);
    const setup = { requestType: 'class', recipient: 'interface', request: 1, value: 2, index: 2 };
    expect(calls).to.deep.equal([
      ['open'],
      ['claim', 2],
      ['select', 2, 0],
      ['control', setup, Uint8Array.of(9), 1000],
    ]);
  });

  it('explains a device without an interface for firmware upgrades', async () => {
    const [found] = await fake().list();
    const error = await found?.openDfu().catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(BonsaiError);
    expect((error as BonsaiError).message).to.match(/no interface for firmware upgrades/);
  });

  const faults: [message: string, kind: UsbFault['kind']][] = [
    ['transferIn error: Stall', 'stall'],
    ['controlTransferIn error: endpoint stalled', 'stall'],
    ['transferIn error: Cancelled', 'timeout'],
    ['transferIn error: Disconnected', 'lost'],
    ['transferIn error: Fault', 'lost'],
  ];
  for (const [message, kind] of faults) {
    it(`'${message}' is ${kind}`, async () => {
      const transferIn = async () => {
        throw new Error(message);
      };
      const { device } = await open({ transferIn });
      const error = await device?.bulkIn(64, 10).catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(UsbFault);
      expect((error as UsbFault).kind).to.equal(kind);
    });
  }

  const refusals: [edge: string, changes: Partial<Device>, says: RegExp, hint: RegExp][] = [
    [
      'no permission',
      { open: refuse('open error: permission denied (errno 13)') },
      /permission denied/,
      /udev.*idVendor.*2e8a.*uaccess/,
    ],
    [
      'a busy interface',
      { claimInterface: refuse('claimInterface error: interface is busy (errno 16)') },
      /is busy/,
      /end the program/,
    ],
    [
      'a board that has gone, or a container without its node',
      { open: refuse('open error: device not found (errno 2)') },
      /not found/,
      /plug the board in again; a container/,
    ],
    [
      'a driver of Windows',
      { open: refuse('open error: incompatible driver is installed: NOT_SUPPORTED') },
      /incompatible/,
      /WinUSB/,
    ],
    [
      'what nobody knows',
      { open: refuse('open error: oops\n  at x') },
      /opened: open error: oops$/,
      /plug/,
    ],
    [
      'no interface of the vendor',
      { configuration: { interfaces: [drive] } },
      /no interface of its vendor/,
      /left its boot loader/,
    ],
  ];
  for (const [edge, changes, says, hint] of refusals) {
    it(`explains ${edge}`, async () => {
      const error = await open(changes).catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(BonsaiError).with.property('exitStatus', 5);
      expect((error as BonsaiError).message).to.match(says);
      expect((error as BonsaiError).hint).to.match(hint);
    });
  }

  const noLists: [message: string, hint: RegExp][] = [
    ['getDevices error: /sys/bus/usb/devices/ not found (errno 2)', /container/],
    ['getDevices error: /sys/bus/usb/devices/ permission denied (errno 13)', /able to read/],
    ['getDevices error: oops', /serial port/],
  ];
  for (const [message, hint] of noLists) {
    it(`tells of ${message}, and not of a missing board`, async () => {
      const usb = { getDevices: refuse(message) };
      const error = await listUsbDevices(async () => ({ usb })).catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(BonsaiError).with.property('exitStatus', 5);
      expect((error as BonsaiError).message).to.equal(`cannot be listed: ${message}`);
      expect((error as BonsaiError).hint).to.match(hint);
    });
  }

  const missing: [message: string, says: RegExp][] = [
    ["Cannot find package 'usb' imported from x.js", /^is not installed$/],
    [
      "/lib/libc.so.6: version `GLIBC_2.39' not found\nRequire stack",
      /cannot be loaded: .*2.39' not/,
    ],
  ];
  for (const [message, says] of missing) {
    it(`names the command that installs the package: ${message.slice(0, 20)}`, async () => {
      const error = await listUsbDevices(refuse(message)).catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(BonsaiError).with.property('exitStatus', 4);
      expect((error as BonsaiError).message).to.match(says);
      expect((error as BonsaiError).hint).to.match(/npm install usb@3 /);
    });
  }

  it('lists what this machine has, by the real package', async () => {
    const devices = await listUsbDevices().catch((error: unknown) => error);
    if (devices instanceof BonsaiError) expect(devices.exitStatus).to.be.oneOf([4, 5]);
    else expect(devices).to.be.an('array');
  });
});
