/** What code takes of flash: as measured on the target, else what most kernels take at most. */
import type { Optimize, TargetTraits } from '../../ir/op.js';

const unmeasured = {
  runtimeBytes: 7 * 1024,
  stepBytes: 0,
  kernelBytes: { speed: 2600, balanced: 1250, size: 640 },
} as const;

/** The runtime with its serial line, and what calls the kernels of so many steps. */
export function runtimeBytesOf(steps: number, { code }: TargetTraits, optimize: Optimize): number {
  const { runtimeBytes, stepBytes } = code?.[optimize] ?? unmeasured;
  return runtimeBytes + steps * stepBytes;
}

/** A function of a kernel, with those that it calls. */
export function kernelBytesOf(
  template: string,
  { code }: TargetTraits,
  optimize: Optimize,
): number {
  return code?.[optimize].kernels[template] ?? unmeasured.kernelBytes[optimize];
}
