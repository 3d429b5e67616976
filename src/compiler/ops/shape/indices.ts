/** Indices that are constants of the model. */
import { BonsaiError } from '../../../errors.js';
import { at, isInteger, type NodeView } from '../../ir/graph.js';
import { inputOf } from './operands.js';

/**
 * The elements of input `position`, which index dimensions of the given extents in turn.
 *
 * @throws BonsaiError 'unsupported-attribute' if they are computed, 'unsupported-type' if they are floats,
 *   'bad-shape' if one is outside
 */
export function constantIndices(
  view: NodeView<object>,
  position: number,
  extents: readonly number[],
): readonly number[] {
  const { data, dtype, name } = inputOf(view, position);
  if (!isInteger(dtype)) throw wrongType(view, name, dtype);
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

/**
 * Refuses indices that are no int32, and computed ones of int64.
 *
 * @throws BonsaiError 'unsupported-type'
 */
export function requireIndexType(view: NodeView<object>, position: number): void {
  const { dtype, data, name } = inputOf(view, position);
  if (dtype === 'int32' || (dtype === 'int64' && data !== null)) return;
  throw wrongType(view, name, dtype);
}

function wrongType({ node }: NodeView<object>, name: string, dtype: string): BonsaiError {
  const message = `its indices "${name}" are ${dtype}, must be int32`;
  return new BonsaiError('unsupported-type', at(node), message, 'cast them to int32 in the model');
}
