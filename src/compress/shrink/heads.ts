/** Where heads of attention come from: the dimension of a tensor that matrices are multiplied over. */
import { type Graph, type TensorId, tensorOf, viewOf } from '../../compiler/ir/graph.js';
import { axesOf } from '../../compiler/ops/axes.js';

/**
 * The axes of tensors that become the outer dimension of two computed operands of a batch_matmul,
 * followed back to the reshapes that split channels into heads. Where channels could go within a
 * head as well, whole heads go: their matrices need no time then.
 */
export function headAxes(graph: Graph): ReadonlyMap<TensorId, number> {
  const axes = new Map<TensorId, number>();
  for (const node of graph.nodes.toReversed()) {
    const { op, inputs, outputs, attrs } = node;
    const wanted = axes.get(outputs[0] as TensorId);
    const [input] = inputs as TensorId[];
    if (op === 'batch_matmul') {
      for (const id of inputs as TensorId[]) {
        const { shape } = tensorOf(graph, id);
        const axis = shape.slice(0, -2).findLastIndex((extent) => extent > 1);
        if (axis >= 0) axes.set(id, axis);
      }
    } else if (wanted !== undefined && op === 'transpose') {
      axes.set(input as TensorId, (attrs.perm as readonly number[])[wanted] as number);
    } else if (wanted !== undefined) {
      const same = axesOf(viewOf(graph, node)).find(({ output }) => output === wanted);
      if (same === undefined || same.window !== undefined) continue;
      same.inputs.forEach((axis, i) => {
        const id = inputs[i] ?? null;
        if (id !== null && axis !== null) axes.set(id, axis);
      });
    }
  }
  return axes;
}
