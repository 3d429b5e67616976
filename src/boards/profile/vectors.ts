/** Vectors: inputs with their expected outputs, from a file or a seeded generator. */
import { z } from 'zod';
import { quantizedTypes, rangeOfType } from '../../compiler/ir/dtypes.js';
import {
  allocate,
  elementCount,
  isInteger,
  type Module,
  type TensorData,
} from '../../compiler/ir/graph.js';
import type { IoTensor, Plan } from '../../compiler/plan/types.js';
import { BonsaiError } from '../../errors.js';
import { issueText } from '../../issues.js';
import { guardPairs, type PairPath } from './vector-guard.js';
import { type Fault, fromOwn, isOwnTyped, type Port } from './vector-types.js';

/** The expected checksum of a source operator's output. */
export interface LayerChecksum {
  /** Index of the operator in the source model. */
  readonly op: number;
  /** Index of the tensor in the source model. */
  readonly tensor: number;
  readonly bytes: number;
  readonly crc32: number;
}

export interface VectorPair {
  /** In the order and types of the plan's inputs. */
  readonly inputs: readonly TensorData[];
  /** Empty as read for the runs of a whole window but the last one. */
  readonly outputs: readonly TensorData[];
  /** Checked with --faithful only, since other plans do not compute the source's tensors. */
  readonly layers: readonly LayerChecksum[];
  /** Whether it follows the pair before it in a sequence; otherwise the states are reset before. */
  readonly continues?: boolean;
}

/** The pairs before `index` in its sequence. */
export function earlierOf(pairs: readonly VectorPair[], index: number): readonly VectorPair[] {
  let first = index;
  while (first > 0 && pairs[first]?.continues === true) first -= 1;
  return pairs.slice(first, index);
}

const uint = z.int().nonnegative();
const layer = z.object({ op: uint, tensor: uint, bytes: uint, crc32: uint.max(0xffff_ffff) });

/** Elements are checked below, so that the error can name the wrong one. */
const pair = z.object({
  input: z.array(z.unknown()),
  output: z.array(z.unknown()),
  layers: z.array(layer).default([]),
});
const type = z.unknown().optional();
const pairsFile = z.object({ type, pairs: z.array(pair).nonempty() });
const sequences = z.array(z.array(pair).nonempty()).nonempty();
const sequencesFile = z.strictObject({ type, sequences });

const formatHint =
  'write {"pairs":[{"input":[…],"output":[…]}]} with the raw quantized integers, flat; ' +
  'for several inputs or outputs an array for each; for a model that remembers ' +
  '{"sequences":[[pair, pair, …], …]}; values in the types of the model\'s file do too';

/**
 * Reads a vectors file (README.md, 'The model').
 *
 * @param where     the file, for errors
 * @param edgeTypes of the module that the plan is of
 * @throws BonsaiError 'bad-vectors' that names the pair and the element
 */
export function readVectors(
  text: string | Uint8Array,
  where: string,
  plan: Plan,
  edgeTypes?: Module['edgeTypes'],
): VectorPair[] {
  if (text.length > largeBytes && typeof text !== 'string') requirePairs(text, where, plan);
  const json = parseJson(text, where);
  const isSequences = typeof json === 'object' && json !== null && 'sequences' in json;
  const file = isSequences ? sequencesFile : pairsFile;
  const parsed = file.safeParse(json, { error: issueText });
  if (!parsed.success) throw misshapen(where, parsed.error);
  const { data } = parsed;
  const all = 'pairs' in data ? data.pairs : data.sequences.flat();
  const sides = sidesOf(plan, edgeTypes, data.type, all, where);
  const read = ({ input, output, layers }: Pair, place: string) => ({
    inputs: tensorsOf(input, sides.input, `${where}, ${place}`),
    outputs: tensorsOf(output, sides.output, `${where}, ${place}`),
    layers,
  });
  if ('pairs' in data) {
    return data.pairs.flatMap((one, i): VectorPair[] => {
      const place = `pair ${i}`;
      const frames = windowFrames(one.input, plan, sides.input, `${where}, ${place}`);
      if (frames === null) return [read(one, place)];
      const outputs = tensorsOf(one.output, sides.output, `${where}, ${place}`);
      return frames.map((inputs, at) => ({
        ...{ inputs, layers: [], continues: at > 0 },
        outputs: at === frames.length - 1 ? outputs : [],
      }));
    });
  }
  return data.sequences.flatMap((sequence, s) =>
    sequence.map((one, i) => ({
      ...read(one, `sequence ${s}, pair ${i}`),
      continues: i > 0,
    })),
  );
}

/** @param path of what was parsed */
function misshapen(where: string, { issues }: z.ZodError, path: PairPath = []): BonsaiError {
  const [issue] = issues;
  const whole = [...path, ...(issue?.path ?? [])];
  const place = whole.length === 0 ? '' : `${placeOf(whole)} `;
  return new BonsaiError('bad-vectors', where, `${place}${issue?.message}`, formatHint);
}

/** Below it, whatever a file has costs little. */
const largeBytes = 2 ** 20;
/** Of a value in a file that indents it deeply, and of all else that a pair has: its checksums. */
const mostBytesOf = { value: 64, rest: 2 ** 20 };
/** A model that streams may be given whole windows. */
const mostRuns = 1024;

/** @throws BonsaiError 'bad-vectors' at the first pair that has another shape, or more than the model takes */
function requirePairs(bytes: Uint8Array, where: string, plan: Plan): void {
  const runs = plan.options.stream === undefined ? 1 : mostRuns;
  const values = [...plan.inputs, ...plan.outputs].map(({ shape }) => elementCount(shape));
  const count = runs * values.reduce((sum, one) => sum + one, 0);
  const mostBytes = mostBytesOf.rest + mostBytesOf.value * count;
  guardPairs(bytes, {
    mostBytes,
    check(value, path) {
      const parsed = pair.safeParse(value, { error: issueText });
      if (!parsed.success) throw misshapen(where, parsed.error, path);
    },
    refuse(pairs) {
      const message = `has more than ${mostBytes} bytes after ${pairs} pairs without another`;
      throw new BonsaiError('bad-vectors', where, message, formatHint);
    },
  });
}

type Pair = z.infer<typeof pair>;

type Side = 'input' | 'output';

/** How the values of a tensor are read. */
interface Column {
  readonly tensor: IoTensor;
  /** The element of the compiled model for a value of the file, or what is wrong with it. */
  readonly element: (value: unknown) => number | Fault;
}

/** The tensors of a side, and its name for errors. */
interface Columns {
  readonly side: Side;
  readonly columns: readonly Column[];
}

/** How the file's inputs and outputs are read, whose types all its pairs tell together. */
function sidesOf(
  plan: Plan,
  edgeTypes: Module['edgeTypes'],
  type: unknown,
  pairs: readonly Pair[],
  where: string,
): Readonly<Record<Side, Columns>> {
  const portsOf = (side: Side) =>
    plan[`${side}s`].map((tensor, i): Port => {
      return { tensor, own: edgeTypes?.[`${side}s`][i] ?? null, side };
    });
  const ports = [...portsOf('input'), ...portsOf('output')];
  const first = plan.inputs.length;
  const values = ports.map(({ side }, i) =>
    valuesOf(pairs, side, side === 'input' ? i : i - first),
  );
  const isOwn = isOwnTyped(type, ports, values, where);
  const columnsOf = (wanted: Side): Columns => ({
    side: wanted,
    columns: ports.flatMap((port, i): Column[] => {
      const { tensor, side } = port;
      if (side !== wanted) return [];
      const element = isOwn[i] ? fromOwn(port, plan.options.rounding) : asCompiled(tensor);
      return [{ tensor, element }];
    }),
  });
  return { input: columnsOf('input'), output: columnsOf('output') };
}

/** All values that a file has for an input or output. */
function* valuesOf(pairs: readonly Pair[], side: Side, index: number): Iterable<unknown> {
  for (const one of pairs) {
    const nested = Array.isArray(one[side][0]);
    const list: unknown = nested ? one[side][index] : one[side];
    if (Array.isArray(list)) yield* list;
  }
}

/**
 * The runs that a whole window takes in a model that streams: only the last one has an expected
 * output. null for an input of one run.
 */
function windowFrames(
  values: readonly unknown[],
  { options }: Plan,
  { columns }: Columns,
  where: string,
): readonly (readonly TensorData[])[] | null {
  const [column] = columns;
  if (options.stream === undefined || column === undefined || columns.length > 1) return null;
  const { tensor: input } = column;
  const flat = Array.isArray(values[0]) && values.length === 1 ? values[0] : values;
  const runs = flat.length / elementCount(input.shape);
  if (!Number.isInteger(runs) || runs < 2) return null;
  const { axis } = options.stream;
  const shape = input.shape.with(axis, (input.shape[axis] ?? 1) * runs);
  const whole = { ...column, tensor: { ...input, shape } };
  const window = tensorOf(flat, whole, `${where}, input "${input.name}"`);
  const blocks = elementCount(shape.slice(0, axis));
  const bytes = window.length / blocks / runs;
  return Array.from({ length: runs }, (_, run) => {
    const frames = allocate(input.dtype, bytes * blocks);
    for (let i = 0; i < frames.length; i += 1) {
      const from = (Math.floor(i / bytes) * runs + run) * bytes + (i % bytes);
      frames[i] = window[from] as never;
    }
    return [frames];
  });
}

function parseJson(text: string | Uint8Array, where: string): unknown {
  try {
    return JSON.parse(typeof text === 'string' ? text : new TextDecoder().decode(text));
  } catch (error) {
    const message = `is not JSON: ${(error as Error).message}`;
    throw new BonsaiError('bad-vectors', where, message, formatHint);
  }
}

/**
 * ['pairs', 2, 'layers', 0, 'op'] → 'pair 2, layers.0.op'; ['sequences', 1, 2, 'input'] →
 * 'sequence 1, pair 2, input'.
 */
function placeOf([list, ...path]: readonly PropertyKey[]): string {
  const levels = list === 'sequences' ? ['sequence', 'pair'] : ['pair'];
  const named = levels.slice(0, path.length).map((level, i) => `${level} ${String(path[i])}`);
  if (named.length === 0) return String(list);
  const rest = path.slice(levels.length).map(String).join('.');
  return [...named, ...(rest === '' ? [] : [rest])].join(', ');
}

function tensorsOf(
  values: readonly unknown[],
  { side, columns }: Columns,
  where: string,
): TensorData[] {
  const tensors = columns.map(({ tensor }) => tensor);
  const nested = Array.isArray(values[0]);
  if (!nested && tensors.length !== 1) {
    throw new BonsaiError(
      'bad-vectors',
      where,
      `${side} is one flat array, the model has ${tensors.length} ${side}s`,
      `give an array for each: ${tensors.map((tensor) => `"${tensor.name}"`).join(', ')}`,
    );
  }
  const lists = nested ? values : [values];
  if (lists.length !== tensors.length) {
    throw new BonsaiError(
      'bad-vectors',
      where,
      `has ${lists.length} ${side}s, the model has ${tensors.length}`,
      tensors.length === 1
        ? formatHint
        : `give an array for each: ${tensors.map((tensor) => `"${tensor.name}"`).join(', ')}`,
    );
  }
  return columns.map((column, index) => {
    const { tensor } = column;
    const place = tensors.length === 1 ? side : `${side} ${index}`;
    return tensorOf(lists[index], column, `${where}, ${place} "${tensor.name}"`);
  });
}

function tensorOf(values: unknown, { tensor, element }: Column, where: string): TensorData {
  const count = elementCount(tensor.shape);
  if (!Array.isArray(values) || values.length !== count) {
    const found = Array.isArray(values) ? `${values.length} values` : 'no array';
    throw new BonsaiError(
      'bad-vectors',
      where,
      `has ${found}, the tensor has ${count} ([${tensor.shape.join(', ')}])`,
      formatHint,
    );
  }
  const data = allocate(tensor.dtype, count);
  for (let i = 0; i < count; i++) {
    const value: unknown = values[i];
    const found = element(value);
    if (typeof found !== 'number') {
      throw new BonsaiError(
        'bad-vectors',
        where,
        `element ${i} is ${JSON.stringify(value)}, not ${found.expected}`,
        found.hint,
      );
    }
    data[i] = found;
  }
  return data;
}

/** Values in the type of the compiled model. */
function asCompiled(tensor: IoTensor): Column['element'] {
  if (!isInteger(tensor.dtype)) return (value) => (typeof value === 'number' ? value : noNumber);
  const { dtype, scale, zeroPoint } = tensor;
  const [least, greatest] = rangeOfType(dtype);
  const hint = quantizedTypes.includes(dtype)
    ? `quantize: round(x / ${scale}) + ${zeroPoint}, clamped to ${dtype}`
    : `the tensor is ${dtype}`;
  const fault = { expected: `an integer from ${least} to ${greatest}`, hint };
  return (value) => {
    const isRight =
      typeof value === 'number' && Number.isInteger(value) && least <= value && value <= greatest;
    return isRight ? value : fault;
  };
}

const noNumber: Fault = {
  expected: 'a number',
  hint: 'the tensor is float32: give the numbers themselves',
};
