/** Erases sectors of an STM32, and finds out how the boot loader counts those of a second bank. */
import type { Transport } from '../../device/transport.js';
import type { Bank, Sector } from '../../target/sectors.js';
import { blockBytes, type Stm32Loader } from './loader.js';
import { protectedError } from './protection.js';

const nothing = new Uint8Array(blockBytes).fill(0xff);

export class Eraser {
  /** Whether sectors with two possible numbers have the other one; null until one was seen erased. */
  private countsOtherwise: boolean | null = null;

  constructor(
    private readonly loader: Stm32Loader,
    private readonly transport: Transport,
    private readonly port: string,
  ) {}

  /**
   * Erases banks at once of which nothing stays.
   *
   * @returns the sectors that are erased
   */
  async eraseBanks(sectors: readonly Sector[]): Promise<ReadonlySet<Sector>> {
    const erased = new Set<Sector>();
    for (const bank of new Set(sectors.flatMap((sector) => sector.bank ?? []))) {
      const inside = sectors.filter((sector) => sector.bank === bank);
      if (inside.length === bank.count && (await this.eraseBank(bank))) {
        for (const sector of inside) erased.add(sector);
      }
    }
    return erased;
  }

  private eraseBank({ code, eraseMs }: Bank): Promise<boolean> {
    return this.loader.eraseBank(code, eraseMs.longest);
  }

  /** @throws BonsaiError 'flash' when the sector of a second bank stays under either number */
  async erase(sector: Sector): Promise<void> {
    const { number, otherNumber, eraseMs } = sector;
    if (otherNumber !== null && this.countsOtherwise === null) {
      await this.find(sector, otherNumber);
      return;
    }
    const counted = this.countsOtherwise ? (otherNumber ?? number) : number;
    await this.loader.erase(counted, eraseMs.longest);
    await this.settle(sector);
  }

  private async settle({ settleMs }: Sector): Promise<void> {
    if (settleMs > 0) await this.transport.sleep(settleMs);
  }

  /**
   * A wrong number is refused, or erases a sector of the image, which is then written again: an image
   * that reaches into the second bank covers the first.
   */
  private async find(sector: Sector, otherNumber: number): Promise<void> {
    // One that is blank does not tell.
    const isBlank = await this.isBlank(sector);
    for (const number of [sector.number, otherNumber]) {
      const isTaken = await this.loader.tryErase(number, sector.eraseMs.longest);
      if (!isTaken) continue;
      await this.settle(sector);
      if (isBlank) return;
      if (await this.isBlank(sector)) {
        this.countsOtherwise = number === otherNumber;
        return;
      }
    }
    if (!isBlank) throw protectedError(this.port, [sector], 'the image is not complete');
  }

  /** The boot loader reports no error for a protected sector (AN3155, 3.8). */
  async requireErased(sector: Sector): Promise<void> {
    if (await this.isBlank(sector)) return;
    await this.erase(sector);
    if (await this.isBlank(sector)) return;
    throw protectedError(this.port, [sector], 'the image is not complete');
  }

  private async isBlank({ address }: Sector): Promise<boolean> {
    return (await this.loader.compare(address, nothing)) === 'equal';
  }
}
