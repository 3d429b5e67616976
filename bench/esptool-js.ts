/**
 * Why bonsaic does not flash ESP32 boards by esptool-js: that client, with the stub and compression, on the
 * line and with the seeds of test/flash/reliability.test.ts, in real time. The line takes no time, and
 * late bytes are left out, since its timers are those of this machine. Usage: npx tsx bench/esptool-js.ts
 */
import { createHash } from 'node:crypto';
import { ESPLoader, Transport } from 'esptool-js';
import type { Chip } from '../src/boards/device/chips/chip.js';
import { makeChip } from '../src/boards/device/chips/index.js';
import { loadTarget } from '../src/boards/target/index.js';
import { espImage } from '../test/support/esp.js';
import { type Faults, makeFaults, noFaults } from '../test/support/faults.js';

const seeds = 200;
const longestMs = 120_000;
/** About what crosses the line without faults. */
const lineBytes = 15_000;
const image = espImage(5_000);
const target = loadTarget('esp32c3');

/** The chip behind a port of the browser's Web Serial. */
function webSerial(chip: Chip, faults: Faults) {
  let answers: ReadableStreamDefaultController<Uint8Array> | null = null;
  const take = (sent: Uint8Array) => {
    const heard = [...sent].flatMap((byte) => faults.pass(byte, 'to chip'));
    const said = heard.flatMap(({ byte }) => chip.receive(byte, null));
    const bytes = said.flatMap((answer) => [...answer.bytes]);
    const arrived = bytes.flatMap((byte) => faults.pass(byte, 'to host').map((one) => one.byte));
    if (arrived.length > 0) setImmediate(() => answers?.enqueue(Uint8Array.from(arrived)));
  };
  return {
    readable: new ReadableStream<Uint8Array>({
      start: (controller) => {
        answers = controller;
      },
    }),
    writable: new WritableStream<Uint8Array>({ write: take }),
    getInfo: () => ({}),
    open: async () => {},
    setSignals: async () => {},
    setBaudRate: async () => {},
    close: async () => {
      answers = null;
    },
  };
}

async function flashOnce(faults: Faults): Promise<string> {
  const chip = makeChip(target);
  const transport = new Transport(webSerial(chip, faults) as never, false);
  const silent = { clean() {}, write() {}, writeLine() {} };
  const loader = new ESPLoader({ transport, baudrate: 115_200, terminal: silent });
  try {
    await loader.main('no_reset');
    await loader.writeFlash({
      ...{ fileArray: [{ data: image, address: 0 }], eraseAll: false, compress: true },
      ...{ flashSize: 'keep', flashMode: 'keep', flashFreq: 'keep' },
      calculateMD5Hash: (bytes) => createHash('md5').update(bytes).digest('hex'),
    });
  } catch {
    return 'error';
  }
  return Buffer.compare(chip.flash.subarray(0, image.length), image) === 0
    ? 'done'
    : 'falsely done';
}

// It traces the end of each stream.
console.log = () => {};
const kinds = ['bytes lost', 'bytes doubled', 'bytes changed', 'NACK for ACK'] as const;
for (const kind of [null, ...kinds]) {
  const counts = new Map<string, number>();
  const attempts = Array.from({ length: seeds }, (_, seed) => {
    const answers = { yes: 0, no: 1 };
    const faults = kind === null ? noFaults : makeFaults(kind, seed, lineBytes, answers);
    const tooLong = new Promise<string>((resolve) => {
      setTimeout(() => resolve('too long'), longestMs).unref();
    });
    return Promise.race([flashOnce(faults), tooLong]);
  });
  for (const result of await Promise.all(attempts)) {
    counts.set(result, (counts.get(result) ?? 0) + 1);
  }
  const text = [...counts].map(([result, count]) => `${count} ${result}`).join(', ');
  process.stdout.write(`${kind ?? 'no faults'}: ${text}\n`);
}
process.exit(0);
