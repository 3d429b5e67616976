/** Shrinks windows whose outer taps are zero for all channels. */
import { type Graph, type NodeView, type TensorId, tensorOf, viewOf } from '../ir/graph.js';
import { opOf } from '../ops/index.js';
import { outputExtent, type Window } from '../ops/shape/window.js';
import { appendTensor, take } from './rewrite.js';

/**
 * A row or column of zero weights adds w·(x − zp) = 0, in the padding too, so it can be removed.
 * Removing taps at the start keeps the others in place if the padding before them shrinks by as
 * much, so no more taps are removed than the padding allows. Taps at the end can be removed as long
 * as the number of outputs stays the same; the padding behind them shrinks, at most to 0.
 * `leastWindow` taps stay even if all are zero.
 */
export function trimWindows(graph: Graph): Graph {
  const tensors = [...graph.tensors];
  const nodes = graph.nodes.map((node) => {
    const view = viewOf(graph, node) as NodeView<object> as NodeView<Window>;
    const [input, weights] = view.inputs;
    const least = opOf(node).leastWindow;
    if (least === undefined || input?.dtype !== 'int8' || !(weights?.data instanceof Int8Array)) {
      return node;
    }
    const [, kernelH = 0, kernelW = 0] = weights.shape;
    const { strideH, strideW, dilationH, dilationW, ...pads } = view.attrs;
    const { isRowUsed, isColumnUsed } = usedTaps(weights.shape, weights.data);
    const rows = trim(isRowUsed, least, {
      ...{ input: input.shape[1] as number, stride: strideH, dilation: dilationH },
      ...{ before: pads.padTop, after: pads.padBottom },
    });
    const columns = trim(isColumnUsed, least, {
      ...{ input: input.shape[2] as number, stride: strideW, dilation: dilationW },
      ...{ before: pads.padLeft, after: pads.padRight },
    });
    if (rows.taps.length === kernelH && columns.taps.length === kernelW) return node;
    const inputs: (TensorId | null)[] = [...node.inputs];
    const whole = tensorOf(graph, node.inputs[1] as TensorId);
    inputs[1] = appendTensor(tensors, take(take(whole, 1, rows.taps), 2, columns.taps));
    const attrs = {
      ...node.attrs,
      padTop: rows.before,
      padBottom: rows.after,
      padLeft: columns.before,
      padRight: columns.after,
    };
    return { ...node, inputs, attrs };
  });
  return { ...graph, tensors, nodes };
}

/** The rows and columns of the window that have a nonzero weight. */
function usedTaps([, kernelH = 0, kernelW = 0, last = 1]: readonly number[], data: Int8Array) {
  const isRowUsed = new Array<boolean>(kernelH).fill(false);
  const isColumnUsed = new Array<boolean>(kernelW).fill(false);
  data.forEach((weight, i) => {
    if (weight === 0) return;
    const tap = Math.floor(i / last) % (kernelH * kernelW);
    isRowUsed[Math.floor(tap / kernelW)] = true;
    isColumnUsed[tap % kernelW] = true;
  });
  return { isRowUsed, isColumnUsed };
}

/** One axis of a window. */
interface WindowAxis {
  /** Extent of the image. */
  readonly input: number;
  readonly stride: number;
  readonly dilation: number;
  /** Padding on either side. */
  readonly before: number;
  readonly after: number;
}

interface Trimmed extends Pick<WindowAxis, 'before' | 'after'> {
  /** The taps that stay, consecutive. */
  readonly taps: readonly number[];
}

/**
 * The shortest piece of the window that has all used taps and at least `least` taps, keeps the
 * remaining taps in place and keeps the number of outputs. On a tie the piece nearest to the
 * middle.
 */
function trim(isUsed: readonly boolean[], least: number, axis: WindowAxis): Trimmed {
  const { input, stride, dilation, before, after } = axis;
  const kernel = isUsed.length;
  const outputs = (taps: number, padBefore: number, padAfter: number) =>
    outputExtent(input, taps, stride, dilation, padBefore, padAfter);
  const wanted = outputs(kernel, before, after);
  const firstUsed = isUsed.indexOf(true);
  const latest = Math.min(Math.floor(before / dilation), firstUsed < 0 ? kernel : firstUsed);
  let best = { first: 0, end: kernel, before, after };
  const middle = ({ first, end }: typeof best) => Math.abs(first + end - kernel);
  for (let first = 0; first <= latest; first += 1) {
    for (let end = Math.max(first + least, isUsed.lastIndexOf(true) + 1); end <= kernel; end += 1) {
      const left = before - first * dilation;
      const right = Math.max(0, after - (kernel - end) * dilation);
      if (outputs(end - first, left, right) !== wanted) continue;
      const one = { first, end, before: left, after: right };
      const shorter = best.end - best.first - (end - first);
      if (shorter > 0 || (shorter === 0 && middle(one) < middle(best))) best = one;
    }
  }
  const taps = Array.from({ length: best.end - best.first }, (_, i) => best.first + i);
  return { taps, before: best.before, after: best.after };
}
