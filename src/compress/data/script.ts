/** Modules that yield batches: what data of any other kind are prepared by. */
import { extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { elementCount, type Shape } from '../../compiler/ir/graph.js';
import { BonsaiError } from '../../errors.js';
import { readInput } from '../../files.js';
import { printableLine } from '../../printable.js';
import { joinedRows } from '../rows.js';
import { badData, partNames } from './dataset.js';
import { elementsOfAll, type Port, portNamed, portNames } from './ports.js';
import {
  byteScale,
  checkRoom,
  type LoadOptions,
  maxElements,
  misfit,
  partOf,
  type Samples,
  together,
} from './samples.js';
import { describedNumbers, wantedOf } from './wanted.js';

export const scriptExtensions = ['.js', '.mjs', '.cjs', '.ts', '.mts', '.cts'];

/** Numbers in any nesting. */
export type Numbers = ArrayLike<number> | readonly Numbers[];

/**
 * What a module yields, over and over. Bytes (Uint8Array) in `x` are scaled; all else is taken as it
 * is.
 */
export interface Batch {
  /**
   * n × elements of the model's input, sample after sample; of several inputs a list with such for
   * each, or an object by their names.
   */
  readonly x: Numbers | Readonly<Record<string, Numbers>>;
  /** n class indices or names of classes; or what the outputs shall be, in the forms of `x`. */
  readonly y?: readonly string[] | Batch['x'];
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
  const labels: string[] = [];
  const targets: Float64Array[] = [];
  let answered = 0;
  const parts: number[] = [];
  let count = 0;
  let isDivided = false;
  const add = ({ x, y, part }: Batch) => {
    const where = `${path}, batch ${chunks.length}`;
    if (ArrayBuffer.isView(x)) checkRoom(path, count + lengthOf(x) / size, options.shape);
    const inputs = byPort(x, options.ports?.inputs ?? [], 'x', where).map((own) =>
      floatsOf(own, where, options),
    );
    const total = inputs.reduce((sum, { length }) => sum + length, 0);
    const samples = total / size;
    if (!Number.isInteger(samples)) throw misfit(where, [total], options);
    if (samples === 0) throw badData(where, 'is empty', 'yield a sample at least');
    checkRoom(path, count + samples, options.shape);
    const values = rowsOf(inputs, samples, options.ports?.inputs, where);
    const answers = y === undefined ? null : answersIn(y, samples, where, options);
    const isLabelled = answered > 0;
    if (chunks.length > 0 && isLabelled !== (y !== undefined)) {
      throw badData(where, `has ${isLabelled ? 'no ' : ''}labels, unlike those before`, contract);
    }
    const known = part === undefined ? 'train' : partOf(part);
    if (known === null) {
      throw badData(where, `has the part "${printableLine(String(part))}"`, partNames.join(', '));
    }
    isDivided ||= part !== undefined;
    chunks.push(values);
    if (answers !== null) answered += samples;
    if (answers?.texts != null) for (const label of answers.texts) labels.push(label);
    if (answers?.numbers != null) targets.push(answers.numbers);
    for (let i = 0; i < samples; i += 1) parts.push(partNames.indexOf(known));
    count += samples;
  };
  const finish = (): Samples => {
    return {
      ...{ where: path, count, x: together(chunks) },
      ...wantedIn(path, labels, targets, count, options),
      ...(isDivided ? { parts: Uint8Array.from(parts) } : {}),
    };
  };
  return { add, finish };
}

/** What is given for each port; without ports, or for one, all of it. */
function byPort(
  given: unknown,
  ports: readonly Port[],
  letter: 'x' | 'y',
  where: string,
): readonly unknown[] {
  const isObject = typeof given === 'object' && given !== null;
  const isNamed = isObject && !Array.isArray(given) && !ArrayBuffer.isView(given);
  if (isNamed && ports.length > 0) {
    const found = new Map(
      Object.entries(given).map(([name, own]) => [portNamed(ports, letter, name), own] as const),
    );
    if (found.size === ports.length && !found.has(-1)) return ports.map((_, i) => found.get(i));
  } else if (ports.length <= 1 || (Array.isArray(given) && given.length === ports.length)) {
    return ports.length <= 1 ? [given] : (given as readonly unknown[]);
  }
  const hint = `yield ${letter} as a list of these, or an object by name: ${portNames(ports, letter)}`;
  const kind = letter === 'x' ? 'inputs' : 'outputs';
  throw badData(
    where,
    `does not have ${letter} for each of the model's ${ports.length} ${kind}`,
    hint,
  );
}

/** Elements of all ports, side by side for each sample. */
function rowsOf(
  given: readonly Float32Array[],
  samples: number,
  ports: readonly Port[] | undefined,
  where: string,
): Float32Array {
  const wrong = ports?.find((port, i) => given[i]?.length !== samples * elementCount(port.shape));
  if (wrong === undefined || given.length === 1) return joinedRows(given, samples);
  const wanted = samples * elementCount(wrong.shape);
  const message = `does not have ${wanted} numbers for "${wrong.name}", ${samples} samples of [${wrong.shape.join(', ')}]`;
  throw badData(where, message, 'yield the same samples for each');
}

/** Texts, or numbers: doubles, which keep a label as it is. */
function answersIn(
  given: NonNullable<Batch['y']>,
  samples: number,
  where: string,
  { ports }: LoadOptions,
) {
  const isText = Array.isArray(given) && given.some((one) => typeof one === 'string');
  const answers = isText ? [] : byPort(given, ports?.outputs ?? [], 'y', where);
  const lists = answers.map((one) => numbersIn(one, where));
  const count = isText ? given.length : (lists[0]?.length ?? 0);
  if (lists.length > 1) {
    const rows = lists.map((list) => Float32Array.from(list));
    return {
      texts: null,
      numbers: Float64Array.from(rowsOf(rows, samples, ports?.outputs, where)),
    };
  }
  const outputs = ports === undefined ? 1 : elementsOfAll(ports.outputs);
  if (count !== samples && (isText || count !== samples * outputs)) {
    const message = `has ${count} labels for ${samples} samples`;
    throw badData(where, message, 'yield one label for each sample');
  }
  if (isText) return { texts: given.map(String), numbers: null };
  return { texts: null, numbers: Float64Array.from(lists[0] ?? []) };
}

function wantedIn(
  path: string,
  labels: readonly string[],
  targets: readonly Float64Array[],
  count: number,
  options: LoadOptions,
): Pick<Samples, 'labels' | 'targets'> {
  if (targets.length === 0) return { labels: labels.length > 0 ? labels : null };
  const values = targets.flatMap((list) => [...list]);
  // A mixture of names and indices: names are told below, where they are not known.
  if (labels.length > 0) return { labels: [...labels, ...values] };
  const found = describedNumbers(values, values.length / count, false);
  if (wantedOf(path, found, options) === 'classes') return { labels: values };
  return { labels: null, targets: Float32Array.from(values) };
}

/**
 * Numbers in any nesting, one after another; NaN for what is none.
 *
 * @throws BonsaiError 'usage' for more than samples may have
 */
function numbersIn(given: unknown, where: string): number[] {
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
  if (Array.isArray(given) || ArrayBuffer.isView(given)) take(given as ArrayLike<unknown>);
  return values;
}

function lengthOf(view: ArrayBufferView): number {
  return (view as unknown as ArrayLike<number>).length ?? 0;
}

function floatsOf(x: unknown, where: string, options: LoadOptions): Float32Array {
  if (x instanceof Uint8Array) return Float32Array.from(x, byteScale(options));
  if (ArrayBuffer.isView(x)) return new Float32Array(x as unknown as ArrayLike<number>);
  if (!Array.isArray(x)) throw badData(where, 'has no numbers as x', contract);
  return Float32Array.from(numbersIn(x, where));
}

function reasonOf(error: unknown): string {
  return printableLine(error instanceof Error ? error.message : String(error), 200);
}
