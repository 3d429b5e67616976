/** bonsaic targets, operators: lists. */

import type { Command } from 'commander';
import { listTargets, loadTarget } from '../boards/target/index.js';
import { kernelText, supportedOperators, typeText } from '../report/operators.js';
import { textTable } from '../report/text-table.js';
import { printJson, printResult, terminalColumns } from './output.js';

interface Flags {
  readonly json?: true;
}

/** What a list prints. */
interface List {
  readonly document: object;
  readonly rows: readonly Readonly<Record<string, unknown>>[];
}

/** A command without arguments that prints rows. */
function addList(blank: Command, list: () => List): void {
  blank.option('--json', 'one JSON document on stdout').action((flags: Flags) => {
    const { document, rows } = list();
    if (flags.json) {
      printJson(document);
      return;
    }
    const header = Object.keys(rows[0] ?? {});
    const cells = rows.map((row) => header.map((column) => String(row[column] ?? '')));
    printResult(textTable(header, cells, { width: terminalColumns() }));
  });
}

export function addTargets(blank: Command): void {
  addList(blank, () => {
    const rows = targetRows();
    return { document: rows, rows };
  });
}

export function addOperators(blank: Command): void {
  addList(blank, operatorList);
}

/** By format; TFLite's names so far. */
function operatorList(): List {
  const operators = supportedOperators();
  return {
    document: { tflite: operators.map(({ tflite }) => tflite) },
    rows: operators.map((operator) => ({
      TFLite: operator.tflite,
      types: typeText(operator.types),
      kernels:
        operator.becomes === undefined ? kernelText(operator) : `none: becomes ${operator.becomes}`,
    })),
  };
}

function targetRows() {
  return listTargets().map((name) => {
    const {
      description,
      coreName: core,
      clockHz,
      flashBytes,
      ramBytes,
      simulator,
    } = loadTarget(name);
    return { target: name, description, core, clockHz, flashBytes, ramBytes, simulator };
  });
}
