/** The constant arrays of one program: equal ones are emitted once. */
import { createHash } from 'node:crypto';
import type { Table } from '../ir/op.js';
import { ctypeOf, rows } from './c.js';
import type { TableInfo } from './manifest.js';

interface Entry {
  readonly info: TableInfo;
  readonly data: Table['data'];
}

export class TablePool {
  private readonly bySymbol = new Map<string, Entry>();
  private readonly byContent = new Map<string, Entry>();

  /**
   * The symbol of the array that holds `table`: `symbol`, unless an equal one exists. A symbol
   * that is taken by other contents gets a number.
   */
  add(symbol: string, table: Table, step: number): string {
    const { data } = table;
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const content = `${ctypeOf(data)} ${createHash('sha256').update(bytes).digest('hex')}`;
    const equal = this.byContent.get(content);
    if (equal !== undefined) return equal.info.symbol;
    let free = symbol;
    for (let n = 1; this.bySymbol.has(free); n++) free = `${symbol}_${n}`;
    const info = { symbol: free, role: table.role, bytes: data.byteLength, step };
    const entry = { info, data };
    this.bySymbol.set(free, entry);
    this.byContent.set(content, entry);
    return free;
  }

  get infos(): readonly TableInfo[] {
    return [...this.bySymbol.values()].map((entry) => entry.info);
  }

  /** C definitions in the order of first use. */
  definitions(): readonly string[] {
    return [...this.bySymbol.values()].map(
      ({ info, data }) =>
        `static const ${ctypeOf(data)} ${info.symbol}[${data.length}] BONSAI_FLASH = {\n${rows(data)}};\n`,
    );
  }
}
