/**
 * TensorFlow.js, on the fastest backend that this machine has. Nothing here loads before it is
 * asked for: the compiler itself needs no tensors.
 */

import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import type * as tfjs from '@tensorflow/tfjs-core';
import { installNative } from '../boards/build/install.js';
import { BonsaiError } from '../errors.js';
import { optional } from '../optional.js';
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

async function loadNative(): Promise<Backend> {
  const require = createRequire(import.meta.url);
  // Version 4.22 calls this function of older releases of Node.
  const util = require('node:util') as { isNullOrUndefined?: unknown };
  util.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  // The C library tells its processor's features on stderr.
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '3';
  try {
    const tf = await quietly(async () => {
      const native = require('@tensorflow/tfjs-node') as Tf;
      await native.ready();
      return native;
    });
    silence(tf);
    return { tf, name: 'native' };
  } catch (error) {
    const [reason = ''] = String(error instanceof Error ? error.message : error).split('\n');
    const message = `is not installed or does not load (${reason})`;
    throw new BonsaiError('toolchain', '@tensorflow/tfjs-node', message, installNative());
  }
}

const packages = ['core', 'layers', 'backend-wasm'].map((part) => `@tensorflow/tfjs-${part}`);

async function loadWasm(): Promise<Backend> {
  const { tf, wasm } = await optional(packages, async () => {
    const tf = await import('@tensorflow/tfjs-core');
    // Its import registers the gradients of all operators, which the core's own build leaves out.
    await import('@tensorflow/tfjs-layers');
    return { tf, wasm: await import('@tensorflow/tfjs-backend-wasm') };
  });
  const entry = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm');
  wasm.setWasmPaths(join(dirname(entry), sep));
  // Threads change the order of sums, and with it the bits, from machine to machine.
  wasm.setThreadsCount(1);
  await quietly(async () => {
    await tf.setBackend('wasm');
    await tf.ready();
  });
  silence(tf);
  installGradientKernels(tf);
  return { tf, name: 'wasm' };
}

/** It advises later too, such as at the first tensor. 'PROD' is its own switch for that. */
function silence(tf: Tf): void {
  tf.env().set('PROD', true);
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

/**
 * The elements of the tensor that `compute` makes; all tensors of it are freed. tf.tidy searches what
 * it returns for tensors, element by element, so that arrays must not leave through it.
 */
export function elementsOf(tf: Tf, compute: () => tfjs.Tensor): Float32Array {
  let elements = new Float32Array();
  tf.tidy(() => {
    elements = compute().dataSync() as Float32Array<ArrayBuffer>;
  });
  return elements;
}
