/** assign (ASSIGN_VARIABLE): the new value of a state. */
import { BonsaiError } from '../../errors.js';
import { at, elementCount } from '../ir/graph.js';
import { type Moving, movement } from './shape/movement.js';
import { inputOf } from './shape/operands.js';

/** Input 0 is the state, input 1 its new value; output 0 is the state after it. */
const copying = movement<Record<never, never>>({
  name: 'assign',
  infer(view) {
    const [{ shape }, value] = [inputOf(view, 0), inputOf(view, 1)];
    if (shape.join() === value.shape.join()) return [shape];
    throw new BonsaiError(
      'bad-shape',
      at(view.node),
      `assigns [${value.shape}] to a state of [${shape}]`,
      'convert the model again',
    );
  },
  moves: (view) => {
    const extent = elementCount(inputOf(view, 0).shape);
    const loops = [{ extent, inStride: 1, outStride: 1 }];
    return [{ input: 1, output: 0, inOffset: 0, outOffset: 0, loops }];
  },
});

export const assign = { ...copying, changesState: true } satisfies Moving;
