/** Compares generated firmware on a simulated board with the evaluator, bit for bit. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { buildProject, findImage } from '../../src/boards/build/index.js';
import { firmwareFiles, writeProject } from '../../src/boards/build/project.js';
import { openDevice } from '../../src/boards/device/index.js';
import { openSession, type Session } from '../../src/boards/profile/session.js';
import { emit } from '../../src/boards/project/emit.js';
import { loadTarget, type Target } from '../../src/boards/target/index.js';
import { analyse } from '../../src/compiler/analysis/index.js';
import type { Manifest } from '../../src/compiler/codegen/manifest.js';
import { type Module, mainGraph, type TensorData } from '../../src/compiler/ir/graph.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { makePlan, type Planned } from '../../src/compiler/plan/index.js';
import type { Plan } from '../../src/compiler/plan/types.js';
import { firmwareOnce } from './firmware-once.js';
import { type Group, mergedGroup, mergePlans } from './merged-plan.js';
import { mergeModules, randomInputs } from './module.js';
import { defaults, type SimplePlanOptions, simplePlan } from './plan.js';

export interface BoardOptions extends SimplePlanOptions {
  /**
   * Whether to plan each module as for a user: the target's kernels, shared memory. Default: the
   * simplest plan.
   */
  readonly planned?: boolean;
}

/**
 * Runs all modules as one firmware, with the facts of analysis.
 *
 * @returns the kernel of each step
 * @throws Error that names the first step whose output differs
 */
export async function expectSameBitsOnBoard(
  modules: readonly Module[],
  targetName: string,
  { planned = false, ...options }: BoardOptions = {},
): Promise<readonly string[]> {
  const target = loadTarget(targetName);
  const module = mergeModules(modules);
  const facts = analyse(mainGraph(module));
  const compileOptions = { ...defaults, faithful: false, ...options };
  const made = planned
    ? mergePlans(
        module,
        modules,
        modules.map((one) => makePlan(one, analyse(mainGraph(one)), target, compileOptions)),
      )
    : simplePlan(module, { ...options, facts });
  return runOnBoard(module, made, target, options.cores);
}

/** Inputs and outputs of an image: the answer that tells their sizes has room for no more. */
const mostTensors = 253;

/**
 * Like `expectSameBitsOnBoard` of each group, all for the same goal, in as few images as hold them.
 *
 * @returns the kernels of each group's steps
 */
export async function expectSameBitsOfAllOnBoard(
  groups: readonly Group[],
  targetName: string,
): Promise<readonly (readonly string[])[]> {
  const target = loadTarget(targetName);
  const planned = groups.map((group) => {
    const module = mergedGroup(group);
    const facts = analyse(mainGraph(module));
    return { module, made: simplePlan(module, { ...group.options, facts }) };
  });
  const images: (typeof planned)[] = [];
  for (const one of planned) {
    const all = [...(images.at(-1) ?? []), one];
    const sum = (count: (plan: Plan) => number) =>
      all.reduce((total, { made }) => total + count(made.plan), 0);
    const fits =
      sum(({ inputs, outputs }) => inputs.length + outputs.length) <= mostTensors &&
      sum(({ arenaBytes }) => arenaBytes) <= (target.ramBytes ?? 0) / 2;
    if (fits && images.length > 0) images[images.length - 1] = all;
    else images.push([one]);
  }
  for (const image of images) {
    const modules = image.map(({ module }) => module);
    const module = mergeModules(modules);
    const plans = image.map(({ made }) => made);
    await runOnBoard(module, mergePlans(module, modules, plans), target);
  }
  return planned.map(({ made }) => made.plan.steps.map(({ kernel }) => kernel));
}

/**
 * @returns the kernel of each step
 * @throws Error that names the first step whose output differs
 */
async function runOnBoard(
  module: Module,
  made: Planned,
  target: Target,
  cores?: number,
): Promise<readonly string[]> {
  const plan = { ...made.plan, target: target.name };
  const { files, manifest } = emit(module, { ...made, plan }, target);
  const directory = mkdtempSync(join(tmpdir(), 'bonsaic-board-'));
  try {
    writeProject(directory, new Map([...files, ...firmwareFiles(target, cores)]));
    const image = findImage(
      await buildProject(directory, { target, manifest, cc: firmwareOnce(target) }),
    );
    const device = await openDevice('sim', target, image, { xip: 'ideal' });
    try {
      const session = await openSession(device, manifest, { ramBytes: target.ramBytes });
      const states = await expectSameSteps(session, manifest, module, randomInputs(module, 1));
      await expectSameOutputs(session, module, randomInputs(module, 2), states);
      await session.memory();
    } finally {
      await device.close();
    }
    return plan.steps.map(({ kernel }) => kernel);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const bytesOf = (data: TensorData) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** Every step of one run; returns the states after it. */
async function expectSameSteps(
  session: Session,
  { spans, plan }: Manifest,
  module: Module,
  inputs: readonly TensorData[],
): Promise<readonly TensorData[]> {
  const found = await session.checksums(inputs);
  const { tensors, states } = evaluateGraph(mainGraph(module), inputs);
  const at = spans.findIndex(({ tensor }, i) => {
    const data = tensors.get(tensor);
    return data !== undefined && crc32(bytesOf(data)) !== found[i];
  });
  const step = plan.steps[spans[at]?.step ?? -1];
  if (step !== undefined) {
    throw new Error(`step ${step.index} (${step.kernel}) differs: ${step.name}`);
  }
  return states;
}

/** What is read after another run, whatever the one before has left in memory. */
async function expectSameOutputs(
  session: Session,
  module: Module,
  inputs: readonly TensorData[],
  states: readonly TensorData[],
): Promise<void> {
  const { outputs } = await session.infer(inputs);
  const expected = evaluateGraph(mainGraph(module), inputs, states).outputs;
  const at = expected.findIndex((data, i) => {
    const other = outputs[i];
    return other === undefined || Buffer.compare(bytesOf(data), bytesOf(other)) !== 0;
  });
  if (at >= 0) throw new Error(`output ${at} differs: ${module.outputNames[at]}`);
}
