/**
 * Reads of the RP2040's flash interface (SSI) with a W25Q16JV: the commands by which the firmware
 * identifies the flash chip, and the cost of a cache miss under the current registers (RP2040
 * datasheet, 4.10; W25Q16JV datasheet, 8.2).
 */
import { BasePeripheral, type RP2040 } from 'rp2040js';

const registers = {
  ctrlr0: 0x00,
  enable: 0x08,
  baudr: 0x14,
  status: 0x28,
  data: 0x60,
  spiCtrlr0: 0xf4,
} as const;

/** Transmit FIFO empty, not full, never busy: simulated commands take no time. */
const idle = 0b0110;
const hasAnswer = 0b1000;

const quadEnable = 0x02;

/** The state of the flash chip: identity and status register 2. */
export interface FlashChip {
  /** Answer to the command 9Fh, manufacturer first. */
  readonly id: readonly number[];
  status2: number;
}

/** The chip of the Raspberry Pi Pico, with quad reads not yet enabled. */
export const w25q16 = (): FlashChip => ({ id: [0xef, 0x40, 0x15], status2: 0 });

export class FlashInterface extends BasePeripheral {
  private readonly set = new Map<number, number>();
  /** Bytes of the current command, and the flash's answers to them. */
  private sent: number[] = [];
  private answers: number[] = [];
  private writable = false;

  constructor(
    mcu: RP2040,
    name: string,
    readonly chip: FlashChip,
  ) {
    super(mcu, name);
  }

  /**
   * Cycles of clk_sys to read one cache line of 8 bytes: the bits of command, address, wait and
   * data, each divided by its width, times the clock divider.
   */
  get cyclesPerMiss(): number {
    const control = this.register(registers.ctrlr0);
    const spi = this.register(registers.spiCtrlr0);
    const width = 2 ** ((control >>> 21) & 3);
    const commandBits = [0, 4, 8, 16][(spi >>> 8) & 3] as number;
    const addressBits = 4 * ((spi >>> 2) & 15);
    const wait = (spi >>> 11) & 31;
    const transfer = spi & 3;
    const command = commandBits / (transfer === 2 ? width : 1);
    const address = addressBits / (transfer === 0 ? 1 : width);
    return (command + address + wait + 64 / width) * this.register(registers.baudr);
  }

  private register(offset: number): number {
    return this.set.get(offset) ?? 0;
  }

  override readUint32(offset: number): number {
    if (offset === registers.status) {
      // The firmware polls the status for the end of a command: the chip is deselected.
      this.execute();
      return idle | (this.answers.length > 0 ? hasAnswer : 0);
    }
    if (offset === registers.data) return this.answers.shift() ?? 0;
    return this.register(offset);
  }

  override writeUint32(offset: number, value: number): void {
    if (offset === registers.data) {
      this.sent.push(value & 0xff);
      this.answers.push(this.answerTo(this.sent));
      return;
    }
    if (offset === registers.enable) {
      this.sent = [];
      this.answers = [];
    }
    this.set.set(offset, value >>> 0);
  }

  /** The byte received while the last byte of `sent` is transmitted. */
  private answerTo(sent: readonly number[]): number {
    const [opcode] = sent;
    const position = sent.length - 2;
    if (position < 0) return 0;
    if (opcode === 0x9f) return this.chip.id[position] ?? 0;
    if (opcode === 0x05) return 0;
    return opcode === 0x35 ? this.chip.status2 : 0;
  }

  private execute(): void {
    const [opcode, value = 0] = this.sent;
    if (opcode === 0x31 && this.writable) this.chip.status2 = value & (quadEnable | 0x01);
    if (opcode !== undefined) this.writable = opcode === 0x50 || opcode === 0x06;
    this.sent = [];
  }
}
