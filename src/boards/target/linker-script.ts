/** Linker scripts: a board's own file, or the text that its sizes make. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { packageFile } from '../../package.js';

/** Where the memories of a Cortex-M begin; `flashBytes` and `ramBytes` have their sizes. */
export interface Memory {
  /** Whose, and where that is written: 'the STM32F411xE (DS10314, 4)'. */
  readonly of: string;
  readonly flash: string;
  readonly ram: string;
}

const kilobyte = 1024;
/** As a person writes it: 512K, 1M. */
function sizeOf(bytes: number): string {
  const megabytes = bytes / kilobyte ** 2;
  return Number.isInteger(megabytes) ? `${megabytes}M` : `${bytes / kilobyte}K`;
}

/** A comment of lines of at most 100 columns. */
function comment(text: string): string {
  const lines = text.match(/\S.{0,94}(?=\s|$)/g) ?? [];
  return `/* ${lines.join('\n * ')} */`;
}

/** Sections, vectors and the stack's symbols are those of every Cortex-M. */
function scriptOf({ of, flash, ram }: Memory, flashBytes: number, ramBytes: number): string {
  return [
    comment(`Memory of ${of}.`),
    'MEMORY',
    '{',
    `    flash (rx) : ORIGIN = ${flash}, LENGTH = ${sizeOf(flashBytes)}`,
    `    ram (rwx) : ORIGIN = ${ram}, LENGTH = ${sizeOf(ramBytes)}`,
    '}',
    '',
    'INCLUDE firmware/port/cortex_m/sections.ld',
    '',
  ].join('\n');
}

/** The script and its name below the project's firmware/; null: the compiler's own. */
export function linkerScriptOf(target: {
  readonly name: string;
  readonly linkerScript?: string | null | undefined;
  readonly memory?: Memory | undefined;
  readonly flashBytes: number | null;
  readonly ramBytes: number | null;
}): { readonly name: string; readonly text: string } | null {
  const { name, linkerScript = null, memory, flashBytes, ramBytes } = target;
  if (memory !== undefined) {
    return { name: `${name}.ld`, text: scriptOf(memory, flashBytes ?? 0, ramBytes ?? 0) };
  }
  if (linkerScript === null) return null;
  const text = readFileSync(packageFile(`targets/${linkerScript}`), 'utf8');
  return { name: basename(linkerScript), text };
}
