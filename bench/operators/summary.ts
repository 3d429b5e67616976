/** Summarizes measured layers: the count per product or element, and the layers that stand out. */

import type { Layer } from '../../src/boards/tune/layers.js';
import { elementCount, type Shape } from '../../src/compiler/ir/graph.js';

/** One layer on one target. */
export interface Measured {
  readonly layer: Layer;
  /** The kernel that was chosen. */
  readonly template: string;
  /** Cycles (or instructions, if the target counts these). */
  readonly count: number;
  /** Multiply-accumulates; 0 for operators without any. */
  readonly macs: number;
  readonly outputs: readonly Shape[];
}

/** A layer compared with others of its kind. */
export interface Row {
  readonly kind: string;
  /** 'conv2d 1×8×7×3, 3×3, stride 2×2, to 16'. */
  readonly shape: string;
  readonly template: string;
  /** Count per product or element. */
  readonly each: number;
  /** `each` divided by the median of the kind. */
  readonly ratio: number;
}

export interface Summary {
  readonly kind: string;
  readonly unit: 'MAC' | 'element';
  readonly layers: number;
  readonly median: number;
  /** Worst first. */
  readonly rows: readonly Row[];
}

/** Layers with fewer products per output form their own kinds: there the cost per output counts. */
const productClasses = [4, 16];

/** Layers with fewer elements form their own kind: there the cost per call counts. */
const fewElements = 128;

const reductions = new Set(['mean', 'reduce_max', 'reduce_min', 'reduce_sum']);

/**
 * Layers by kind, in order of the first layer of each kind, worst layers first.
 *
 * The count is divided by the products. For operators without products it is divided by the
 * elements of the output, of the input (reductions) or of all windows (pools).
 */
export function summarize(all: readonly Measured[]): readonly Summary[] {
  const kinds = [...new Set(all.map(kindOf))];
  return kinds.map((kind): Summary => {
    const measured = all.filter((one) => kindOf(one) === kind);
    const each = measured.map((one) => one.count / unitsOf(one));
    const median = medianOf(each);
    const rows = measured.map(
      ({ layer, template }, i): Row => ({
        ...{ kind, template, shape: shapeOf(layer) },
        ...{ each: each[i] as number, ratio: (each[i] as number) / median },
      }),
    );
    const unit = (measured[0]?.macs ?? 0) > 0 ? 'MAC' : 'element';
    const worstFirst = rows.sort((a, b) => b.ratio - a.ratio);
    return { kind, unit, layers: rows.length, median, rows: worstFirst };
  });
}

function kindOf(measured: Measured): string {
  const { layer, macs, outputs } = measured;
  const name = layer.dtype === undefined ? layer.op : `${layer.op} of ${layer.dtype}`;
  if (macs === 0) {
    return unitsOf(measured) < fewElements ? `${name}, < ${fewElements} elements` : name;
  }
  const products = macs / countOf(outputs);
  const least = productClasses.find((limit) => products < limit);
  return least === undefined ? name : `${name}, < ${least} products an output`;
}

function unitsOf({ layer, macs, outputs }: Measured): number {
  const { kernelH, kernelW } = layer.attrs;
  if (macs > 0) return macs;
  if (kernelH !== undefined) return countOf(outputs) * Number(kernelH) * Number(kernelW);
  return reductions.has(layer.op) ? countOf(layer.inputs) : countOf(outputs);
}

const countOf = (shapes: readonly Shape[]) =>
  shapes.reduce((sum, shape) => sum + elementCount(shape), 0);

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

/** A layer in words: its input, then the attributes that differ from the default. */
export function shapeOf({ op, inputs, weights, attrs, outputs }: Layer): string {
  const times = (extents: readonly unknown[]) => extents.join('×');
  const pair = (name: string, h: unknown, w: unknown) =>
    h === undefined || (h === 1 && w === 1) ? [] : [`${name} ${times([h, w])}`];
  const { padTop, padBottom, padLeft, padRight, kernelH, kernelW } = attrs;
  const isPadded = [padTop, padBottom, padLeft, padRight].some((pad) => Number(pad) > 0);
  const side = (values: Shape) => times(values.slice(1, 3));
  const kernel =
    kernelH !== undefined
      ? [times([kernelH, kernelW])]
      : op === 'conv2d'
        ? [side(weights?.shape ?? [])]
        : op === 'depthwise_conv2d'
          ? [side(weights?.shape ?? [])]
          : [];
  return [
    inputs.map(times).join(' and '),
    ...kernel,
    ...pair('stride', attrs.strideH, attrs.strideW),
    ...pair('dilation', attrs.dilationH, attrs.dilationW),
    ...(padTop !== undefined ? [isPadded ? 'padded' : 'valid'] : []),
    ...(Number(attrs.depthMultiplier) > 1 ? [`multiplier ${attrs.depthMultiplier}`] : []),
    ...(weights?.axis === 0 ? [`to ${weights.shape[0]}`] : []),
    ...['axis', 'axes', 'perm', 'pads', 'begin', 'strides'].flatMap((name) =>
      attrs[name] === undefined ? [] : [`${name} ${attrs[name]}`],
    ),
    ...(outputs?.[0]?.length ? [`to ${times(outputs[0])}`] : []),
  ].join(', ');
}

const worst = 10;

/** For people: each kind with its worst layers; kinds with the worst layers come first. */
export function textOf(summaries: readonly Summary[]): string {
  return [...summaries]
    .sort((a, b) => worstRatio(b) - worstRatio(a))
    .flatMap(({ kind, unit, layers, median, rows }) => [
      `${kind}: ${layers} layers, median ${numeral(median)} for each ${unit}`,
      ...rows
        .slice(0, worst)
        .map(
          ({ ratio, each, template, shape }) =>
            `  ${ratio.toFixed(2).padStart(6)} ${numeral(each).padStart(8)}  ${template.padEnd(32)} ${shape}`,
        ),
    ])
    .join('\n');
}

/** One row per kind, for docs/tables/operators.md. */
export function tableOf(summaries: readonly Summary[]): string {
  const rows = summaries.map(({ kind, unit, layers, median, rows: [first] }) =>
    [
      ...[kind, unit, layers, numeral(median)],
      ...[numeral(first?.each ?? 0), (first?.ratio ?? 0).toFixed(1)],
      ...[first?.template ?? '', first?.shape ?? ''],
    ].join(' | '),
  );
  const head = '| operator | for a | layers | median | worst | to median | kernel | shape |';
  return [head, `|${'---|'.repeat(8)}`, ...rows.map((row) => `| ${row} |`)].join('\n');
}

const worstRatio = ({ rows }: Summary) => rows[0]?.ratio ?? 0;
const numeral = (value: number) => value.toPrecision(3);
