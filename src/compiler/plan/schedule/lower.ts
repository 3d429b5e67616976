import type { Facts, TargetTraits } from '../../ir/op.js';
import type { KernelContext } from '../../kernels/variant.js';
import type { CompileOptions } from '../types.js';

/** What the kernels of a plan may know. Flash without misses has no regions. */
export function kernelContext(
  facts: Facts,
  target: TargetTraits,
  { optimize, xip }: Pick<CompileOptions, 'optimize' | 'xip'>,
): KernelContext {
  const { regions, ...flat } = target;
  const hasRegions = xip !== 'ideal' && regions !== undefined;
  return { facts, target: hasRegions ? target : flat, optimize };
}
