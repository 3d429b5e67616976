/** bonsaic inspect MODEL: what is in a model, and what it would need on a target. */
import type { Command } from 'commander';
import { modelSize } from '../analysis/index.js';
import { type LayerProof, proofsOf } from '../analysis/proofs.js';
import { sparsityOf, zeroShare } from '../analysis/sparsity.js';
import {
  elementCount,
  type Graph,
  isConstant,
  type Module,
  mainGraph,
  type Node,
  type Tensor,
  viewOf,
} from '../ir/graph.js';
import { printModule } from '../ir/print.js';
import { opOf } from '../ops/index.js';
import { load } from '../pipeline.js';
import { prose, shorten, table } from '../report/table.js';
import { listTargets } from '../target/index.js';
import { modelHelp, modelOf } from './config.js';
import { type Estimate, type EstimateStyle, estimate, estimateText } from './estimates.js';
import { readInput } from './input.js';
import { type CompileFlags, compileOptions, noSuchPass, withCompileOptions } from './options.js';
import { printJson, printResult, terminalColumns } from './output.js';

interface InspectFlags extends CompileFlags {
  readonly model?: string;
  readonly target?: string;
  readonly dump?: string;
  readonly why?: true;
  readonly json?: true;
}

export function addInspect(program: Command): void {
  withCompileOptions(
    program
      .command('inspect')
      .argument('[model]', modelHelp)
      .summary('show operators, shapes, quantization, MACs, sparsity, and what targets would need')
      .option('--target <name>', 'estimate for this target only')
      .option('--dump <pass>', "print the module after this pass ('import' for before the first)")
      .option('--why', 'show the best dense kernel of each layer too (with --target)')
      .option('--json', 'one JSON document on stdout'),
  ).action((argument: string | undefined, flags: InspectFlags) => {
    const path = modelOf(argument, flags);
    const bytes = readInput(path, 'model');
    if (flags.dump !== undefined) {
      dump(bytes, path, flags, flags.dump);
      return;
    }
    const { source, proofs } = prove(bytes, path, flags);
    const description = { ...describe(source, bytes.length), proofs };
    const targets = (flags.target === undefined ? listTargets() : [flags.target]).map((name) =>
      estimate(bytes, path, flags, name),
    );
    if (flags.json) printJson({ ...description, targets });
    else {
      const style = { width: terminalColumns(), why: flags.why === true };
      printResult(asText(description, targets, style));
    }
  });
}

/** What the passes remove dead channels from, and what they leave. */
function prove(bytes: Uint8Array, path: string, flags: InspectFlags) {
  const seen: [pass: string, module: Module][] = [];
  const { source } = load({
    bytes,
    path,
    options: compileOptions(flags),
    observe: (pass, module) => seen.push([pass, module]),
  });
  const removal = seen.findIndex(([pass]) => pass === 'remove-dead-channels');
  const [before, after] = [removal - 1, removal].map((at) => mainGraph(seen[at]?.[1] ?? source));
  return { source, proofs: before && after ? proofsOf(before, after) : [] };
}

function dump(bytes: Uint8Array, path: string, flags: InspectFlags, pass: string): void {
  const seen: string[] = [];
  let text: string | undefined;
  load({
    bytes,
    path,
    options: compileOptions(flags),
    observe: (name, module) => {
      seen.push(name);
      if (name === pass) text = printModule(module);
    },
  });
  if (text === undefined) {
    throw noSuchPass(pass, seen);
  }
  printResult(text);
}

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

function describe(module: Module, fileBytes: number) {
  const graph = mainGraph(module);
  const layers = graph.nodes.map((node, index) => describeNode(graph, node, index));
  const ports = (ids: readonly number[], names: readonly string[]) =>
    ids.flatMap((id, i) => {
      const tensor = graph.tensors[id];
      return tensor === undefined
        ? []
        : [{ ...describeTensor(tensor), name: names[i] ?? tensor.name }];
    });
  return {
    model: {
      name: module.name,
      sha256: module.sha256,
      bytes: fileBytes,
      ...modelSize(graph),
    },
    inputs: ports(graph.inputs, module.inputNames),
    outputs: ports(graph.outputs, module.outputNames),
    ignored: module.ignored ?? [],
    layers,
  };
}

function quantText(t: ReturnType<typeof describeTensor>): string {
  if (t.scale === null) return '';
  return `${t.scale.toPrecision(6)}·(q ${t.zeroPoint !== null && t.zeroPoint < 0 ? '+' : '−'} ${Math.abs(t.zeroPoint ?? 0)})`;
}

function portText(kind: string, t: ReturnType<typeof describeTensor>): string {
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
  return table(header, rows, { right, width });
}

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
  return table(header, rows, { right, width });
}

/** The first of what TFLM ignores in the file, which --strict refuses, and how many there are. */
function ignoredLines([first, ...others]: readonly string[]): readonly string[] {
  if (first === undefined) return [];
  const more = others.length === 0 ? '' : `; ${others.length} more, which --json lists`;
  return [`ignored ${first}${more} (--strict refuses the file)`];
}

function asText(
  {
    model,
    inputs,
    outputs,
    ignored,
    layers,
    proofs,
  }: ReturnType<typeof describe> & { readonly proofs: readonly LayerProof[] },
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
  const ports = [
    `${model.name}: ${model.bytes} B, ${model.macs} MAC, ${model.parameters} parameters`,
    `sha256  ${model.sha256}`,
    ...inputs.map((t) => portText('input ', t)),
    ...outputs.map((t) => portText('output', t)),
    ...ignoredLines(ignored),
  ];
  return [
    ports.map((line) => prose(line, width, 8)).join('\n'),
    table(title, rows, { right, width }),
    weightTable(layers, width),
    proofTable(proofs, width),
    estimateText(targets, layers, style),
  ]
    .filter((text) => text !== '')
    .join('\n\n');
}
