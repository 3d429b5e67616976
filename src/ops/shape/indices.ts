/** Indices that are constants of the model. */
import { BonsaiError } from '../../errors.js';
import { at, type NodeView } from '../../ir/graph.js';
import { inputOf } from './operands.js';

/**
 * The elements of input `position`, which index dimensions of the given extents in turn.
 *
 * @throws BonsaiError 'unsupported-attribute' if they are computed, 'bad-shape' if one is outside
 */
export function constantIndices(
  view: NodeView<object>,
  position: number,
  extents: readonly number[],
): readonly number[] {
  const { data, name } = inputOf(view, position);
  if (data === null) {
    throw new BonsaiError(
      'unsupported-attribute',
      at(view.node),
      `its indices "${name}" are computed, only constant ones are supported`,
      'choose the elements in the application: end the network before it, or begin it there',
    );
  }
  const indices = Array.from(data, Number);
  const wrong = indices.find((index, i) => {
    const extent = extents[i % extents.length] as number;
    return !(index >= 0 && index < extent);
  });
  if (wrong === undefined) return indices;
  throw new BonsaiError(
    'bad-shape',
    at(view.node),
    `index ${wrong} is outside an extent of [${extents}]`,
    'convert the model again',
  );
}
