/** A module as text: one line a tensor or node, the same bytes for the same module. */
import {
  type Attrs,
  type AttrValue,
  type Graph,
  type Module,
  type Quant,
  rawBytes,
  statesOf,
  type Tensor,
  type TensorData,
  type TensorId,
  tensorOf,
} from './graph.js';

/**
 * The listing behind `--dump PASS`:
 *
 *     module kws
 *     graph "main"
 *       %0 = input "input_1"  int8[1, 49, 10, 1] q(0.584702909, 83)
 *       %8 = state "ring"  int8[1, 3, 1, 8] q(0.5, 3) #811c9dc5 -> %10
 *       %1 = const "conv/filter"  int8[64, 10, 4, 1] q(64 along 0) #5d3f8a02
 *       %9 = conv2d(%0, %1, %2) {strideH 2, …}  int8[1, 25, 5, 64] q(0.02, -128)  ; 0 "conv"
 *       return %9
 *
 * The graphs that a node owns follow it, indented. In a flat graph a section has a line before its
 * first node. A constant shows a hash of its elements, so that listings of two stages compare by diff; a state
 * that of its initial elements, and the tensor that holds its value after the run.
 */
export function printModule(module: Module): string {
  return [`module ${module.name}`, ...module.graphs.flatMap(printGraph), ''].join('\n');
}

function printGraph(graph: Graph): string[] {
  const define = (id: TensorId, what: string) => {
    const tensor = tensorOf(graph, id);
    return `  %${id} = ${what} ${quoted(tensor.name)}  ${typeOf(tensor)}`;
  };
  const constants = graph.tensors.flatMap((tensor, id) =>
    tensor.data === null ? [] : [`${define(id, 'const')} #${hash(tensor.data)}`],
  );
  const nodes = graph.nodes.flatMap((node, index) => {
    const results = node.outputs.map((id) => `%${id}`).join(', ');
    const operands = node.inputs.map((id) => (id === null ? '_' : `%${id}`)).join(', ');
    const types = node.outputs.map((id) => typeOf(tensorOf(graph, id))).join(', ');
    const fused = node.fused.length > 0 ? ` fused ${node.fused.join(', ')}` : '';
    const call = `${results} = ${node.op}(${operands})${attrsOf(node.attrs)}`;
    const line = `  ${call}  ${types}  ; ${node.ops.join('+')} ${quoted(node.name)}${fused}`;
    const owned = (node.graphs ?? []).flatMap(printGraph).map((each) => `    ${each}`);
    return [...sectionsAt(graph, index), line, ...owned];
  });
  return [
    `graph ${quoted(graph.name)}`,
    ...graph.inputs.map((id) => define(id, 'input')),
    ...statesOf(graph).map(
      ({ name, tensor, next, initial }) =>
        `  %${tensor} = state ${quoted(name)}  ${typeOf(tensorOf(graph, tensor))} #${hash(initial)} -> %${next}`,
    ),
    ...constants,
    ...nodes,
    `  return ${graph.outputs.map((id) => `%${id}`).join(', ')}`,
  ];
}

/** The sections that begin at a node of a flat graph: '  to node 9, if %4:'. */
function sectionsAt({ flow }: Graph, node: number): readonly string[] {
  return (flow?.sections ?? []).flatMap(({ first, last, condition, runsIf, loop }) => {
    if (first !== node) return [];
    const when = `${runsIf ? '' : 'not '}%${condition}`;
    if (loop === undefined) return [`  to node ${last}, if ${when}:`];
    const carried = loop.carried.map(([id, next]) => `%${id} = %${next}`).join(', ');
    const turns = `at most ${loop.turns} times`;
    return [`  to node ${last}, while ${when}, ${turns}; again from ${loop.again}, ${carried}:`];
  });
}

function quoted(name: string): string {
  return JSON.stringify(name);
}

function typeOf(tensor: Tensor): string {
  return `${tensor.dtype}[${tensor.shape.join(', ')}]${quantOf(tensor.quant)}`;
}

function quantOf(quant: Quant | null): string {
  if (quant === null) return '';
  if (quant.axis !== null) return ` q(${quant.scales.length} along ${quant.axis})`;
  // Nine digits tell every float32 apart.
  return ` q(${Number(quant.scales[0]?.toPrecision(9))}, ${quant.zeroPoints[0]})`;
}

function attrsOf(attrs: Attrs): string {
  const shown = (value: AttrValue) =>
    typeof value === 'object' ? `[${value.join(', ')}]` : String(value);
  const list = Object.entries(attrs).map(([name, value]) => `${name} ${shown(value)}`);
  return list.length === 0 ? '' : ` {${list.join(', ')}}`;
}

/** FNV-1a of the bytes, 32 bits, hex. */
function hash(data: TensorData): string {
  let value = 0x811c9dc5;
  for (const byte of rawBytes(data)) value = Math.imul(value ^ byte, 0x01000193);
  return (value >>> 0).toString(16).padStart(8, '0');
}
