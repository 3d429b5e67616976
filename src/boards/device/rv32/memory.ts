/** What a simulated core finds at each address: memory in pages, and registers of peripherals. */

/** One page of memory; it may be mapped at several addresses. */
export interface Page {
  readonly view: DataView;
  readonly isWritable: boolean;
  /** For flash behind a cache: called with the address of every load. */
  readonly onLoad: ((address: number) => void) | null;
  /** For each two bytes, 1 if they are part of a translated instruction. */
  readonly translated: Uint8Array;
}

/** Registers of a peripheral, by address: words, whatever the width of the access. */
export interface Peripheral {
  read(address: number): number;
  write(address: number, value: number): void;
}

export const pageBits = 12;
export const pageBytes = 1 << pageBits;
const pageMask = pageBytes - 1;

/** An access to an address without memory or peripheral. */
export class AccessFault extends Error {
  constructor(
    readonly access: 'load' | 'store' | 'fetch',
    readonly address: number,
  ) {
    super(`${access} at 0x${(address >>> 0).toString(16)}`);
  }
}

export class Memory {
  private readonly pages = new Array<Page | undefined>(2 ** (32 - pageBits));
  /** Each page once. */
  private readonly mapped: Page[] = [];
  private readonly peripherals: { readonly base: number; readonly end: number; on: Peripheral }[] =
    [];
  /** Called when a store changes translated bytes. */
  onCodeChange: () => void = () => {};

  /**
   * Maps memory of `bytes` at each of `bases`.
   *
   * @param bases multiples of 4096, as is the length
   * @param isWritable false: a store faults
   */
  map(
    bytes: Uint8Array,
    bases: readonly number[],
    { isWritable, onLoad = null }: Pick<Page, 'isWritable'> & Partial<Pick<Page, 'onLoad'>>,
  ): void {
    for (let offset = 0; offset < bytes.length; offset += pageBytes) {
      const page: Page = {
        view: new DataView(bytes.buffer, bytes.byteOffset + offset, pageBytes),
        isWritable,
        onLoad,
        translated: new Uint8Array(pageBytes / 2),
      };
      this.mapped.push(page);
      for (const base of bases) this.pages[(base + offset) >>> pageBits] = page;
    }
  }

  /** @param bytes length of the peripheral's registers from `base` */
  attach(base: number, bytes: number, on: Peripheral): void {
    this.peripherals.push({ base, end: base + bytes, on });
  }

  load32(address: number): number {
    const page = this.pages[address >>> pageBits];
    const offset = address & pageMask;
    if (page === undefined) return this.peripheralAt('load', address).read(address >>> 0);
    if (offset > pageBytes - 4) return this.load16(address) | (this.load16(address + 2) << 16);
    page.onLoad?.(address);
    return page.view.getInt32(offset, true);
  }

  /** Zero-extended. */
  load16(address: number): number {
    const page = this.pages[address >>> pageBits];
    const offset = address & pageMask;
    if (page === undefined) return this.part(address) & 0xffff;
    if (offset > pageBytes - 2) return this.load8(address) | (this.load8(address + 1) << 8);
    page.onLoad?.(address);
    return page.view.getUint16(offset, true);
  }

  /** Zero-extended. */
  load8(address: number): number {
    const page = this.pages[address >>> pageBits];
    if (page === undefined) return this.part(address) & 0xff;
    page.onLoad?.(address);
    return page.view.getUint8(address & pageMask);
  }

  store32(address: number, value: number): void {
    const page = this.pages[address >>> pageBits];
    const offset = address & pageMask;
    if (page === undefined) {
      this.peripheralAt('store', address).write(address >>> 0, value >>> 0);
    } else if (offset > pageBytes - 4) {
      this.store16(address, value);
      this.store16(address + 2, value >>> 16);
    } else {
      this.writable(page, address, 4).setInt32(offset, value, true);
    }
  }

  store16(address: number, value: number): void {
    const page = this.pages[address >>> pageBits];
    const offset = address & pageMask;
    if (page === undefined) {
      this.peripheralAt('store', address).write(address >>> 0, value & 0xffff);
    } else if (offset > pageBytes - 2) {
      this.store8(address, value);
      this.store8(address + 1, value >>> 8);
    } else {
      this.writable(page, address, 2).setInt16(offset, value, true);
    }
  }

  store8(address: number, value: number): void {
    const page = this.pages[address >>> pageBits];
    if (page === undefined) {
      this.peripheralAt('store', address).write(address >>> 0, value & 0xff);
    } else {
      this.writable(page, address, 1).setInt8(address & pageMask, value);
    }
  }

  /** The halfword of an instruction. From now on a store to it changes code. */
  fetch16(address: number): number {
    const page = this.pages[address >>> pageBits];
    if (page === undefined) throw new AccessFault('fetch', address);
    const offset = address & pageMask;
    page.translated[offset >>> 1] = 1;
    return page.view.getUint16(offset, true);
  }

  /** Nothing fetched so far counts as code any more. */
  forgetCode(): void {
    for (const { translated } of this.mapped) translated.fill(0);
  }

  private writable(page: Page, address: number, bytes: number): DataView {
    if (!page.isWritable) throw new AccessFault('store', address);
    const offset = address & pageMask;
    const last = (offset + bytes - 1) >>> 1;
    for (let half = offset >>> 1; half <= last; half++) {
      if (page.translated[half] === 1) {
        this.onCodeChange();
        break;
      }
    }
    return page.view;
  }

  /** The bytes of a peripheral's word from `address`. */
  private part(address: number): number {
    const word = this.peripheralAt('load', address).read((address & ~3) >>> 0);
    return word >>> (8 * (address & 3));
  }

  private peripheralAt(access: 'load' | 'store', address: number): Peripheral {
    const wanted = address >>> 0;
    const found = this.peripherals.find(({ base, end }) => base <= wanted && wanted < end);
    if (found === undefined) throw new AccessFault(access, address);
    return found.on;
  }
}
