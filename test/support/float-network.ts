/** Small float networks with random weights, to train in tests. */

import type {
  Attrs,
  Graph,
  Module,
  Node,
  Shape,
  Tensor,
  TensorId,
} from '../../src/compiler/ir/graph.js';
import { opOf } from '../../src/compiler/ops/index.js';
import { samePadding } from '../../src/compiler/ops/shape/window.js';
import { makeRandom } from '../../src/compress/random.js';

export class FloatNetwork {
  readonly tensors: Tensor[] = [];
  readonly nodes: Node[] = [];
  readonly #random: () => number;
  last: TensorId;

  constructor(shape: Shape, seed = 1) {
    this.#random = makeRandom(seed);
    this.last = this.#tensor([1, ...shape], null);
  }

  conv(filters: number, kernel = 3, stride = 1, activation = 'relu'): this {
    const [, h = 1, w = 1, c = 1] = this.shape;
    const [padTop, padBottom] = samePadding(h, kernel, stride, 1);
    const [padLeft, padRight] = samePadding(w, kernel, stride, 1);
    const weights = this.#weights([filters, kernel, kernel, c], kernel * kernel * c);
    const window = { strideH: stride, strideW: stride, dilationH: 1, dilationW: 1 };
    const pads = { padTop, padBottom, padLeft, padRight };
    const attrs = { ...window, ...pads, activation, rounding: 'double' };
    return this.add('conv2d', [weights, this.#zeros(filters)], attrs);
  }

  depthwise(kernel = 3, stride = 1): this {
    const [, h = 1, w = 1, c = 1] = this.shape;
    const [padTop, padBottom] = samePadding(h, kernel, stride, 1);
    const [padLeft, padRight] = samePadding(w, kernel, stride, 1);
    const weights = this.#weights([1, kernel, kernel, c], kernel * kernel);
    const window = { strideH: stride, strideW: stride, dilationH: 1, dilationW: 1 };
    const attrs = { ...window, padTop, padBottom, padLeft, padRight, depthMultiplier: 1 };
    const rest = { activation: 'relu', rounding: 'double' };
    return this.add('depthwise_conv2d', [weights, this.#zeros(c)], { ...attrs, ...rest });
  }

  maxPool(): this {
    const kernel = { kernelH: 2, kernelW: 2, strideH: 2, strideW: 2, activation: 'none' };
    const pads = { padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 };
    return this.add('max_pool2d', [], { ...kernel, ...pads });
  }

  mean(): this {
    return this.add('mean', [], { axes: [1, 2], keepDims: false, algorithm: 'general' });
  }

  dense(units: number, activation = 'relu'): this {
    const depth = this.shape.slice(1).reduce((a, b) => a * b, 1);
    if (this.shape.length > 2) this.add('reshape', [], { shape: [1, depth] });
    const attrs = { activation, rounding: 'double', keepDims: false };
    return this.add(
      'fully_connected',
      [this.#weights([units, depth], depth), this.#zeros(units)],
      attrs,
    );
  }

  /**
   * q · kᵀ · v of an image's pixels, for each of `heads` heads of two channels; without softmax, and
   * with small numbers, so that integers stay exact.
   */
  attention(heads: number): this {
    const [, h = 1, w = 1, c = 1] = this.shape;
    this.add('reshape', [], { shape: [1, h * w, c] });
    const from = this.last;
    const [query, key, value] = [0, 1, 2].map(() => this.#projection(from, heads)) as TensorId[];
    this.last = query as TensorId;
    this.add('batch_matmul', [key as TensorId], { transposeA: false, transposeB: true });
    this.add('relu6', [], { algorithm: 'clamp' });
    this.add('batch_matmul', [value as TensorId], { transposeA: false, transposeB: false });
    if (heads > 1) this.add('transpose', [], { perm: [0, 2, 1, 3] });
    return this.add('reshape', [], { shape: [1, h, w, 2 * heads] });
  }

  #projection(from: TensorId, heads: number): TensorId {
    this.last = from;
    const [, rows = 1, c = 1] = this.shape;
    const attrs = { activation: 'relu6', rounding: 'double', keepDims: true };
    this.add('fully_connected', [this.#weights([2 * heads, c], c), this.#zeros(2 * heads)], attrs);
    if (heads === 1) return this.last;
    this.add('reshape', [], { shape: [1, rows, heads, 2] });
    return this.add('transpose', [], { perm: [0, 2, 1, 3] }).last;
  }

  softmax(): this {
    return this.add('softmax', [], { beta: 1, algorithm: 'fixed' });
  }

  get shape(): Shape {
    return this.tensors[this.last]?.shape ?? [];
  }

  add(op: string, constants: readonly TensorId[], attrs: Attrs): this {
    const node = {
      op,
      name: `${op}_${this.nodes.length}`,
      inputs: [this.last, ...constants],
      attrs,
    };
    const inputs = node.inputs.map((id) => this.tensors[id] as Tensor);
    const own = { ...node, outputs: [], ops: [this.nodes.length], fused: [] };
    const [shape = []] = opOf(node).infer({ node: own, attrs, inputs, outputs: [] });
    this.last = this.#tensor(shape, null, node.name);
    this.nodes.push({ ...own, outputs: [this.last] });
    return this;
  }

  graph(): Graph {
    const { tensors, nodes, last } = this;
    return { name: 'main', tensors, nodes, inputs: [0], outputs: [last] };
  }

  module(name = 'network'): Module {
    const head = { name, sha256: '0'.repeat(64) };
    return { ...head, graphs: [this.graph()], inputNames: ['x'], outputNames: ['y'] };
  }

  #tensor(shape: Shape, data: Float32Array | null, name = `t${this.tensors.length}`): TensorId {
    return (
      this.tensors.push({ name, dtype: 'float32', shape, quant: null, data, source: null }) - 1
    );
  }

  /** He's initialization: uniform, variance 2 / inputs. */
  #weights(shape: Shape, inputs: number): TensorId {
    const reach = Math.sqrt(6 / inputs);
    const count = shape.reduce((a, b) => a * b, 1);
    return this.#tensor(
      shape,
      Float32Array.from({ length: count }, () => (this.#random() * 2 - 1) * reach),
    );
  }

  #zeros(count: number): TensorId {
    return this.#tensor([count], new Float32Array(count));
  }
}
