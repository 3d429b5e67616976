/** The simplest plan: each tensor has its own memory, each node its first kernel without needs. */

import { analyse } from '../../src/compiler/analysis/index.js';
import { cName } from '../../src/compiler/ir/c-names.js';
import {
  byteCount,
  type Module,
  mainGraph,
  type TensorId,
  tensorOf,
  viewOf,
} from '../../src/compiler/ir/graph.js';
import type { Facts, Feature } from '../../src/compiler/ir/op.js';
import { matchesOf } from '../../src/compiler/kernels/index.js';
import type { KernelContext } from '../../src/compiler/kernels/variant.js';
import { opOf } from '../../src/compiler/ops/index.js';
import { placeStates } from '../../src/compiler/plan/arena/states.js';
import { onTwoCores } from '../../src/compiler/plan/choose/candidates.js';
import type { Planned } from '../../src/compiler/plan/index.js';
import { ioQuant } from '../../src/compiler/plan/io-tensors.js';
import { type Implementation, memoryOf, wholeOf } from '../../src/compiler/plan/schedule/parts.js';
import type {
  CompileOptions,
  IoTensor,
  Placement,
  Plan,
  PlanStep,
} from '../../src/compiler/plan/types.js';

export const defaults: CompileOptions = {
  optimize: 'balanced',
  rounding: 'tflm',
  faithful: true,
  keepInput: false,
  xip: 'model',
};

/** The facts that hold for any input of a node. */
export const noFacts: Facts = analyse({
  name: 'empty',
  tensors: [],
  nodes: [],
  inputs: [],
  outputs: [],
});

/** The context of a simple plan's kernels. */
export function contextOf(
  plan: Pick<Plan, 'options' | 'target'>,
  facts = noFacts,
  features: readonly Feature[] = [],
): KernelContext {
  const target = {
    name: plan.target,
    features: new Set(features),
    costs: {},
    costUnit: 'cycles' as const,
    flashBytes: null,
    ramBytes: null,
  };
  return { facts, target, optimize: plan.options.optimize };
}

const align = 4;

export interface SimplePlanOptions extends Partial<CompileOptions> {
  /** The template of a variant under test, used for nodes whose operator has it. */
  readonly kernel?: string;
  /** Facts for the kernels; by default those of an empty graph. */
  readonly facts?: Facts;
  /** Features that kernels ask for, beside those that they need; by default none. */
  readonly features?: readonly Feature[];
  /**
   * Places output 0 as near to an input of the graph as the kernel's lead allows, rounded up to
   * words, if nothing else reads the input. 'too near': one byte nearer than the lead.
   */
  readonly overlap?: boolean | 'too near';
}

export function simplePlan(module: Module, options: SimplePlanOptions = {}): Planned {
  const graph = mainGraph(module);
  const { kernel, overlap = false, facts = noFacts, features = [], ...rest } = options;
  const context = contextOf({ target: 'host', options: { ...defaults, ...rest } }, facts, features);
  const placements: Placement[] = [];
  const places = new Map<TensorId, number>();
  let top = 0;
  const take = (bytes: number) => {
    const offset = top;
    top += Math.ceil(bytes / align) * align;
    return offset;
  };
  const place = (tensor: TensorId, first: number, offset?: number) => {
    const { name, shape, dtype } = graph.tensors[tensor] as (typeof graph.tensors)[number];
    const bytes = byteCount({ shape, dtype });
    const at = offset ?? take(bytes);
    places.set(tensor, at);
    placements.push({ tensor, name, offset: at, bytes, first, last: graph.nodes.length });
  };
  const implementations = graph.nodes.map((node): Implementation => {
    const view = viewOf(graph, node);
    const ofName = matchesOf(view, context, ({ template }) => template === kernel);
    const [match] =
      ofName.length > 0 ? ofName : matchesOf(view, context, ({ needs }) => needs.length === 0);
    if (match === undefined) throw new RangeError(`no kernel for ${node.op}`);
    const { variant } = match;
    const parts = [{ ...wholeOf(view, context), kernel: match.kernel }];
    const one = { view, implementations: [{ variant, parts }], refused: [] };
    const { implementations } = (rest.cores ?? 1) > 1 ? onTwoCores(one, context) : one;
    return implementations.at(-1) as Implementation;
  });
  const { states, stateBytes } = placeStates(graph);
  const held = new Set(states.flatMap(({ tensors }) => tensors));
  /** Output → the input whose memory it shares, and the output's lead. */
  const shared = new Map<TensorId, { input: TensorId; lead: number }>();
  if (overlap !== false) {
    graph.nodes.forEach((node, index) => {
      const { overlaps } = memoryOf(implementations[index] as Implementation);
      // Nodes with several such inputs alternate between them.
      const turn = overlaps.map((_, i) => overlaps[(i + index) % overlaps.length]);
      const reads = graph.nodes.flatMap(({ inputs }) => inputs);
      const chosen = turn.find((one) => {
        // A plan cannot keep an exact lead that is not a multiple of a word.
        if (one?.exact === true && one.lead % align !== 0) return false;
        const id = node.inputs[one?.input ?? -1] ?? -1;
        const isOnly = reads.filter((other) => other === id).length === 1;
        return graph.inputs.includes(id) && !graph.outputs.includes(id) && isOnly;
      });
      if (chosen === undefined) return;
      const lead =
        overlap === 'too near' ? chosen.lead - 1 : Math.ceil(chosen.lead / align) * align;
      shared.set(node.outputs[0] as TensorId, {
        input: node.inputs[chosen.input] as TensorId,
        lead,
      });
    });
  }
  const sharers = new Map(
    [...shared].map(([output, { input, lead }]) => [input, { output, lead }]),
  );
  for (const input of graph.inputs) {
    const sharer = sharers.get(input);
    take(Math.max(0, sharer?.lead ?? 0));
    place(input, -1);
    if (sharer === undefined) continue;
    const end = (places.get(input) ?? 0) - sharer.lead + byteCount(tensorOf(graph, sharer.output));
    take(Math.max(0, end - top));
  }
  const steps = graph.nodes.map((node, index): PlanStep => {
    const op = opOf(node);
    const view = viewOf(graph, node);
    const implementation = implementations[index] as Implementation;
    const { variant, parts } = implementation;
    const { outputs } = node;
    for (const id of outputs) {
      if (held.has(id)) continue;
      const sharing = shared.get(id);
      place(id, index, sharing && (places.get(sharing.input) ?? 0) - sharing.lead);
    }
    // Exact to the byte for a single part, so that the sanitizers guard its end.
    const isWhole = parts.length === 1;
    const scratch = isWhole
      ? (parts[0]?.kernel.scratchBytes ?? 0)
      : memoryOf(implementation).scratchBytes;
    return {
      index,
      name: node.name,
      node: index,
      op: node.op,
      ops: node.ops,
      kernel: variant.template,
      cores: parts.length,
      why: 'test',
      alternatives: [],
      dense: null,
      macs: op.macs(view),
      reads: node.inputs.filter(
        (id) => id !== null && graph.tensors[id]?.data === null,
      ) as number[],
      writes: outputs,
      scratch: scratch > 0 ? { offset: take(scratch), bytes: scratch } : null,
      move: null,
      regions: [],
    };
  });
  const describe = (ids: readonly TensorId[], names: readonly string[]) =>
    ids.map((id, index): IoTensor => {
      const tensor = graph.tensors[id] as (typeof graph.tensors)[number];
      const { scale, zeroPoint } = ioQuant(tensor);
      const name = names[index] ?? tensor.name;
      const { dtype, shape } = tensor;
      const offset = places.get(id) ?? 0;
      const bytes = byteCount(tensor);
      return {
        name,
        identifier: cName(name, 't'),
        tensor: id,
        dtype,
        shape,
        scale,
        zeroPoint,
        offset,
        bytes,
      };
    });
  const macs = steps.reduce((sum, step) => sum + step.macs, 0);
  const plan: Plan = {
    model: { name: module.name, sha256: module.sha256, macs, liveMacs: macs, parameters: 0 },
    target: 'host',
    options: { ...defaults, ...rest },
    decision: {
      ...{ unit: 'cycles', reason: 'test', imageBytes: 0, share: 1, withMoreFlash: null },
      ...{ flashPrice: 0, arenaPrice: 0, arenaBytes: top },
      ...{ arenaRoomBytes: null, isShortOfRam: false },
    },
    steps,
    placements,
    inputs: describe(graph.inputs, module.inputNames),
    outputs: describe(graph.outputs, module.outputNames),
    arenaBytes: top,
    states,
    stateBytes,
    arenaLowerBoundBytes: top,
    arenaAlign: align,
  };
  return { plan, implementations };
}
