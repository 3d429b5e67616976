/** Modules that yield batches: what data of any other kind are prepared by. */
import { extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BonsaiError } from '../../errors.js';
import { readInput } from '../../files.js';
import { elementCount, type Shape } from '../../ir/graph.js';
import { printableLine } from '../../printable.js';
import { badData, partNames } from './dataset.js';
import {
  byteScale,
  checkRoom,
  type LoadOptions,
  maxElements,
  misfit,
  partOf,
  type Samples,
} from './samples.js';

export const scriptExtensions = ['.js', '.mjs', '.cjs', '.ts', '.mts', '.cts'];

/** Numbers in any nesting. */
export type Numbers = ArrayLike<number> | readonly Numbers[];

/**
 * What a module yields, over and over. Bytes (Uint8Array) in `x` are scaled; all else is taken as it
 * is.
 */
export interface Batch {
  /** n × elements of the model's input, sample after sample. */
  readonly x: Numbers;
  /** n class indices or names of classes. */
  readonly y?: ArrayLike<number> | readonly string[];
  /** 'train', 'validation' or 'test'. */
  readonly part?: string;
}

export type Batches = Iterable<Batch> | AsyncIterable<Batch>;

/** The default export of a module. */
export type Script = Batches | ((given: { readonly shape: Shape }) => Batches | Promise<Batches>);

const contract = 'its default export is a function that yields { x, y }, or what it returns';

/** @throws BonsaiError 'usage' for a module that does not load, 'bad-data' for what it yields */
export async function readScript(path: string, options: LoadOptions): Promise<Samples> {
  const script = await loaded(path);
  const collected = collector(path, options);
  try {
    const given = typeof script === 'function' ? await script({ shape: options.shape }) : script;
    if (!isIterable(given)) throw badData(path, 'yields no batches', contract);
    for await (const batch of given) collected.add(batch);
  } catch (error) {
    if (error instanceof BonsaiError) throw error;
    throw badData(path, `ends with an error: ${reasonOf(error)}`, 'repair the module');
  }
  return collected.finish();
}

async function loaded(path: string): Promise<Script> {
  // Says what is wrong with the path itself.
  readInput(path, 'table');
  try {
    const module = (await import(pathToFileURL(resolve(path)).href)) as { default?: Script };
    // A CommonJS module under tsx, and one compiled from TypeScript, has its default within.
    const inner = module.default as { default?: Script } | undefined;
    const script = module.default !== undefined && inner?.default ? inner.default : module.default;
    if (script !== undefined) return script;
  } catch (error) {
    throw new BonsaiError('usage', path, `does not load: ${reasonOf(error)}`, hintFor(path, error));
  }
  throw new BonsaiError('usage', path, 'has no default export', contract);
}

function hintFor(path: string, error: unknown): string {
  const code = (error as { code?: string } | null)?.code ?? '';
  if (!extname(path).includes('ts') || code !== 'ERR_UNKNOWN_FILE_EXTENSION') {
    return 'repair the module';
  }
  return (
    `Node ${process.versions.node} loads no TypeScript: use Node 22.18 or newer, or give ` +
    `JavaScript ('npx esbuild ${path} --outfile=data.mjs'), or set NODE_OPTIONS=--import=tsx`
  );
}

function isIterable(given: unknown): given is Batches {
  const object = given as Record<symbol, unknown> | null | undefined;
  return Boolean(object?.[Symbol.iterator] ?? object?.[Symbol.asyncIterator]);
}

/** Batches, one after the other. */
function collector(path: string, options: LoadOptions) {
  const size = elementCount(options.shape);
  const chunks: Float32Array[] = [];
  const labels: (number | string)[] = [];
  const parts: number[] = [];
  let count = 0;
  let isDivided = false;
  const add = ({ x, y, part }: Batch) => {
    const where = `${path}, batch ${chunks.length}`;
    if (ArrayBuffer.isView(x)) checkRoom(path, count + lengthOf(x) / size, options.shape);
    const values = floatsOf(x, where, options);
    const samples = values.length / size;
    if (!Number.isInteger(samples)) throw misfit(where, [values.length], options);
    if (samples === 0) throw badData(where, 'is empty', 'yield a sample at least');
    checkRoom(path, count + samples, options.shape);
    if (y !== undefined && y.length !== samples) {
      const message = `has ${y.length} labels for ${samples} samples`;
      throw badData(where, message, 'yield one label for each sample');
    }
    const isLabelled = labels.length > 0;
    if (chunks.length > 0 && isLabelled !== (y !== undefined)) {
      throw badData(where, `has ${isLabelled ? 'no ' : ''}labels, unlike those before`, contract);
    }
    const known = part === undefined ? 'train' : partOf(part);
    if (known === null) {
      throw badData(where, `has the part "${printableLine(String(part))}"`, partNames.join(', '));
    }
    isDivided ||= part !== undefined;
    chunks.push(values);
    for (let i = 0; i < samples; i += 1) {
      if (y !== undefined) labels.push(y[i] as number | string);
      parts.push(partNames.indexOf(known));
    }
    count += samples;
  };
  const finish = (): Samples => {
    const x = new Float32Array(count * size);
    chunks.reduce((at, chunk) => {
      x.set(chunk, at);
      return at + chunk.length;
    }, 0);
    return {
      ...{ where: path, count, x, labels: labels.length > 0 ? labels : null },
      ...(isDivided ? { parts: Uint8Array.from(parts) } : {}),
    };
  };
  return { add, finish };
}

function lengthOf(view: ArrayBufferView): number {
  return (view as unknown as ArrayLike<number>).length ?? 0;
}

function floatsOf(x: unknown, where: string, options: LoadOptions): Float32Array {
  if (x instanceof Uint8Array) return Float32Array.from(x, byteScale(options));
  if (ArrayBuffer.isView(x)) return new Float32Array(x as unknown as ArrayLike<number>);
  if (!Array.isArray(x)) throw badData(where, 'has no numbers as x', contract);
  const values: number[] = [];
  const take = (list: ArrayLike<unknown>) => {
    for (let i = 0; i < list.length; i += 1) {
      const item = list[i];
      if (Array.isArray(item) || ArrayBuffer.isView(item)) {
        take(item as unknown as ArrayLike<unknown>);
      } else {
        values.push(typeof item === 'number' ? item : Number.NaN);
      }
    }
    if (values.length > maxElements) throw badData(where, 'is too long', 'yield smaller batches');
  };
  take(x);
  return Float32Array.from(values);
}

function reasonOf(error: unknown): string {
  return printableLine(error instanceof Error ? error.message : String(error), 200);
}
