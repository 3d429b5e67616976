/** A float graph that grows node by node. Shapes of outputs come from the operators. */
import { BonsaiError } from '../../../errors.js';
import {
  type Attrs,
  byteCount,
  elementCount,
  type Graph,
  type Node,
  type Shape,
  type Tensor,
  type TensorId,
} from '../../ir/graph.js';
import { opOf } from '../../ops/index.js';
import { rows } from '../tflite/ops.js';

export type Rounding = 'tflm' | 'tflite';

/** The layer or node of the file that nodes are made for. */
export interface Source {
  readonly index: number;
  /** Its class or operator. */
  readonly kind: string;
  readonly name: string;
}

export interface Build {
  /** 'operator 3 (Conv2D) "block1/conv"' */
  readonly where: string;
  shape(id: TensorId): Shape;
  /** @throws BonsaiError 'bad-shape', 'too-large' */
  input(name: string, shape: Shape): TensorId;
  constant(name: string, shape: Shape, data: Float32Array): TensorId;
  /** Its output. `shape`: for operators whose attributes do not determine it. */
  node(op: string, inputs: readonly (TensorId | null)[], attrs: Attrs, shape?: Shape): TensorId;
  /** Nodes from now on are made for `source`. */
  begin(source: Source): void;
  finish(outputs: readonly TensorId[]): Graph;
}

/** The largest activation in bytes, as for .tflite. */
const maxTensorBytes = 2 ** 26;

export function newBuild(rounding: Rounding): Build {
  const tensors: Tensor[] = [];
  const nodes: Node[] = [];
  const inputs: TensorId[] = [];
  let source: Source = { index: 0, kind: 'model', name: '' };
  const where = () => `operator ${source.index} (${source.kind}) "${source.name}"`;
  const shape = (id: TensorId) => (tensors[id] as Tensor).shape;
  const add = (tensor: Pick<Tensor, 'name' | 'shape' | 'data'>): TensorId => {
    const whole = { ...tensor, dtype: 'float32', quant: null, source: null } as const;
    if (!tensor.shape.every((extent) => Number.isInteger(extent) && extent > 0)) {
      const message = `has the shape [${tensor.shape.join(', ')}]`;
      throw new BonsaiError('bad-shape', where(), message, 'fix every extent above zero');
    }
    if (tensor.data === null && byteCount(whole) > maxTensorBytes) {
      const message = `has a tensor of ${byteCount(whole)} bytes; at most ${maxTensorBytes} are possible`;
      throw new BonsaiError('too-large', where(), message, 'use smaller inputs or fewer channels');
    }
    return tensors.push(whole) - 1;
  };
  return {
    get where() {
      return where();
    },
    shape,
    begin(next) {
      source = next;
    },
    input(name, extents) {
      const id = add({ name, shape: extents, data: null });
      inputs.push(id);
      return id;
    },
    constant: (name, extents, data) => add({ name, shape: extents, data }),
    node(op, given, attrs, declared) {
      const { name, index } = source;
      const node: Node = {
        ...{ op, name, inputs: given, outputs: [tensors.length] },
        attrs: { ...attrs, ...arithmeticOf(op, rounding) },
        ...{ ops: [index], fused: [] },
      };
      const output = { name, dtype: 'float32', quant: null, source: null, data: null } as const;
      const probe = { ...output, shape: declared ?? [] };
      const operands = given.map((id) => (id === null ? null : (tensors[id] as Tensor)));
      const view = { node, attrs: node.attrs, inputs: operands, outputs: [probe] };
      const [extents = []] = opOf(node).infer(view);
      const id = add({ name, shape: extents, data: null });
      nodes.push(node);
      return id;
    },
    finish: (outputs) => ({ name: 'main', tensors, nodes, inputs, outputs }),
  };
}

/** Attributes by which the integer arithmetic of the runtimes differs. */
function arithmeticOf(op: string, rounding: Rounding): Attrs {
  return [...rows.values()].find((row) => row.op === op)?.rounding[rounding] ?? {};
}

/** Channels of the last axis. */
export function channelsOf(shape: Shape): number {
  return shape.at(-1) ?? 1;
}

/** The elements in an order in which axis d of the result is axis perm[d] of `data`. */
export function transposed(
  data: Float32Array,
  shape: Shape,
  perm: readonly number[],
): Float32Array {
  const strides = shape.map((_, d) => elementCount(shape.slice(d + 1)));
  const order = perm.map((from) => ({
    extent: shape[from] as number,
    stride: strides[from] as number,
  }));
  let offsets = [0];
  for (const { extent, stride } of order) {
    offsets = offsets.flatMap((offset) =>
      Array.from({ length: extent }, (_, i) => offset + i * stride),
    );
  }
  return Float32Array.from(offsets, (offset) => data[offset] as number);
}
