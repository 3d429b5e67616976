/**
 * TensorFlow.js, on the fastest backend that this machine has. Nothing here loads before it is
 * asked for: the compiler itself needs no tensors.
 */
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import type * as tfjs from '@tensorflow/tfjs-core';
import { BonsaiError } from '../errors.js';
import { installGradientKernels } from './gradients.js';

export type Tf = typeof tfjs;
export type { Tensor as TfTensor, Variable as TfVariable } from '@tensorflow/tfjs-core';

export const backendNames = ['native', 'wasm'] as const;
/** native: TensorFlow's C library (@tensorflow/tfjs-node). wasm: TensorFlow.js's WebAssembly. */
export type BackendName = (typeof backendNames)[number];

export interface Backend {
  readonly tf: Tf;
  readonly name: BackendName;
}

const loaded = new Map<BackendName, Promise<Backend>>();

/**
 * The backend `name`; without a name the native one where it is installed, else WebAssembly. Runs
 * repeat to the bit on one backend; the two differ in the order of their sums.
 *
 * @throws BonsaiError 'toolchain' where 'native' is asked for and not installed
 */
export async function loadBackend(name?: BackendName): Promise<Backend> {
  if (name !== undefined) return cached(name);
  return cached('native').catch((error: unknown) => {
    if (error instanceof BonsaiError) return cached('wasm');
    throw error;
  });
}

function cached(name: BackendName): Promise<Backend> {
  const known = loaded.get(name) ?? (name === 'native' ? loadNative() : loadWasm());
  loaded.set(name, known);
  return known;
}

export const installNative = 'npm run setup -- --native-training';

async function loadNative(): Promise<Backend> {
  // Version 4.22 calls this function of older releases of Node.
  const util = createRequire(import.meta.url)('node:util') as { isNullOrUndefined?: unknown };
  util.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  // Not a literal, so that the compiler does not ask for a package that is optional.
  const optional = '@tensorflow/tfjs-node';
  try {
    const module = (await quietly(() => import(optional))) as { default: Tf };
    const tf = module.default;
    await tf.ready();
    return { tf, name: 'native' };
  } catch (error) {
    const [reason = ''] = String(error instanceof Error ? error.message : error).split('\n');
    const message = `is not installed or does not load (${reason})`;
    throw new BonsaiError('toolchain', '@tensorflow/tfjs-node', message, `run '${installNative}'`);
  }
}

async function loadWasm(): Promise<Backend> {
  const tf = await import('@tensorflow/tfjs-core');
  // Its import registers the gradients of all operators, which the core's own build leaves out.
  await import('@tensorflow/tfjs-layers');
  const wasm = await import('@tensorflow/tfjs-backend-wasm');
  const entry = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm');
  wasm.setWasmPaths(join(dirname(entry), sep));
  // Threads change the order of sums, and with it the bits, from machine to machine.
  wasm.setThreadsCount(1);
  await quietly(() => tf.setBackend('wasm'));
  await tf.ready();
  installGradientKernels(tf);
  return { tf, name: 'wasm' };
}

/** TensorFlow.js prints advice on the console, where only the command line may print. */
async function quietly<T>(work: () => Promise<T>): Promise<T> {
  const { warn, info, log } = console;
  Object.assign(console, { warn: () => {}, info: () => {}, log: () => {} });
  try {
    return await work();
  } finally {
    Object.assign(console, { warn, info, log });
  }
}
