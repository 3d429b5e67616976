/** The constant arrays and routines of one program. Equal ones are emitted once. */
import { sha256 } from '../../bytes.js';
import type { Routine, RoutineTwin, Table } from '../kernels/variant.js';
import type { Region } from '../plan/types.js';
import { ctypeOf, hexRows, rows } from './c.js';
import type { TableInfo } from './manifest.js';

interface Entry {
  readonly info: TableInfo;
  readonly definition: Definition;
  /** null for an array. */
  readonly routine: Routine | null;
}

interface Definition {
  /** C. */
  readonly declaration: string;
  /** C for an array, assembler for a routine. */
  text(): string;
}

/** The step and the region in which a symbol is read. */
export interface Home {
  readonly step: number;
  readonly region: Region;
}

/** Half words of code are bits, as words are. */
function tableRows({ data, role }: Table): string {
  return data instanceof Uint16Array && role === 'weights' ? hexRows(data) : rows(data);
}

/** The place of arrays and routines of a region: a macro in C, a section in the assembler. */
const macros: Readonly<Record<Region, string>> = { flash: 'BONSAI_FLASH', sram: 'BONSAI_SRAM' };
// Declared as data in RAM: the assembler warns about a .data section that contains code.
const sections: Readonly<Record<Region, string>> = {
  flash: '.text.{},"ax",%progbits',
  sram: '.data.bonsai_code.{},"aw",%progbits',
};

export class TablePool {
  private readonly bySymbol = new Map<string, Entry>();
  private readonly byContent = new Map<string, Entry>();

  /**
   * The symbol of the array that holds `table`: `symbol`, unless an equal array exists. If other
   * contents have this symbol, it gets a number. Only weights are placed in their step's region.
   */
  add(symbol: string, table: Table, home: Home): string {
    const { data, role } = table;
    const region = role === 'weights' ? home.region : 'flash';
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const content = `${region} ${ctypeOf(table.data)} ${sha256(bytes)}`;
    const info = { role, bytes: data.byteLength, region, step: home.step };
    const place = `[${data.length}] ${macros[region]}`;
    return this.enter(symbol, content, info, null, (name) => ({
      declaration: `static const ${ctypeOf(table.data)} ${name}${place};\n`,
      text: () =>
        `static const ${ctypeOf(table.data)} ${name}${place} = {\n${tableRows(table)}};\n`,
    }));
  }

  /** The symbol of a routine, by the same rules. */
  addRoutine(symbol: string, routine: Routine, { step, region }: Home): string {
    const content = `${region} ${sha256(routine.text(''))}`;
    const info = { role: 'weights', bytes: routine.bytes, region, step } as const;
    const textOf = (name: string) => {
      const section = sections[region].replace('{}', name);
      const head = `    .section ${section}\n    .balign 4\n    .global ${name}\n`;
      const thumb = routine.isa === 'thumb' ? '    .thumb_func\n' : '';
      const type = `${thumb}    .type ${name}, %function\n`;
      return `${head}${type}${routine.text(name).trimEnd()}\n    .size ${name}, . - ${name}\n`;
    };
    return this.enter(symbol, content, info, routine, (name) => ({
      declaration: `void ${name}(const void *in, void *out, const void *args);\n`,
      text: () => textOf(name),
    }));
  }

  private enter(
    symbol: string,
    content: string,
    info: Omit<TableInfo, 'symbol'>,
    routine: Routine | null,
    definition: (name: string) => Definition,
  ): string {
    const equal = this.byContent.get(content);
    if (equal !== undefined) return equal.info.symbol;
    let free = symbol;
    for (let n = 1; this.bySymbol.has(free); n++) free = `${symbol}_${n}`;
    const entry = { info: { symbol: free, ...info }, definition: definition(free), routine };
    this.bySymbol.set(free, entry);
    this.byContent.set(content, entry);
    return free;
  }

  get infos(): readonly TableInfo[] {
    return [...this.bySymbol.values()].map((entry) => entry.info);
  }

  /** C definitions of the arrays, in the order of first use. */
  definitions(): readonly string[] {
    return this.entries().flatMap(({ routine, definition }) =>
      routine === null ? [definition.text()] : [],
    );
  }

  /** C declarations of the arrays and routines, which come before the code that uses them. */
  declarations(): string {
    return this.entries()
      .map(({ definition }) => definition.declaration)
      .join('');
  }

  /** Symbols, assembler and C twins of the routines, in the order of first use. */
  routines(): readonly {
    readonly symbol: string;
    readonly isa: Routine['isa'];
    readonly text: string;
    readonly twin: () => RoutineTwin;
  }[] {
    return this.entries().flatMap(({ info, routine, definition }) =>
      routine === null
        ? []
        : [
            {
              ...{ symbol: info.symbol, isa: routine.isa, text: definition.text() },
              twin: () => routine.twin(),
            },
          ],
    );
  }

  private entries(): readonly Entry[] {
    return [...this.bySymbol.values()];
  }
}
