import { expect } from 'chai';
import { missingPort } from '../../src/boards/device/missing-port.js';

describe('device/missing-port', () => {
  const usb = ['/dev/ttyACM0', '/dev/ttyUSB10'];
  const many = Array.from({ length: 9 }, (_, i) => `/dev/ttyS${i}`);
  const rows: [edge: string, path: string, there: readonly string[], says: RegExp, hint: RegExp][] =
    [
      [
        'a letter wrong',
        '/dev/ttyACN0',
        usb,
        /: there are \/dev\/ttyACM0, /,
        /mean \/dev\/ttyACM0\? /,
      ],
      [
        'a word',
        'simm',
        [],
        /no such serial port: this machine has none$/,
        /mean sim\? Otherwise pl/,
      ],
      [
        'nothing near',
        '/dev/rfcomm0',
        usb,
        /ttyUSB10$/,
        /^plug the board in and see bonsaic ports/,
      ],
      ['more than a line holds', '/dev/x', many, /ttyS7, …$/, /^plug/],
    ];
  for (const [edge, path, there, says, hint] of rows) {
    it(edge, async () => {
      const list = async () => there.map((at) => ({ path: at }) as never);
      const error = await missingPort(path, { list });
      expect(error).to.include({ exitStatus: 5, where: path });
      expect(error.message).to.match(says);
      expect(error.hint).to.match(hint);
    });
  }
});
