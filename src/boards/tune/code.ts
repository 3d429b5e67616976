/** Measures the machine code of each kernel on a target, in bytes of the linked image. */
import { analyse } from '../../compiler/analysis/index.js';
import { type CodeSizes, goals, type Optimize } from '../../compiler/ir/op.js';
import type { KernelContext } from '../../compiler/kernels/variant.js';
import type { Target } from '../target/index.js';
import { calibration, costLayers, type Layer } from './layers.js';
import { emptyGraph, type ProgramRequest, withProgram } from './program.js';
import { only, trialsOf } from './trials.js';

/** Layers tried with each kernel; the largest code counts. */
const layersEach = 3;

/**
 * Builds images with a single layer, a few for each kernel.
 *
 * @param observe called with a description of the next build
 * @param templates the kernels to measure; the others keep the target's sizes. Default: all
 * @throws BonsaiError of the toolchain
 */
export async function measureCode(
  target: Target,
  observe: (what: string) => void = () => {},
  templates?: ReadonlySet<string>,
): Promise<Readonly<Record<Optimize, CodeSizes>>> {
  const sizes: Partial<Record<Optimize, CodeSizes>> = {};
  for (const optimize of goals) {
    observe(`Build single layers for ${target.name}, --optimize ${optimize}`);
    const context = { target, optimize, facts: analyse(emptyGraph) };
    // Kernels without code of their own show how large the runtime is today.
    const sizesNow = Object.entries(target.code?.[optimize].kernels ?? {});
    const empty = new Set(sizesNow.flatMap(([template, bytes]) => (bytes === 0 ? [template] : [])));
    const images = new Map<string, number[]>();
    for (const layer of [...calibration, ...costLayers]) {
      const all = trialsOf([layer], context);
      for (const [position, { template }] of all.trials.entries()) {
        const known = images.get(template) ?? [];
        images.set(template, known);
        if (known.length === layersEach) continue;
        if (templates?.has(template) === false && !empty.has(template)) continue;
        known.push(await codeBytesOf({ ...only(all, [position]), target, optimize }));
      }
    }
    const before = templates === undefined ? undefined : target.code?.[optimize];
    const runtimeBytes = Math.min(...[...images.values()].flat());
    const measured = [...images]
      .filter(([, bytes]) => bytes.length > 0)
      .map(([template, bytes]): [string, number] => [template, Math.max(...bytes) - runtimeBytes]);
    const kernels = Object.entries({ ...before?.kernels, ...Object.fromEntries(measured) });
    const stepBytes = before?.stepBytes ?? (await growthOf(images, context));
    sizes[optimize] = { runtimeBytes, stepBytes, kernels: Object.fromEntries(kernels.sort()) };
  }
  return sizes as Record<Optimize, CodeSizes>;
}

/** The most bytes that one more layer takes if it needs no further kernel. */
async function growthOf(
  images: ReadonlyMap<string, readonly number[]>,
  context: KernelContext & { readonly target: Target },
): Promise<number> {
  const [layer] = calibration as readonly [Layer];
  const all = trialsOf([layer, layer], context);
  const kernels = all.trials.length / 2;
  const growths: number[] = [];
  for (const [position, { template }] of all.trials.slice(0, kernels).entries()) {
    const both = await codeBytesOf({ ...only(all, [position, position + kernels]), ...context });
    growths.push(both - (images.get(template)?.[0] ?? both));
  }
  return Math.max(...growths);
}

function codeBytesOf(request: ProgramRequest): Promise<number> {
  return withProgram(request, async ({ built }) => built.sizes.codeBytes);
}
