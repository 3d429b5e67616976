/** The RP2040's port on rp2040js, step by step: links, USB as hosts use it, exact counts. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { FlashChip } from '../../src/boards/device/rp2040flash.js';
import { bootLoaderBreak, Rp2040Mcu } from '../../src/boards/device/rp2040mcu.js';
import { readUf2 } from '../../src/boards/device/uf2.js';
import { type Frame, FrameReader } from '../../src/boards/profile/protocol.js';
import { loadTarget, type Target } from '../../src/boards/target/index.js';
import { fake, type Image, request, rp2040Image, u16, u32, u64 } from '../support/firmware.js';

const log = { debug() {}, info() {}, warn() {}, error() {} };
const sram = 0x2000_0000;
/** UARTFR.RXFF */
const uartReceiveFull = 1 << 6;

/** Answer to a control request: its data, or 'stall'. */
type Answer = readonly number[] | 'stall';

/** A host on the USB controller: control transfers and packets of the data endpoints. */
class UsbHost {
  private control: number[] = [];
  private acknowledged = false;
  private outgoing: Uint8Array | null = null;
  /** The firmware waits for a packet. */
  private waiting = 0;
  private queue: Uint8Array[] = [];
  readonly received: Uint8Array[] = [];
  enabled = false;

  constructor(private readonly board: Board) {
    const { usbCtrl } = board.mcu;
    usbCtrl.onUSBEnabled = () => {
      this.enabled = true;
    };
    usbCtrl.onEndpointWrite = (endpoint, bytes) => {
      if (endpoint === 2) this.received.push(bytes);
      if (endpoint !== 0) return;
      this.control.push(...bytes);
      // A short packet ends the data, or acknowledges a request without.
      if (bytes.length < 64) this.acknowledged = true;
    };
    usbCtrl.onEndpointRead = (endpoint) => {
      if (endpoint === 2) this.waiting++;
      this.sendData();
      if (endpoint !== 0 || this.outgoing === null) return;
      usbCtrl.endpointReadDone(0, this.outgoing);
      this.outgoing = null;
    };
  }

  reset(): void {
    this.board.mcu.usbCtrl.resetDevice();
    this.board.runUntil(() => (this.board.mcu.usbCtrl.readUint32(0x50) & (1 << 19)) !== 0);
    this.board.run(2000);
  }

  ask(
    [type, request, value, index, length]: readonly number[],
    data: readonly number[] = [],
  ): Answer {
    const { mcu } = this.board;
    const setup = [type, request, ...u16(value ?? 0), ...u16(index ?? 0), ...u16(length ?? 0)];
    this.control = [];
    this.acknowledged = false;
    this.outgoing = data.length > 0 ? Uint8Array.from(data) : null;
    mcu.usbDPRAMView.setUint32(0x80, 0, true);
    mcu.usbCtrl.sendSetupPacket(Uint8Array.from(setup as number[]));
    const stalled = () => (mcu.usbDPRAMView.getUint32(0x80, true) & (1 << 11)) !== 0;
    const complete = () => this.acknowledged || (length !== 0 && this.control.length === length);
    this.board.runUntil(() => stalled() || complete());
    this.board.run(3000);
    return stalled() ? 'stall' : this.control;
  }

  /** What an operating system does before it opens the port. */
  enumerate(): void {
    this.reset();
    this.ask([0x00, 5, 9, 0, 0]);
    this.ask([0x00, 9, 1, 0, 0]);
  }

  send(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += 64) this.queue.push(bytes.slice(at, at + 64));
    this.sendData();
  }

  private sendData(): void {
    const packet = this.waiting > 0 ? this.queue.shift() : undefined;
    if (packet === undefined) return;
    this.waiting--;
    this.board.mcu.usbCtrl.endpointReadDone(2, packet);
  }
}

class Board {
  readonly mcu: Rp2040Mcu;
  readonly usb: UsbHost;
  broke: number | null = null;
  /** Lengths of the USB packets that came. */
  packets: number[] = [];
  private readonly uartFrames: Frame[] = [];

  constructor(
    readonly image: Image,
    target: Target,
    flash?: FlashChip,
  ) {
    this.mcu = new Rp2040Mcu('ideal', log, flash);
    const { mcu } = this;
    mcu.load(readUf2(image.uf2, Number(target.uf2FamilyId), 'test'), 'test');
    mcu.boot('test');
    mcu.onBreak = (code) => {
      this.broke = code;
    };
    const reader = new FrameReader();
    const uart = mcu.uart[0];
    if (uart !== undefined) {
      uart.onByte = (byte) => this.uartFrames.push(...reader.push(Uint8Array.of(byte)));
    }
    this.usb = new UsbHost(this);
    this.runUntil(() => this.usb.enabled);
    this.run(100);
  }

  get pc(): number {
    return this.mcu.core.PC & ~1;
  }

  step(): void {
    const { mcu } = this;
    mcu.simulationClock.tick(mcu.core.executeInstruction() * (1e9 / mcu.clkSys));
  }

  run(instructions: number): void {
    for (let i = 0; i < instructions && this.broke === null; i++) this.step();
  }

  runUntil(done: () => boolean, limit = 3e7): void {
    for (let i = 0; i < limit && this.broke === null; i++) {
      if (done()) return;
      this.step();
    }
    if (this.broke === null) throw new Error(`nothing happens at 0x${this.pc.toString(16)}`);
  }

  symbol(name: string): number {
    const address = this.image.symbols.get(name);
    if (address === undefined) throw new Error(`no symbol ${name}`);
    return address;
  }

  feedUart(bytes: Uint8Array): void {
    const uart = this.mcu.uart[0];
    for (const byte of bytes) {
      this.runUntil(() => ((uart?.flags ?? 0) & uartReceiveFull) === 0);
      uart?.feedByte(byte);
    }
  }

  askUart(bytes: Uint8Array): Frame {
    this.feedUart(bytes);
    this.runUntil(() => this.uartFrames.length > 0);
    return this.uartFrames.shift() as Frame;
  }

  askUsb(bytes: Uint8Array): Frame {
    const reader = new FrameReader();
    const frames: Frame[] = [];
    this.usb.send(bytes);
    this.runUntil(() => {
      for (const packet of this.usb.received.splice(0)) {
        this.packets.push(packet.length);
        frames.push(...reader.push(packet));
      }
      return frames.length > 0;
    });
    return frames[0] as Frame;
  }
}

describe('firmware: RP2040', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bonsaic-firmware-'));
  const target = loadTarget('rp2040');
  let image: Image;
  let board: Board;

  before(() => {
    image = rp2040Image(target, directory);
  });
  beforeEach(() => {
    board = new Board(image, target);
  });
  after(() => rmSync(directory, { recursive: true }));

  it('runs at 125 MHz, its UART at the rate of target.json', () => {
    expect(board.mcu.clkSys).to.equal(target.clockHz);
    expect(board.mcu.uart[0]?.baudRate).to.be.closeTo(target.baudRate ?? 0, 12);
  });

  const flashes: [edge: string, flash: FlashChip, cyclesPerMiss: number][] = [
    ['quad where the maker is known, enabled for this run', { id: [0xef], status2: 0 }, 56],
    ['quad where it was enabled for good', { id: [0xc8], status2: 2 }, 56],
    ['serial, slowly, where the maker is not known', { id: [0x1f], status2: 2 }, 384],
    [
      'serial where the flash refuses quad reads',
      {
        id: [0xef],
        get status2() {
          return 0;
        },
        set status2(_) {},
      },
      384,
    ],
  ];
  for (const [edge, flash, cyclesPerMiss] of flashes) {
    it(`reads the flash ${edge}`, () => {
      const { mcu } = new Board(image, target, flash);
      expect(mcu.ssi.cyclesPerMiss).to.equal(cyclesPerMiss);
    });
  }

  it('takes little of the flash', () => {
    // Vectors, boot stage, drivers, frames and commands; 16 384 bytes less this is for kernels.
    expect(image.bin.length).to.be.below(6500);
  });

  it('answers on the link that asked, whatever the other one is in the middle of', () => {
    board.usb.enumerate();
    const info = request('info');
    const half = info.length >> 1;
    board.feedUart(info.subarray(0, half));
    expect(board.askUsb(request('hello')).type).to.equal(0x81);
    expect(board.askUart(info.subarray(half)).type).to.equal(0x82);
    board.usb.send(info.subarray(0, half));
    expect(board.askUart(request('hello')).type).to.equal(0x81);
    expect(board.askUsb(info.subarray(half)).type).to.equal(0x82);
  });

  it('ends an answer that fills its last USB packet with an empty one', () => {
    board.usb.enumerate();
    board.askUsb(request('writeInput', [...u16(0), ...u32(0), ...new Array(100).fill(1)]));
    board.askUsb(request('infer'));
    // On the wire: 12 bytes around the body, 2 of COBS and end.
    const rows: [body: number, packets: number[]][] = [
      [49, [63]],
      [50, [64, 0]],
      [51, [64, 1]],
    ];
    for (const [n, packets] of rows) {
      board.packets = [];
      const { body } = board.askUsb(request('readOutput', [...u16(0), ...u32(1400), ...u16(n)]));
      expect([...body]).to.deep.equal(new Array(n).fill(1));
      expect(board.packets).to.deep.equal(packets);
    }
  });

  it('counts exactly, through a wrap of SysTick', () => {
    const loops = (count: number) => {
      board.mcu.sramView.setInt32(board.symbol('test_work') - sram, count, true);
      board.feedUart(request('infer', [], { sequence: count & 0xffff }));
      let enter = 0;
      let leave = 0;
      board.runUntil(() => board.pc === board.symbol('run'));
      enter = board.mcu.core.cycles;
      const caller = board.mcu.core.LR & ~1;
      board.runUntil(() => board.pc === caller);
      leave = board.mcu.core.cycles;
      return { count: u64(board.askUart(new Uint8Array()).body), true: leave - enter };
    };
    const short = loops(1);
    // The calibration takes off the call and the return of an empty run: two cycles of `true`.
    const constant = short.true - short.count;
    expect(constant).to.be.within(0, 4);
    const long = loops(6_000_000);
    expect(long.true).to.be.above(2 * 2 ** 24);
    expect(long.true - long.count).to.equal(constant);
  });

  it('profiles steps that add up to the run', () => {
    const plain = u64(board.askUart(request('infer')).body);
    board.askUart(request('profile'));
    const read = (first: number, n: number) =>
      board.askUart(request('readCounts', [...u16(first), ...u16(n)])).body;
    const bodies = [read(0, 65), read(65, 65)];
    const counts = bodies.flatMap((body) => Array.from({ length: 65 }, (_, i) => u64(body, 8 * i)));
    const sum = counts.reduce((a, b) => a + b);
    // A hooked run passes a non-null hook: a few cycles a step.
    expect(Math.abs(sum - plain) / fake.steps).to.be.below(12);
  });

  it('measures the deepest stack', () => {
    const memory = () => {
      const { body } = board.askUart(request('memory'));
      const view = new DataView(body.buffer, body.byteOffset);
      return [view.getUint32(0, true), view.getUint32(4, true), view.getUint32(8, true)] as const;
    };
    const [before, size, ram] = memory();
    expect(before).to.be.within(64, 600);
    board.askUart(request('writeInput', [...u16(1), ...u32(1), 1]));
    board.askUart(request('infer'));
    const [after] = memory();
    expect(after - before).to.be.within(2400, 3100);
    expect(size + ram + fake.arenaBytes).to.equal(target.ramBytes);
  });

  it('restarts in the boot loader after its answer', () => {
    const { type } = board.askUart(request('reboot'));
    board.runUntil(() => board.broke !== null);
    expect([type, board.broke]).to.deep.equal([0x8b, bootLoaderBreak]);
  });

  it('is a serial port for every host (standard and class requests)', () => {
    const { usb } = board;
    usb.reset();
    const text = (answer: Answer) =>
      answer === 'stall' ? answer : Buffer.from(answer).subarray(2).toString('utf16le');
    const device = usb.ask([0x80, 6, 0x0100, 0, 64]);
    expect(device).to.have.length(18);
    expect(usb.ask([0x00, 5, 21, 0, 0]), 'address').to.deep.equal([]);
    expect(board.mcu.usbCtrl.readUint32(0)).to.equal(21);
    const configuration = usb.ask([0x80, 6, 0x0200, 0, 255]);
    const rows: [edge: string, request: number[], answer: unknown][] = [
      ['the first 8 bytes of the device', [0x80, 6, 0x0100, 0, 8], device.slice(0, 8)],
      ['the first 9 of the configuration', [0x80, 6, 0x0200, 0, 9], configuration.slice(0, 9)],
      ['languages', [0x80, 6, 0x0300, 0, 255], [4, 3, 9, 4]],
      ['no such string', [0x80, 6, 0x0303, 0x409, 255], 'stall'],
      ['full speed only: no qualifier', [0x80, 6, 0x0600, 0, 10], 'stall'],
      ['goes on after a stall', [0x80, 0, 0, 0, 2], [0, 0]],
      ['not configured yet', [0x80, 8, 0, 0, 1], [0]],
      ['configure', [0x00, 9, 1, 0, 0], []],
      ['configured', [0x80, 8, 0, 0, 1], [1]],
      ['status of an interface', [0x81, 0, 0, 1, 2], [0, 0]],
      ['status of an endpoint', [0x82, 0, 0, 0x82, 2], [0, 0]],
      ['alternate setting', [0x81, 10, 0, 0, 1], [0]],
      ['set the alternate setting', [0x01, 11, 0, 0, 0], []],
      ['line coding', [0xa1, 0x21, 0, 0, 7], [...u32(115200), 0, 0, 8]],
      ['control lines', [0x21, 0x22, 3, 0, 0], []],
      ['break', [0x21, 0x23, 0xffff, 0, 0], []],
      ['an unknown request for data', [0xc0, 0x20, 0, 0, 16], 'stall'],
      ['an unknown request with data', [0x40, 0x20, 0, 0, 16], 'stall'],
    ];
    for (const [edge, setup, answer] of rows) {
      expect(usb.ask(setup), edge).to.deep.equal(answer);
    }
    expect(text(usb.ask([0x80, 6, 0x0301, 0x409, 255]))).to.equal('bonsaic');
    expect(text(usb.ask([0x80, 6, 0x0302, 0x409, 255]))).to.equal('bonsaic rp2040');
    expect(configuration).to.have.length(configuration[2] as number);
  });

  it('takes a line coding, and 1200 baud as the wish for the boot loader', () => {
    const { usb } = board;
    usb.enumerate();
    const coding = (baud: number) => [...u32(baud), 0, 0, 8];
    expect(usb.ask([0x21, 0x20, 0, 0, 7], coding(9600))).to.deep.equal([]);
    expect(usb.ask([0xa1, 0x21, 0, 0, 7])).to.deep.equal(coding(9600));
    expect(board.broke).to.equal(null);
    usb.ask([0x21, 0x20, 0, 0, 7], coding(1200));
    expect(board.broke).to.equal(bootLoaderBreak);
  });

  it('starts anew after a bus reset and after a cleared halt', () => {
    const { usb } = board;
    const toggle = (word: number) => (board.mcu.usbDPRAMView.getUint32(word, true) >> 13) & 1;
    usb.enumerate();
    expect(board.askUsb(request('hello')).type).to.equal(0x81);
    board.run(5000);
    const next = toggle(0x94);
    usb.ask([0x02, 1, 0, 0x82, 0]);
    expect(toggle(0x94), 'the other direction goes on').to.equal(next);
    expect(next).to.equal(1);
    usb.ask([0x02, 1, 0, 0x02, 0]);
    expect(toggle(0x94), 'the next packet is DATA0').to.equal(0);
    expect(board.askUsb(request('hello')).type).to.equal(0x81);
    usb.enumerate();
    expect(toggle(0x94)).to.equal(0);
    expect(board.askUsb(request('hello')).type).to.equal(0x81);
  });

  it('is not disturbed by USB data while it runs the model', () => {
    board.usb.enumerate();
    const quiet = u64(board.askUsb(request('infer')).body);
    board.usb.send(request('infer', [], { sequence: 8 }));
    board.runUntil(() => board.pc === board.symbol('run'));
    board.usb.send(request('hello'));
    board.usb.send(request('hello'));
    expect(u64(board.askUsb(new Uint8Array()).body)).to.equal(quiet);
  });

  it('serves the UART though the USB host has stopped reading, and USB when it reads again', () => {
    board.usb.enumerate();
    const { usbCtrl } = board.mcu;
    const send = usbCtrl.DPRAMUpdated.bind(usbCtrl);
    const stuck: [offset: number, value: number][] = [];
    usbCtrl.DPRAMUpdated = (offset, value) => {
      if (offset === 0x90) stuck.push([offset, value]);
      else send(offset, value);
    };
    // Answers of several packets: the second cannot go out.
    for (let i = 0; i < 2; i++) {
      board.usb.send(request('readCounts', [...u16(0), ...u16(60)]));
      board.run(20_000);
    }
    expect(board.askUart(request('hello')).type).to.equal(0x81);
    board.run(100_000);
    usbCtrl.DPRAMUpdated = send;
    for (const [offset, value] of stuck) send(offset, value);
    expect(board.askUsb(request('hello')).type).to.equal(0x81);
  });
});
