/** Flash taken by code: as measured on the target, otherwise an upper bound for most kernels. */
import type { Optimize, TargetTraits } from '../../ir/op.js';

const unmeasured = {
  runtimeBytes: 7 * 1024,
  stepBytes: 0,
  kernelBytes: { speed: 2600, balanced: 1250, size: 640 },
} as const;

/** Bytes of the runtime with its serial line, and of the calls of `steps` kernels. */
export function runtimeBytesOf(steps: number, { code }: TargetTraits, optimize: Optimize): number {
  const { runtimeBytes, stepBytes } = code?.[optimize] ?? unmeasured;
  return runtimeBytes + steps * stepBytes;
}

/** Bytes of a kernel's function and of the functions that it calls. */
export function kernelBytesOf(
  template: string,
  { code }: TargetTraits,
  optimize: Optimize,
): number {
  return code?.[optimize].kernels[template] ?? unmeasured.kernelBytes[optimize];
}
