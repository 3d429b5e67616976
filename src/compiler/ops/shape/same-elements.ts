/** Shared by reshape, squeeze and expand_dims: the same elements in another shape. */
import { BonsaiError } from '../../../errors.js';
import { at, elementCount, type Node, type NodeView, type Shape } from '../../ir/graph.js';
import { type Moving, movement } from './movement.js';
import { inputOf } from './operands.js';

export interface SameElementsAttrs {
  /** The output's shape, all extents explicit. */
  readonly shape: Shape;
}

/**
 * The integers are copied as they are, whatever the quantization of the two tensors (as in both
 * runtimes). A plan that places output and input at one address needs no step for it.
 */
export function sameElements(name: string): Moving<SameElementsAttrs> {
  return movement<SameElementsAttrs>({
    name,
    infer: (view) => [shapeOf(view)],
    moves: (view) => {
      const extent = elementCount(shapeOf(view));
      const loops = [{ extent, inStride: 1, outStride: 1 }];
      return [{ input: 0, output: 0, inOffset: 0, outOffset: 0, loops }];
    },
    inPlace: true,
  });
}

const names: ReadonlySet<string> = new Set(['reshape', 'squeeze', 'expand_dims']);

/** Whether output 0 has exactly the elements of input 0, in the same order. */
export function isReshape(node: Pick<Node<object>, 'op'>): boolean {
  return names.has(node.op);
}

function shapeOf(view: NodeView<SameElementsAttrs>): Shape {
  const { shape } = view.attrs;
  const input = inputOf(view, 0);
  if (elementCount(shape) === elementCount(input.shape)) return shape;
  throw new BonsaiError(
    'bad-shape',
    at(view.node),
    `[${input.shape}] has not as many elements as [${shape}]`,
    'convert the model again',
  );
}
