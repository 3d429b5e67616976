/** What doctor says about ports, for machines that this one is not. */
import { expect } from 'chai';
import type { SerialPortInfo } from '../../src/boards/device/ports.js';
import { checkPorts, type PortMachine, portMachine } from '../../src/report/port-checks.js';

const port: SerialPortInfo = {
  ...{ path: '/dev/ttyUSB0', vendorId: '10c4', productId: 'ea60' },
  ...{ manufacturer: null, serialNumber: null },
};

const usual: PortMachine = {
  ...{ platform: 'linux', isRoot: false, hasUdev: true, programs: new Set(['bash']) },
  ...{ user: 'ada', groupIds: [1000, 20], isContainer: false },
  groups: 'root:x:0:\ndialout:x:20:ada\nada:x:1000:\n',
  list: async () => [port],
  mayOpen: () => true,
  ownerOf: () => ({ groupId: 20, mode: 0o20660 }),
  holdersOf: () => [],
};

describe('report/port-checks', () => {
  const rows: [edge: string, machine: Partial<PortMachine>, faults: RegExp[]][] = [
    ['all is well', {}, []],
    ['no port', { list: async () => [] }, []],
    [
      'no module for ports',
      { list: () => Promise.reject(new Error('no native build')) },
      [/^serial ports.*: no native build → npm rebuild/],
    ],
    [
      'a stranger to the group',
      { groupIds: [1000], groups: 'dialout:x:20:bob\n', mayOpen: () => false },
      [
        /^serial port \/dev\/ttyUSB0: no permission → join the group.*usermod -aG dialout ada/,
        /^group dialout \(serial ports\): ada is not a member → sudo usermod/,
      ],
    ],
    [
      'a stranger, before a board is plugged in',
      { groupIds: [1000], groups: 'uucp:x:14:bob\n', list: async () => [] },
      [/^group uucp .*: ada is not a member → sudo usermod -aG uucp ada/],
    ],
    ['a member since this login', { groupIds: [1000] }, [/this login is older → log out/]],
    [
      'no udev rule',
      { ownerOf: () => ({ groupId: 0, mode: 0o20600 }), mayOpen: () => false },
      [/no permission → no udev rule/],
    ],
    ['no udev', { hasUdev: false }, [/^udev.*: not running → start it/]],
    ['a container', { hasUdev: false, isContainer: true }, [/^udev.*--device/]],
    [
      'a busy port',
      { holdersOf: () => [{ processId: 9, command: 'screen /dev/ttyUSB0' }] },
      [/in use by screen \/dev\/ttyUSB0 \(process 9\) → end/],
    ],
    [
      'programs that interfere',
      { programs: new Set(['ModemManager', 'brltty']) },
      [/^ModemManager .*: running → wait/, /^brltty .*: running/],
    ],
    ['root', { isRoot: true, groupIds: [0] }, []],
    ['no group of that kind', { groups: '', ownerOf: () => null }, []],
    ['macOS', { platform: 'darwin', hasUdev: false, groupIds: [20] }, []],
  ];
  for (const [edge, machine, faults] of rows) {
    it(edge, async () => {
      const checks = await checkPorts({ ...usual, ...machine });
      expect(checks.every(({ needed }) => !needed)).to.equal(true);
      const found = checks
        .filter(({ ok }) => !ok)
        .map(({ what, found, hint }) => `${what}: ${found} → ${hint}`);
      expect(found, found.join('\n')).to.have.length(faults.length);
      for (const [i, fault] of faults.entries()) expect(found[i]).to.match(fault);
    });
  }

  it('works here', async () => {
    const checks = await checkPorts(portMachine());
    expect(checks.length).to.be.above(0);
  });
});
