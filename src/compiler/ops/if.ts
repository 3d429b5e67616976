/** if (IF): runs one of two graphs. */
import type { OpDef } from '../ir/op.js';
import {
  graphsOf,
  inputsOf,
  outputsOf,
  owner,
  requireAlike,
  requireCondition,
} from './shape/graphs.js';

/** Input 0 is the condition; the others are the inputs of both graphs: then, else. */
export type IfAttrs = Readonly<Record<string, never>>;

export const branch = {
  ...owner,
  name: 'if',
  infer: (view) => view.outputs.map(({ shape }) => shape),
  check(view) {
    const [condition, ...inputs] = view.inputs;
    requireCondition(view, condition);
    graphsOf(view, 2).forEach((graph, i) => {
      const what = `${['then', 'else'][i]} branch`;
      requireAlike(view, `the inputs of its ${what}`, inputs, inputsOf(graph));
      requireAlike(view, `the outputs of its ${what}`, view.outputs, outputsOf(graph));
    });
  },
} satisfies OpDef<IfAttrs>;
