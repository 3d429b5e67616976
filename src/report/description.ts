/** What `inspect` tells of a model: operators, shapes, quantization, weights and proofs. */
import { modelSize } from '../compiler/analysis/index.js';
import type { LayerProof } from '../compiler/analysis/proofs.js';
import { sparsityOf, zeroShare } from '../compiler/analysis/sparsity.js';
import {
  elementCount,
  type Graph,
  isConstant,
  type Module,
  mainGraph,
  type Node,
  type Tensor,
  viewOf,
} from '../compiler/ir/graph.js';
import { flattened } from '../compiler/ops/flatten.js';
import { opOf } from '../compiler/ops/index.js';
import { type Estimate, type EstimateStyle, estimateText } from './estimates.js';
import { prose, shorten, textTable } from './text-table.js';

function describeTensor(tensor: Tensor) {
  return {
    name: tensor.name,
    dtype: tensor.dtype,
    shape: tensor.shape,
    scale: tensor.quant?.scales[0] ?? null,
    zeroPoint: tensor.quant?.zeroPoints[0] ?? null,
    perChannel: (tensor.quant?.scales.length ?? 0) > 1,
  };
}

function describeNode(graph: Graph, node: Node, index: number) {
  const view = viewOf(graph, node);
  const weights = view.inputs.filter((tensor) => tensor !== null && isConstant(tensor));
  return {
    index,
    op: node.op,
    name: node.name,
    attrs: node.attrs,
    inputs: view.inputs.flatMap((tensor) =>
      tensor === null || isConstant(tensor) ? [] : [describeTensor(tensor)],
    ),
    outputs: view.outputs.map(describeTensor),
    macs: opOf(node).macs(view),
    parameters: weights.reduce((sum, tensor) => sum + elementCount(tensor?.shape ?? [0]), 0),
    sparsity: weights.length === 0 ? null : zeroShare(view.inputs[1] ?? null),
    weights: sparsityOf(view),
  };
}

/** What is in a model file, before anything is done with it. */
export function describe(module: Module, fileBytes: number) {
  const graph = flattened(mainGraph(module));
  const layers = graph.nodes.map((node, index) => describeNode(graph, node, index));
  const tensors = (ids: readonly number[], names: readonly string[]) =>
    ids.flatMap((id, i) => {
      const tensor = graph.tensors[id];
      return tensor === undefined
        ? []
        : [{ ...describeTensor(tensor), name: names[i] ?? tensor.name }];
    });
  const { macs, parameters } = modelSize(graph);
  return {
    model: { name: module.name, sha256: module.sha256, bytes: fileBytes, macs, parameters },
    inputs: tensors(graph.inputs, module.inputNames),
    outputs: tensors(graph.outputs, module.outputNames),
    ignored: module.ignored ?? [],
    layers,
  };
}

function quantText(t: ReturnType<typeof describeTensor>): string {
  if (t.scale === null) return '';
  return `${t.scale.toPrecision(6)}·(q ${t.zeroPoint !== null && t.zeroPoint < 0 ? '+' : '−'} ${Math.abs(t.zeroPoint ?? 0)})`;
}

function tensorText(kind: string, t: ReturnType<typeof describeTensor>): string {
  return `${kind}  "${t.name}"  ${t.dtype} [${t.shape.join(', ')}]  ${quantText(t)}`.trimEnd();
}

/** Zeros among the weights of each layer, their pattern, and what the values have in common. */
function weightTable(layers: ReturnType<typeof describe>['layers'], width: number): string {
  const rows = layers.flatMap(({ index, op, weights }) => {
    if (weights === null) return [];
    const { count, zeros, pattern, stored, distinctValues, valueBits, ...parts } = weights;
    const { zeroFilters, zeroInputChannels, zeroTaps } = parts;
    const share = (part: number) => `${((100 * part) / count).toFixed(1)} %`;
    return [
      [
        ...[String(index), op, String(count), share(zeros), pattern, share(stored)],
        ...[zeroFilters, zeroInputChannels, zeroTaps].map((empty) => (empty ? String(empty) : '')),
        ...[distinctValues, valueBits].map(String),
      ],
    ];
  });
  const header = [
    ...['#', 'op', 'weights', 'zeros', 'pattern', 'stored'],
    ...['zero filters', 'inputs', 'taps', 'values', 'bits'],
  ];
  const right = new Set(header.filter((title) => !/op|pattern/.test(title)));
  return textTable(header, rows, { right, width });
}

/** A description, with what is proved of its layers. */
export type Proven = ReturnType<typeof describe> & { readonly proofs: readonly LayerProof[] };

/** What is proved of each layer, whatever the input. */
function proofTable(proofs: readonly LayerProof[], width: number): string {
  const rows = proofs.map((layer) => [
    layer.ops.join('+'),
    layer.op,
    String(layer.channels),
    layer.constantChannels === 0 ? '' : String(layer.constantChannels),
    String(layer.liveChannels),
    layer.liveMacs === 0 ? '' : String(layer.liveMacs),
    layer.range.join(' … '),
    ...(layer.accumulator === null
      ? ['', '']
      : [String(layer.accumulator.bits), String(layer.accumulator.tieFreeChannels)]),
  ]);
  const header = [
    '#',
    'op',
    'channels',
    'constant',
    'live',
    'live MAC',
    'values',
    'accumulator bits',
    'tie-free',
  ];
  const right = new Set(header.filter((title) => title !== 'op'));
  return textTable(header, rows, { right, width });
}

/** The first of what TFLM ignores in the file, which --strict refuses, and how many there are. */
function ignoredLines([first, ...others]: readonly string[]): readonly string[] {
  if (first === undefined) return [];
  const more = others.length === 0 ? '' : `; ${others.length} more, which --json lists`;
  return [`ignored ${first}${more} (--strict refuses the file)`];
}

/** A description and what is known of targets, as a terminal shows it. */
export function descriptionText(
  { model, inputs, outputs, ignored, layers, proofs }: Proven,
  targets: readonly Estimate[],
  style: EstimateStyle,
): string {
  const { width } = style;
  const rows = layers.map((layer) => [
    String(layer.index),
    layer.op,
    shorten(layer.name, 28),
    layer.outputs.map((t) => `${t.dtype} [${t.shape.join(', ')}]`).join(' '),
    layer.outputs.map(quantText).join(' '),
    layer.macs === 0 ? '' : String(layer.macs),
    layer.parameters === 0 ? '' : String(layer.parameters),
  ]);
  const title = ['#', 'op', 'layer', 'output', 'quantization', 'MAC', 'parameters'];
  const right = new Set(['#', 'MAC', 'parameters']);
  const head = [
    `${model.name}: ${model.bytes} B, ${model.macs} MAC, ${model.parameters} parameters`,
    `sha256  ${model.sha256}`,
    ...inputs.map((t) => tensorText('input ', t)),
    ...outputs.map((t) => tensorText('output', t)),
    ...ignoredLines(ignored),
  ];
  return [
    head.map((line) => prose(line, width, 8)).join('\n'),
    textTable(title, rows, { right, width }),
    weightTable(layers, width),
    proofTable(proofs, width),
    estimateText(targets, layers, style),
  ]
    .filter((text) => text !== '')
    .join('\n\n');
}
