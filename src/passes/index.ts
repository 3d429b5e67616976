/** Every pass, in the order in which they run. */
import { checkModule } from '../ir/check.js';
import type { Module } from '../ir/graph.js';
import { operators } from '../ops/index.js';
import { composeLookups } from './compose-lookups.js';
import { depthwiseToConvolution } from './depthwise-to-convolution.js';
import { dropReshapes } from './drop-reshapes.js';
import { dropUnusedTensors } from './drop-unused-tensors.js';
import { foldConstants } from './fold-constants.js';
import { foldZeroPoints } from './fold-zero-points.js';
import { fuseActivations } from './fuse-activations.js';
import { fusePads } from './fuse-pads.js';
import { fuseResiduals } from './fuse-residuals.js';
import { orderChannels } from './order-channels.js';
import { removeDeadChannels } from './remove-dead-channels.js';
import { removeDeadNodes } from './remove-dead-nodes.js';
import { eachGraph } from './rewrite.js';
import { trimWindows } from './trim-windows.js';

/** A function from a module to one that gives the same bits on every tensor that it still has. */
export interface Pass {
  readonly name: string;
  /** Why it runs, and why here. */
  readonly why: string;
  /** Keeps every source operator, reading and writing the tensors that it did. */
  readonly faithful: boolean;
  run(module: Module): Module;
}

export const passes: readonly Pass[] = [
  {
    name: 'fold-constants',
    why: 'first: the others look for weights and biases among constants',
    faithful: false,
    run: eachGraph(foldConstants),
  },
  {
    name: 'drop-reshapes',
    why: 'before dead nodes go: a reshape that nobody reads any more is one',
    faithful: false,
    run: eachGraph(dropReshapes),
  },
  {
    name: 'remove-dead-nodes',
    why: 'before fusing: a reader that no output needs would keep a tensor from being absorbed',
    faithful: false,
    run: eachGraph(removeDeadNodes),
  },
  {
    name: 'fuse-activations',
    why: 'one pass over the data less, and one tensor',
    faithful: false,
    run: eachGraph(fuseActivations),
  },
  {
    name: 'compose-lookups',
    why: 'after fused clamps: those cost nothing, so they are no look-ups any more',
    faithful: false,
    run: eachGraph(composeLookups),
  },
  {
    name: 'fuse-pads',
    why: 'the padded copy would be the largest tensor of its neighbourhood',
    faithful: false,
    run: eachGraph(fusePads),
  },
  {
    name: 'depthwise-to-convolution',
    why: 'before dead channels: those of a convolution go one by one; before sums become part of it',
    faithful: false,
    run: eachGraph(depthwiseToConvolution),
  },
  {
    name: 'remove-dead-channels',
    why: 'after fused clamps and pads: they make channels constant and windows reach the padding',
    faithful: false,
    run: eachGraph((graph) => removeDeadChannels(graph)),
  },
  {
    name: 'order-channels',
    why: 'after dead channels, whose removal moves all others out of the blocks that pruning left',
    faithful: false,
    run: eachGraph(orderChannels),
  },
  {
    name: 'trim-windows',
    why: 'after pads are fused, since it takes from the padding, and dead channels, whose taps may be the last',
    faithful: false,
    run: eachGraph(trimWindows),
  },
  {
    name: 'fuse-residuals',
    why: 'after dead channels: the channels of a fused sum stay; the sum takes no memory of its own',
    faithful: false,
    run: eachGraph(fuseResiduals),
  },
  {
    name: 'fold-zero-points',
    why: 'after whatever changes weights, padding or biases: the sum over the weights is final',
    faithful: true,
    run: eachGraph(foldZeroPoints),
  },
  {
    name: 'drop-unused-tensors',
    why: 'last: it renumbers, so nothing later has to skip holes',
    faithful: true,
    run: dropUnusedTensors,
  },
];

/**
 * Runs the passes in order and checks the IR after each.
 *
 * @param observe called with each pass's name and result (`--dump`)
 * @throws InternalError naming the pass that broke the IR
 */
export function runPasses(
  module: Module,
  { faithful }: { readonly faithful: boolean },
  observe: (pass: string, module: Module) => void = () => {},
): Module {
  return passes
    .filter((pass) => pass.faithful || !faithful)
    .reduce((before, pass) => {
      const after = pass.run(before);
      checkModule(after, operators, pass.name);
      observe(pass.name, after);
      return after;
    }, module);
}
