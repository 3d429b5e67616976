/** Decides everything about one model on one target: kernels, steps, memory. */
import { type ModelSize, modelSize } from '../analysis/index.js';
import { byteCount, type Module, mainGraph, type TensorId, tensorOf, viewOf } from '../ir/graph.js';
import type { Facts, TargetTraits } from '../ir/op.js';
import { opOf } from '../ops/index.js';
import { acceptInt8 } from './accept.js';
import { type Buffer, lowerBound, type Packing, pack } from './arena.js';
import {
  type InPlacePolicy,
  isAlias,
  makeBuffers,
  type Schedule,
  stepIntervals,
  type TensorBuffer,
} from './buffers.js';
import { identifiers, makePorts } from './ports.js';
import { type Choice, type ConstantBudget, selectKernels } from './select.js';
import {
  type CompileOptions,
  noKernel,
  type Placement,
  type Plan,
  type PlanStep,
} from './types.js';

/** Kernels may load words from any tensor. */
const arenaAlign = 4;

/**
 * Plans the main graph of `module`, as the passes left it.
 *
 * @param source size of the model before the passes, for the report
 * @throws BonsaiError 'float-model', 'unsupported-type', 'bad-graph' (accept.ts)
 */
export function makePlan(
  module: Module,
  facts: Facts,
  target: TargetTraits,
  options: CompileOptions,
  source: ModelSize = modelSize(mainGraph(module)),
): Plan {
  const graph = mainGraph(module);
  acceptInt8(graph);
  const { regions, ...traits } = target;
  const isFlat = options.xip === 'ideal' || regions === undefined;
  const context = { facts, target: isFlat ? traits : target, optimize: options.optimize };
  const nodes = [...graph.nodes.entries()].filter(
    ([, node]) => options.faithful || !isAlias(graph, node),
  );
  const schedule = { graph, steps: nodes.map(([index]) => index), keepInput: options.keepInput };
  const { kernels = {} } = options;
  const computed = nodes.map(([, node]) => node).filter((node) => !isAlias(graph, node));
  const selected = selectKernels(
    computed.map((node) => viewOf(graph, node)),
    context,
    constantBudget(target, options, liveBytes(schedule)),
    ({ template }, i) => template === (kernels[computed[i]?.name ?? ''] ?? template),
  );
  const byNode = new Map(computed.map((node, i) => [node, selected[i] as Choice]));
  const choices = nodes.map(([index, node]) => {
    const view = viewOf(graph, node);
    const macs = opOf(node).macs(view);
    const step = { node: index, macs, name: node.name, ops: node.ops };
    const choice = byNode.get(node);
    if (choice === undefined) {
      const why = 'its output is its input';
      return { ...step, kernel: noKernel, why, regions: [], scratchBytes: 0 };
    }
    const { variant, why, regions } = choice;
    const scratchBytes = variant.scratch(view, context);
    return { ...step, kernel: variant.template, why, regions, scratchBytes };
  });
  const arena = planArena(
    schedule,
    choices.map((choice) => choice.scratchBytes),
  );
  const inArena = (ids: readonly (TensorId | null)[]) => [
    ...new Set(ids.filter((id) => id !== null && arena.placements.has(id))),
  ];
  const steps = choices.map(({ scratchBytes: _, ...choice }, index): PlanStep => {
    const node = graph.nodes[choice.node];
    return {
      index,
      ...choice,
      op: [node?.op, ...(node?.fused ?? [])].join('+'),
      reads: inArena(node?.inputs ?? []) as TensorId[],
      writes: inArena(node?.outputs ?? []) as TensorId[],
      scratch: arena.scratch[index] ?? null,
    };
  });
  const { inputNames, outputNames } = module;
  const cNames = identifiers([...inputNames, ...outputNames]);
  const outputCNames = cNames.slice(inputNames.length);
  return {
    model: {
      name: module.name,
      sha256: module.sha256,
      macs: source.macs,
      liveMacs: steps.reduce((sum, step) => sum + step.macs, 0),
      parameters: source.parameters,
    },
    target: target.name,
    options,
    steps,
    placements: [...arena.placements.values()],
    inputs: makePorts(graph, graph.inputs, inputNames, cNames, arena.placements),
    outputs: makePorts(graph, graph.outputs, outputNames, outputCNames, arena.placements),
    arenaBytes: arena.bytes,
    arenaLowerBoundBytes: arena.lowerBoundBytes,
    arenaAlign,
  };
}

/** Of flash that weights and tables cannot have: the runtime and the kernels. */
const codeAllowanceBytes = 24 * 1024;

/** What is left for constants: of flash beside the code, of RAM beside the arena and the runtime. */
function constantBudget(
  { flashBytes, ramBytes, regions }: TargetTraits,
  { maxFlash = Infinity, maxRam = Infinity }: CompileOptions,
  arenaBytes: number,
): ConstantBudget {
  const flash = Math.min(flashBytes ?? Infinity, maxFlash) - codeAllowanceBytes;
  const sram = Math.min(ramBytes ?? Infinity, maxRam) - arenaBytes;
  return {
    flashBytes: flash,
    sramBytes: regions === undefined ? 0 : Math.max(0, sram - regions.sram.reservedBytes),
  };
}

/** The most bytes of tensors that are live at once. */
function liveBytes(schedule: Schedule): number {
  const buffers = makeBuffers(schedule, stepIntervals(schedule), 'first');
  const live = schedule.steps.map((_, step) =>
    buffers.reduce(
      (sum, { bytes, first, last }) => sum + (first <= step && step <= last ? bytes : 0),
      0,
    ),
  );
  return Math.max(0, ...live);
}

interface Arena {
  readonly placements: ReadonlyMap<TensorId, Placement>;
  /** One a step. */
  readonly scratch: PlanStep['scratch'][];
  readonly bytes: number;
  readonly lowerBoundBytes: number;
}

const policies: readonly InPlacePolicy[] = ['first', 'last', 'never'];

/**
 * The smallest arena over the ways to work in place. Overwriting an input always lowers the live
 * bytes of its step, so the bound of any in-place policy is the bound of all; but it also ties two
 * lifetimes to one offset, which now and then packs worse than a copy would.
 */
function planArena(schedule: Schedule, scratchBytes: readonly number[]): Arena {
  const intervals = stepIntervals(schedule);
  const scratches = [...scratchBytes.entries()].filter(([, bytes]) => bytes > 0);
  const attempt = (policy: InPlacePolicy) => {
    const tensors = makeBuffers(schedule, intervals, policy);
    const scratch = scratches.map(([step, bytes]) => ({ bytes, first: step, last: step }));
    const buffers = [...tensors, ...scratch].map(aligned);
    return { tensors, buffers, packing: pack(buffers) };
  };
  let best = attempt('first');
  const lowerBoundBytes = lowerBound(best.buffers);
  for (const policy of policies) {
    if (best.packing.bytes === lowerBoundBytes) break;
    const other = attempt(policy);
    if (other.packing.bytes < best.packing.bytes) best = other;
  }
  const { tensors, packing } = best;
  const scratch: PlanStep['scratch'][] = scratchBytes.map(() => null);
  scratches.forEach(([step, bytes], i) => {
    scratch[step] = { offset: packing.offsets[tensors.length + i] ?? 0, bytes };
  });
  const placements = place(schedule, intervals, tensors, packing);
  return { placements, scratch, bytes: packing.bytes, lowerBoundBytes };
}

function aligned({ bytes, first, last }: Buffer): Buffer {
  return { bytes: Math.ceil(bytes / arenaAlign) * arenaAlign, first, last };
}

/** Every tensor's placement, in the order of tensor ids. */
function place(
  { graph }: Schedule,
  intervals: ReturnType<typeof stepIntervals>,
  buffers: readonly TensorBuffer[],
  packing: Packing,
): ReadonlyMap<TensorId, Placement> {
  const offsets = new Map(
    buffers.flatMap(({ tensors }, i) => tensors.map((id) => [id, packing.offsets[i] ?? 0])),
  );
  const entries = [...intervals].sort(([a], [b]) => a - b);
  return new Map(
    entries.map(([id, { first, last }]) => {
      const tensor = tensorOf(graph, id);
      const offset = offsets.get(id) ?? 0;
      return [id, { tensor: id, name: tensor.name, offset, bytes: byteCount(tensor), first, last }];
    }),
  );
}
