/** Every pass, in the order in which they run. */
import { checkModule } from '../ir/check.js';
import type { Module } from '../ir/graph.js';
import { inStateOrder } from '../ir/order.js';
import { flattened } from '../ops/flatten.js';
import { operators } from '../ops/index.js';
import { composeLookups } from './compose-lookups.js';
import { convolutionToRow } from './convolution-to-row.js';
import { depthwiseToConvolution } from './depthwise-to-convolution.js';
import { dropReshapes } from './drop-reshapes.js';
import { dropUnusedTensors } from './drop-unused-tensors.js';
import { foldConstants } from './fold-constants.js';
import { foldZeroPoints } from './fold-zero-points.js';
import { fuseActivations } from './fuse-activations.js';
import { fusePads } from './fuse-pads.js';
import { fuseResiduals } from './fuse-residuals.js';
import { fuseWindows } from './fuse-windows.js';
import { orderChannels } from './order-channels.js';
import { removeDeadChannels } from './remove-dead-channels.js';
import { removeDeadNodes } from './remove-dead-nodes.js';
import { eachGraph } from './rewrite.js';
import { transposeConvToConvolutions } from './transpose-conv-to-convolutions.js';
import { trimWindows } from './trim-windows.js';

/** A function from a module to a new one with the same bits in every tensor that it keeps. */
export interface Pass {
  readonly name: string;
  /** Why it runs, and why here. */
  readonly why: string;
  /** Whether every source operator stays and reads and writes the same tensors (`--faithful`). */
  readonly faithful: boolean;
  run(module: Module): Module;
}

export const passes: readonly Pass[] = [
  {
    name: 'fold-constants',
    why: 'first: the other passes look for weights and biases among the constants',
    faithful: false,
    run: eachGraph(foldConstants),
  },
  {
    name: 'drop-reshapes',
    why: 'before remove-dead-nodes: a reshape that lost its readers is a dead node',
    faithful: false,
    run: eachGraph(dropReshapes),
  },
  {
    name: 'remove-dead-nodes',
    why: 'before fusing: a second reader, even a dead one, keeps a tensor from being absorbed',
    faithful: false,
    run: eachGraph(removeDeadNodes),
  },
  {
    name: 'fuse-windows',
    why: 'after remove-dead-nodes, which takes other readers of the window; saves two copies of it',
    faithful: false,
    run: eachGraph(fuseWindows),
  },
  {
    name: 'fuse-activations',
    why: 'saves a pass over the data and a tensor',
    faithful: false,
    run: eachGraph(fuseActivations),
  },
  {
    name: 'compose-lookups',
    why: 'after fuse-activations: a fused clamp costs nothing, a composed look-up costs a table',
    faithful: false,
    run: eachGraph(composeLookups),
  },
  {
    name: 'fuse-pads',
    why: 'the padded copy would often be the largest tensor around',
    faithful: false,
    run: eachGraph(fusePads),
  },
  {
    name: 'transpose-conv-to-convolutions',
    why: 'after fuse-activations, which fuses into the one node; the next passes know convolutions',
    faithful: false,
    run: eachGraph(transposeConvToConvolutions),
  },
  {
    name: 'depthwise-to-convolution',
    why: 'before remove-dead-channels, which takes single channels from a convolution alone',
    faithful: false,
    run: eachGraph(depthwiseToConvolution),
  },
  {
    name: 'remove-dead-channels',
    why: 'after activations and pads are fused: clamps make channels constant, pads add padding',
    faithful: false,
    run: eachGraph((graph) => removeDeadChannels(graph)),
  },
  {
    name: 'order-channels',
    why: 'after remove-dead-channels, which moves the other channels out of the blocks of pruning',
    faithful: false,
    run: eachGraph(orderChannels),
  },
  {
    name: 'trim-windows',
    why: 'after fuse-pads, whose padding it reduces, and remove-dead-channels, which empties taps',
    faithful: false,
    run: eachGraph(trimWindows),
  },
  {
    name: 'convolution-to-row',
    why: 'after trim-windows, which makes some windows 1×1',
    faithful: false,
    run: eachGraph(convolutionToRow),
  },
  {
    name: 'fuse-residuals',
    why: 'after remove-dead-channels: a fused sum keeps all channels; saves the tensor of the sum',
    faithful: false,
    run: eachGraph(fuseResiduals),
  },
  {
    name: 'fold-zero-points',
    why: 'after all passes that change weights, padding or biases: the sum of the weights is final',
    faithful: true,
    run: eachGraph(foldZeroPoints),
  },
  {
    name: 'drop-unused-tensors',
    why: 'after all passes that change nodes: it renumbers the tensors',
    faithful: true,
    run: eachGraph(dropUnusedTensors),
  },
  {
    name: 'flatten',
    why: 'last: the other passes treat a node with graphs as one whose inside they do not see',
    faithful: true,
    run: (module) => ({ ...module, graphs: module.graphs.map(flattened) }),
  },
];

function inOrder(after: Module, before: Module): Module {
  const graphs = after.graphs.map(inStateOrder);
  return graphs.every((graph) => graph !== null) ? { ...after, graphs } : before;
}

/**
 * Runs the passes in order and checks the IR after each. A pass may move reads of a state behind
 * its change: the nodes are ordered again, and where that is impossible the graph stays as it was.
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
      const after = inOrder(pass.run(before), before);
      checkModule(after, operators, pass.name);
      observe(pass.name, after);
      return after;
    }, module);
}
