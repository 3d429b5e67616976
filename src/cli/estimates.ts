/** What a model would need on targets, and what zeros among its weights are worth there. */
import { BonsaiError } from '../errors.js';
import type { CountUnit } from '../ir/op.js';
import { compile } from '../pipeline.js';
import { estimateName } from '../plan/explain.js';
import type { KernelEstimate, Plan } from '../plan/types.js';
import { table, thousands } from '../report/text.js';
import { type CompileFlags, compileOptions, targetOf } from './options.js';
import { note } from './output.js';

export interface Estimate {
  readonly target: string;
  readonly arenaBytes: number | null;
  readonly weightBytes: number | null;
  readonly tableBytes: number | null;
  readonly liveMacs: number | null;
  /** What the counts of `layers` are. */
  readonly unit: CountUnit;
  /** Those that have a dense kernel. */
  readonly layers: readonly LayerEstimate[];
  /** Why the model does not compile for the target; null when it does. */
  readonly refused: string | null;
}

/** The kernel of a layer, and what would be chosen if those of all layers were dense. */
export interface LayerEstimate {
  /** Indices of the source operators. */
  readonly ops: readonly number[];
  readonly chosen: KernelEstimate;
  readonly dense: KernelEstimate;
}

/** A model that only `compile` refuses (a float one) can still be looked at. */
export function estimate(
  bytes: Uint8Array,
  path: string,
  flags: CompileFlags,
  name: string,
): Estimate {
  const target = targetOf({ target: name });
  const unknown = {
    ...{ target: name, unit: target.costUnit, layers: [] },
    ...{ arenaBytes: null, weightBytes: null, tableBytes: null, liveMacs: null },
  };
  try {
    const { plan, emission } = compile({ bytes, path, target, options: compileOptions(flags) });
    const bytesOf = (role: string) =>
      emission.manifest.tables.reduce((sum, t) => sum + (t.role === role ? t.bytes : 0), 0);
    return {
      ...unknown,
      arenaBytes: plan.arenaBytes,
      weightBytes: bytesOf('weights'),
      tableBytes: bytesOf('table'),
      liveMacs: plan.model.liveMacs,
      layers: layerEstimates(plan),
      refused: null,
    };
  } catch (error) {
    if (!(error instanceof BonsaiError)) throw error;
    note(`${name}: ${error.where}: ${error.message}`);
    if (error.hint !== '') note(`  → ${error.hint}`);
    return { ...unknown, refused: `${error.where}: ${error.message}` };
  }
}

function layerEstimates({ steps }: Plan): readonly LayerEstimate[] {
  return steps.flatMap(({ ops, alternatives, dense }) => {
    const [chosen] = alternatives;
    return chosen === undefined || dense === null ? [] : [{ ops, chosen, dense }];
  });
}

/** @param layers of the source model, those with weights to be shown */
export function estimateText(
  targets: readonly Estimate[],
  layers: readonly {
    readonly index: number;
    readonly op: string;
    readonly weights: object | null;
  }[],
): string {
  const needs = targets.map((t) => [
    t.target,
    ...(t.refused === null
      ? [t.arenaBytes, t.weightBytes, t.tableBytes, t.liveMacs].map(String)
      : ['refused', '', '', '']),
  ]);
  const columns = ['arena B', 'weights B', 'tables B', 'live MAC'];
  const weighty = layers.filter(({ weights }) => weights !== null);
  const [only] = targets;
  return [
    targets.length === 1 && only ? layerTable(only, weighty) : summary(targets, weighty),
    '',
    table(['target', ...columns], needs, new Set(columns)),
  ].join('\n');
}

type Weighty = readonly { readonly index: number; readonly op: string }[];

function layerTable({ layers, unit }: Estimate, weighty: Weighty): string {
  const rows = layers.flatMap(({ ops, chosen, dense }) => {
    if (!weighty.some(({ index }) => ops.includes(index))) return [];
    const figures = (one: KernelEstimate) => [
      estimateName(one),
      thousands(one.count),
      thousands(one.bytes),
    ];
    const isSame = isSameKernel({ chosen, dense });
    return [
      [
        ops.join('+'),
        ...figures(chosen),
        ...(isSame ? ['same'] : [...figures(dense), ...changes([{ chosen, dense }])]),
      ],
    ];
  });
  const figures = [unit, 'bytes'];
  const header = ['#', 'kernel', ...figures, 'best dense kernel', ...figures, 'time', 'bytes'];
  const right = new Set(header.filter((title) => !title.includes('kernel')));
  return [
    'estimated, beside the best kernels that multiply every weight',
    table(header, rows, right),
  ].join('\n');
}

/** Time and bytes against the best dense kernel, a column a target. */
function summary(targets: readonly Estimate[], weighty: Weighty): string {
  const known = targets.filter(({ refused }) => refused === null);
  const rows = weighty.map(({ index, op }) => [
    String(index),
    op,
    ...known.map(({ layers }) => changeText(layers.filter(({ ops }) => ops.includes(index)))),
  ]);
  const isWeighty = ({ ops }: LayerEstimate) => weighty.some(({ index }) => ops.includes(index));
  const all = known.map(({ layers }) => changeText(layers.filter(isWeighty)));
  const names = known.map(({ target }) => target);
  return [
    'estimated time and bytes against the best kernels that multiply every weight',
    table(['#', 'op', ...names], [...rows, ['', 'all', ...all]], new Set(['#', ...names])),
  ].join('\n');
}

type Compared = Pick<LayerEstimate, 'chosen' | 'dense'>;

/** '' where nothing but dense kernels was chosen. */
function changeText(layers: readonly Compared[]): string {
  return layers.every(isSameKernel) ? '' : changes(layers).join(' ');
}

/** In the same place, too: its weights may lie where others of their size leave no room. */
function isSameKernel({ chosen, dense }: Compared): boolean {
  return estimateName(chosen) === estimateName(dense) && chosen.count === dense.count;
}

/** '−48 %', '+12 %': of counts, of bytes. */
function changes(layers: readonly Compared[]): readonly [count: string, bytes: string] {
  const change = (of: (one: KernelEstimate) => number) => {
    const sum = (which: keyof Compared) =>
      layers.reduce((total, layer) => total + of(layer[which]), 0);
    const percent = Math.round(100 * (sum('chosen') / Math.max(1, sum('dense')) - 1));
    return `${percent < 0 ? '−' : '+'}${Math.abs(percent)} %`;
  };
  return [change(({ count }) => count), change(({ bytes }) => bytes)];
}
