/** Bytes of machine code that each kernel takes on a target, as the linker leaves it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { analyse } from '../analysis/index.js';
import { buildProject } from '../build/index.js';
import { firmwareFiles, writeProject } from '../build/project.js';
import { emit } from '../codegen/emit.js';
import { type Module, mainGraph, type Node } from '../ir/graph.js';
import { type CodeSizes, goals, type KernelContext, type Optimize } from '../ir/op.js';
import { makePlan } from '../plan/index.js';
import type { CompileOptions } from '../plan/types.js';
import type { Target } from '../target/index.js';
import { calibration, type Layer, type Trial, trialsOf } from './layers.js';

/** Layers that are tried with each kernel: the largest code counts. */
const layersEach = 3;

/**
 * Builds images with a single layer, a few for each kernel.
 *
 * @param observe called with what is built next
 * @throws BonsaiError of the toolchain
 */
export async function measureCode(
  target: Target,
  observe: (what: string) => void = () => {},
): Promise<Readonly<Record<Optimize, CodeSizes>>> {
  const sizes: Partial<Record<Optimize, CodeSizes>> = {};
  for (const optimize of goals) {
    observe(`Build single layers for ${target.name}, --optimize ${optimize}`);
    const context = { target, optimize, facts: analyse(emptyGraph) };
    const images = new Map<string, number[]>();
    for (const layer of calibration) {
      const { module, trials } = trialsOf([layer], context);
      for (const [position, trial] of trials.entries()) {
        const known = images.get(trial.template) ?? [];
        images.set(trial.template, known);
        if (known.length === layersEach) continue;
        known.push(await codeBytesOf(only(module, [position]), [trial], target, optimize));
      }
    }
    const runtimeBytes = Math.min(...[...images.values()].flat());
    const kernels = [...images].map(([template, bytes]) => [
      template,
      Math.max(...bytes) - runtimeBytes,
    ]);
    const stepBytes = await growthOf(images, context);
    sizes[optimize] = { runtimeBytes, stepBytes, kernels: Object.fromEntries(kernels.sort()) };
  }
  return sizes as Record<Optimize, CodeSizes>;
}

/** What a layer more takes at most that needs no other kernel. */
async function growthOf(
  images: ReadonlyMap<string, readonly number[]>,
  { target, optimize, facts }: KernelContext & { readonly target: Target },
): Promise<number> {
  const [layer] = calibration as readonly [Layer];
  const { module, trials } = trialsOf([layer, layer], { target, optimize, facts });
  const growths: number[] = [];
  for (const [position, trial] of trials.slice(0, trials.length / 2).entries()) {
    const other = position + trials.length / 2;
    const pair = [trial, trials[other] as Trial];
    const both = await codeBytesOf(only(module, [position, other]), pair, target, optimize);
    growths.push(both - (images.get(trial.template)?.[0] ?? both));
  }
  return Math.max(...growths);
}

const emptyGraph = { name: 'none', tensors: [], nodes: [], inputs: [], outputs: [] };

/** The module with some of its nodes. */
function only(module: Module, positions: readonly number[]): Module {
  const graph = mainGraph(module);
  const nodes = positions.map((position) => graph.nodes[position] as Node);
  const inputs = graph.inputs.filter((id) => nodes.some((node) => node.inputs.includes(id)));
  const outputs = nodes.flatMap((node) => node.outputs);
  return { ...module, graphs: [{ ...graph, nodes, inputs, outputs }] };
}

async function codeBytesOf(
  module: Module,
  trials: readonly Trial[],
  target: Target,
  optimize: Optimize,
): Promise<number> {
  const options: CompileOptions = {
    optimize,
    rounding: 'tflm',
    faithful: true,
    keepInput: false,
    xip: 'ideal',
    kernels: Object.fromEntries(trials.map(({ name, template }) => [name, template])),
  };
  const facts = analyse(mainGraph(module));
  const plan = makePlan(module, facts, target, options);
  const { files, manifest } = emit(module, plan, facts, target);
  const directory = mkdtempSync(join(tmpdir(), 'bonsaic-tune-'));
  try {
    const project = join(directory, 'project');
    writeProject(project, new Map([...files, ...firmwareFiles(target)]));
    const { sizes } = await buildProject(project, { target, manifest });
    return sizes.codeBytes;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
