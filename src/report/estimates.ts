/** What a model would need on targets, and what skipping its zero weights would save there. */

import type { Target } from '../boards/target/index.js';
import type { Manifest } from '../compiler/codegen/manifest.js';
import type { CountUnit } from '../compiler/ir/op.js';
import { estimateName } from '../compiler/plan/choose/explain.js';
import { estimatedCount, type KernelEstimate, type Plan } from '../compiler/plan/types.js';
import { BonsaiError } from '../errors.js';
import { memoryOf } from './index.js';
import { milliseconds, thousands } from './text.js';
import { prose, textTable } from './text-table.js';

export interface Estimate {
  readonly target: string;
  /** Of an inference. */
  readonly ms: number | null;
  /** Of the image, at most. */
  readonly flashBytes: number | null;
  /** As `run` counts it, at most; null also where nothing is known of the board. */
  readonly ramBytes: number | null;
  readonly arenaBytes: number | null;
  readonly weightBytes: number | null;
  readonly tableBytes: number | null;
  readonly liveMacs: number | null;
  /** The unit of the counts in `layers`. */
  readonly unit: CountUnit;
  /** Layers that have a dense kernel. */
  readonly layers: readonly LayerEstimate[];
  /** Why the model does not compile for the target; null if it compiles. */
  readonly refused: string | null;
  /** How to fix that. */
  readonly hint: string | null;
}

/** A layer's kernel, and its kernel if all layers were dense. */
export interface LayerEstimate {
  /** Indices of the source operators. */
  readonly ops: readonly number[];
  readonly chosen: KernelEstimate;
  readonly dense: KernelEstimate;
}

/**
 * What a model needs on a target, or why the target refuses it (a float model, for instance).
 *
 * @param compile compiles it for the target
 */
export function estimateOf(
  target: Target,
  compile: () => Pick<Manifest, 'plan' | 'tables'>,
): Estimate {
  const unknown = {
    ...{ target: target.name, unit: target.costUnit, layers: [] },
    ...{ arenaBytes: null, weightBytes: null, tableBytes: null, liveMacs: null },
    ...{ ms: null, flashBytes: null, ramBytes: null },
  };
  try {
    const manifest = compile();
    const { plan } = manifest;
    const memory = memoryOf(manifest, target);
    return {
      ...unknown,
      ms: (1000 * estimatedCount(plan)) / target.clockHz,
      flashBytes: memory.flashMostBytes,
      ramBytes: memory.ramMostBytes,
      arenaBytes: memory.arenaBytes,
      weightBytes: memory.weightBytes,
      tableBytes: memory.tableBytes,
      liveMacs: plan.model.liveMacs,
      layers: layerEstimates(plan),
      refused: null,
      hint: null,
    };
  } catch (error) {
    if (!(error instanceof BonsaiError)) throw error;
    return { ...unknown, refused: `${error.where}: ${error.message}`, hint: error.hint };
  }
}

function layerEstimates({ steps }: Plan): readonly LayerEstimate[] {
  return steps.flatMap(({ ops, alternatives, dense }) => {
    const [chosen] = alternatives;
    return chosen === undefined || dense === null ? [] : [{ ops, chosen, dense }];
  });
}

/**
 * '' if there is nothing to show.
 *
 * @param layers of the source model, those with weights to be shown
 */
export function estimateText(
  targets: readonly Estimate[],
  layers: readonly {
    readonly index: number;
    readonly op: string;
    readonly weights: object | null;
  }[],
  { width, why }: EstimateStyle,
): string {
  const taken = targets.filter(({ refused }) => refused === null);
  const needs = taken.map((t) => [
    t.target,
    milliseconds(t.ms ?? 0),
    ...[t.flashBytes, t.ramBytes, t.arenaBytes, t.weightBytes, t.tableBytes, t.liveMacs].map(
      (value) => String(value ?? ''),
    ),
  ]);
  const most = ['≤ flash B', '≤ RAM B'];
  const columns = ['ms', ...most, 'arena B', 'weights B', 'tables B', 'live MAC'];
  const weighty = layers.filter(({ weights }) => weights !== null);
  const [only] = taken;
  return [
    targets.length === 1 && only
      ? layerTable(only, weighty, { width, why })
      : summary(taken, weighty, width),
    textTable(['target', ...columns], needs, { right: new Set(columns), width }),
    ...refusals(targets, width),
  ]
    .filter((text) => text !== '')
    .join('\n\n');
}

export interface EstimateStyle {
  /** Columns of the terminal. */
  readonly width: number;
  /** Whether to show the best dense kernel of each layer. */
  readonly why: boolean;
}

/** Each reason once, with the targets that refuse the model for it. */
function refusals(targets: readonly Estimate[], width: number): readonly string[] {
  const reasons = new Map<string, Estimate[]>();
  for (const target of targets) {
    const { refused } = target;
    if (refused !== null) reasons.set(refused, [...(reasons.get(refused) ?? []), target]);
  }
  return [...reasons].map(([reason, refusing]) => {
    const all = refusing.length === targets.length && targets.length > 1;
    const names = all
      ? 'compiles for no target'
      : `does not compile for ${refusing.map(({ target }) => target).join(', ')}`;
    const hint = refusing[0]?.hint ?? '';
    return [
      prose(`${names}: ${reason}`, width, 2),
      ...(hint === '' ? [] : [prose(`  → ${hint}`, width, 4)]),
    ].join('\n');
  });
}

type Weighty = readonly { readonly index: number; readonly op: string }[];

function layerTable(
  { layers, unit }: Estimate,
  weighty: Weighty,
  { width, why }: EstimateStyle,
): string {
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
        ...(isSame ? ['', '', '', '', ''] : [...figures(dense), ...changes([{ chosen, dense }])]),
      ],
    ];
  });
  const figures = [unit, 'bytes'];
  const dense = ['best dense kernel', ...figures];
  const header = ['#', 'kernel', ...figures, ...dense, 'time', 'bytes'];
  const right = new Set(header.filter((title) => !title.includes('kernel')));
  const shown = why ? [header, ...rows] : [header, ...rows].map((row) => withoutDense(row));
  const [titles = [], ...cells] = shown;
  const text = textTable(titles, cells, { right, width });
  const beside = 'estimated, beside the best kernels that multiply every weight';
  return text === '' ? '' : [prose(beside, width, 2), text].join('\n');
}

/** A row of the table above without the columns of --why. */
function withoutDense(row: readonly string[]): readonly string[] {
  return [...row.slice(0, 4), ...row.slice(7)];
}

/**
 * Time and bytes relative to the best dense kernels, one column per target; '' if all are dense.
 */
function summary(known: readonly Estimate[], weighty: Weighty, width: number): string {
  const rows = weighty.map(({ index, op }) => [
    String(index),
    op,
    ...known.map(({ layers }) => changeText(layers.filter(({ ops }) => ops.includes(index)))),
  ]);
  const isWeighty = ({ ops }: LayerEstimate) => weighty.some(({ index }) => ops.includes(index));
  const all = known.map(({ layers }) => changeText(layers.filter(isWeighty)));
  const names = known.map(({ target }) => target);
  if (all.every((text) => text === '')) return '';
  const right = new Set(['#', ...names]);
  const against = 'estimated time and bytes against the best kernels that multiply every weight';
  const text = textTable(['#', 'op', ...names], [...rows, ['', 'all', ...all]], { right, width });
  return [prose(against, width, 2), text].join('\n');
}

type Compared = Pick<LayerEstimate, 'chosen' | 'dense'>;

/** '' if only dense kernels were chosen. */
function changeText(layers: readonly Compared[]): string {
  return layers.every(isSameKernel) ? '' : changes(layers).join(' ');
}

/** The weights' region is compared too: they may lie elsewhere if others leave no room. */
function isSameKernel({ chosen, dense }: Compared): boolean {
  return estimateName(chosen) === estimateName(dense) && chosen.count === dense.count;
}

/** '−48 %', '+12 %': changes of counts and of bytes. */
function changes(layers: readonly Compared[]): readonly [count: string, bytes: string] {
  const change = (of: (one: KernelEstimate) => number) => {
    const sum = (which: keyof Compared) =>
      layers.reduce((total, layer) => total + of(layer[which]), 0);
    const percent = Math.round(100 * (sum('chosen') / Math.max(1, sum('dense')) - 1));
    return `${percent < 0 ? '−' : '+'}${Math.abs(percent)} %`;
  };
  return [change(({ count }) => count), change(({ bytes }) => bytes)];
}
