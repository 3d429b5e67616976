/** Measures the firmware's own memory on a board: what an image takes beside its model. */
import { analyse } from '../../compiler/analysis/index.js';
import type { FirmwareMemory } from '../../compiler/ir/op.js';
import { goals, type Optimize } from '../../compiler/ir/op.js';
import type { KernelContext } from '../../compiler/kernels/variant.js';
import { growthBytes } from '../../compiler/plan/choose/firmware.js';
import type { Target } from '../target/index.js';
import { calibration, costLayers, type Layer } from './layers.js';
import { measureLayers } from './measure.js';
import { emptyGraph, withProgram } from './program.js';
import { only, type Trials, trialsOf } from './trials.js';

/** Layers of the calibration that each kernel computes while the stack is measured. */
const layersEach = 3;

/** Layers in a program: jumps of Xtensa reach no further. */
const layersAtOnce = 100;

/** A kernel that is a table look-up: its code is in the step, so the image is the runtime. */
const leastTemplate = 'portable/lookup';

/** Stack of the interrupts of a board on which nothing was measured: a frame with FPU registers, and a handler. */
const interruptBytes = 256;

/**
 * Measures a board's firmware. The stack of a board without a simulator is that of `reference`.
 *
 * @param reference the simulated board on which the code of the core was measured
 * @throws BonsaiError of the toolchain or the device
 */
export async function measureFirmware(
  target: Target,
  reference: Target,
  observe: (what: string) => void = () => {},
): Promise<FirmwareMemory> {
  const [own, other] = [await measureRuntime(target), await measureRuntime(reference)];
  const stackBytes = await measureStack(reference, observe);
  const isOther = target.name !== reference.name;
  return {
    staticBytes: own.staticBytes,
    stackBytes: stackBytes + (isOther ? interruptBytes : 0),
    codeBytes: Math.max(...goals.map((goal) => own.codeBytes[goal] - other.codeBytes[goal])),
  };
}

/** The memory of the smallest program: what it takes is the runtime's. */
export interface Runtime {
  readonly staticBytes: number;
  readonly codeBytes: Readonly<Record<Optimize, number>>;
}

/** @throws BonsaiError of the toolchain */
export async function measureRuntime(
  target: Target,
  of: readonly Optimize[] = goals,
): Promise<Runtime> {
  const codeBytes = { speed: 0, balanced: 0, size: 0 };
  let staticBytes = 0;
  for (const optimize of of) {
    const request = { ...smallest({ target, optimize, facts: analyse(emptyGraph) }), target };
    await withProgram({ ...request, optimize }, async ({ built: { sizes }, planned: { plan } }) => {
      codeBytes[optimize] = sizes.codeBytes;
      const grown = plan.stateBytes + growthBytes(plan);
      staticBytes = Math.max(staticBytes, sizes.staticRamBytes - grown);
    });
  }
  return { staticBytes, codeBytes };
}

function smallest(context: KernelContext): Trials {
  for (const layer of costLayers) {
    const all = trialsOf([layer], context);
    const position = all.trials.findIndex(({ template }) => template === leastTemplate);
    if (position >= 0) return only(all, [position]);
  }
  return only(trialsOf(calibration.slice(0, 1), context), [0]);
}

/**
 * The deepest stack of any kernel on the board's simulator.
 *
 * @throws BonsaiError of the toolchain or the device
 */
export async function measureStack(
  target: Target,
  observe: (what: string) => void = () => {},
): Promise<number> {
  let stackBytes = 0;
  for (const optimize of goals) {
    const request = { target, port: 'sim', observe, trials: fewTrials };
    const layers = [...calibration, ...costLayers];
    for (let first = 0; first < layers.length; first += layersAtOnce) {
      const some = layers.slice(first, first + layersAtOnce);
      const measured = await measureLayers(some, optimize, request);
      stackBytes = Math.max(stackBytes, measured.stackBytes);
    }
  }
  return stackBytes;
}

/** Each kernel on a few layers: its stack depends on the kernel, hardly on the layer. */
function fewTrials(layers: readonly Layer[], context: KernelContext): Trials {
  const all = trialsOf(layers, context);
  const seen = new Map<string, number>();
  const positions = all.trials.flatMap(({ template }, position) => {
    const count = (seen.get(template) ?? 0) + 1;
    seen.set(template, count);
    return count <= layersEach ? [position] : [];
  });
  return only(all, positions);
}
