/** What `text-table.ts` uses of cliui, which comes without types. */
declare module 'cliui' {
  export interface Cell {
    readonly text: string;
    /** In terminal columns, padding included. */
    readonly width: number;
    readonly align: 'left' | 'right';
    readonly padding: readonly [top: number, right: number, bottom: number, left: number];
  }

  export interface Page {
    /** Adds a row, as high as its highest cell. */
    div(...cells: readonly Cell[]): unknown;
    toString(): string;
  }

  export default function cliui(options: { readonly width: number }): Page;
}
