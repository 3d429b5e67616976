/**
 * Measures each operator over a grid of shapes, with the kernels that are chosen. A layer that is
 * much slower than others of its kind shows that a kernel or a rule of choice is missing.
 */

import { loadTarget } from '../src/boards/target/index.js';
import { measureLayers } from '../src/boards/tune/measure.js';
import { chosenTrials } from '../src/boards/tune/trials.js';
import type { Optimize } from '../src/compiler/ir/op.js';
import { replaceParts } from './document.js';
import { operatorGrid } from './operators/grid.js';
import { summarize, tableOf, textOf } from './operators/summary.js';

/** Layers in one program; memory holds the inputs of all of them at once. */
const together = 64;

export interface OperatorsRequest {
  readonly targets: readonly string[];
  readonly optimize: Optimize;
  /** Operators to measure; by default all. */
  readonly only?: readonly string[] | undefined;
  /** Whether to write the tables to docs/tables/operators.md. */
  readonly write: boolean;
}

/** @throws BonsaiError of the toolchain or the simulator; 'outputs-differ' where a layer is not exact */
export async function benchOperators(request: OperatorsRequest): Promise<void> {
  const { targets, optimize, only, write } = request;
  const layers = operatorGrid().filter(({ op }) => only?.includes(op) ?? true);
  const sections: string[] = [];
  for (const name of targets) {
    const target = loadTarget(name);
    const board = { target, port: 'sim', observe: console.error, trials: chosenTrials };
    const measured = [];
    let unit = '';
    for (let first = 0; first < layers.length; first += together) {
      const some = layers.slice(first, first + together);
      const { trials, ...rest } = await measureLayers(some, optimize, board);
      measured.push(...trials);
      unit = rest.unit;
    }
    const summaries = summarize(measured);
    console.log(`${name}, ${unit}, --optimize ${optimize}\n${textOf(summaries)}\n`);
    sections.push(`### ${name} (${target.coreName}), ${unit}\n\n${tableOf(summaries)}`);
  }
  if (write) replaceParts('operators', sections);
}
