/** The facts proved about each layer, for `inspect`. */
import { type Graph, type NodeView, viewOf } from '../ir/graph.js';
import type { ChannelBounds, Facts } from '../ir/op.js';
import {
  type AccumulationAttrs,
  type OutputStage,
  outputStage,
} from '../ops/arithmetic/accumulation.js';
import { constantOf, hullOf, rangeAt } from '../ops/arithmetic/bounds.js';
import { isTieFree } from '../ops/arithmetic/thresholds.js';
import { rowStage } from '../ops/fully_connected.js';
import { opOf } from '../ops/index.js';
import { analyse } from './index.js';

export interface LayerProof {
  readonly op: string;
  readonly name: string;
  /** Indices of the source operators. */
  readonly ops: readonly number[];
  /**
   * Output channels; those that always hold one value; those left after dead channels are removed.
   */
  readonly channels: number;
  readonly constantChannels: number;
  readonly liveChannels: number;
  readonly macs: number;
  readonly liveMacs: number;
  /** The least and the greatest value stored in any live channel. */
  readonly range: readonly [min: number, max: number];
  /** null if the layer accumulates nothing. */
  readonly accumulator: AccumulatorProof | null;
}

export interface AccumulatorProof {
  /** Width of the narrowest signed integer that holds every accumulator. */
  readonly bits: number;
  /** Channels whose requantization never meets a tie: one rounding shift gives the exact bits. */
  readonly tieFreeChannels: number;
}

/**
 * @param before the graph before dead channels are removed
 * @param after  the same nodes without dead channels; `before` again where none are removed
 */
export function proofsOf(before: Graph, after: Graph): readonly LayerProof[] {
  const [factsBefore, facts] = [analyse(before), analyse(after)];
  return before.nodes.flatMap((node, index): LayerProof[] => {
    const left = after.nodes[index];
    const view = viewOf(before, node);
    const [output] = view.outputs;
    if (left === undefined || output?.dtype !== 'int8') return [];
    const liveView = viewOf(after, left);
    const range = factsBefore.range(output);
    const liveRange = facts.range(liveView.outputs[0] ?? output);
    const channels = range.min.length;
    const isConstant = (channel: number) => constantOf(range, channel) !== null;
    return [
      {
        op: [node.op, ...node.fused].join('+'),
        name: node.name,
        ops: node.ops,
        channels,
        constantChannels: [...range.min.keys()].filter(isConstant).length,
        liveChannels: liveRange.min.length,
        macs: opOf(node).macs(view),
        liveMacs: opOf(left).macs(liveView),
        range: hullOf(liveRange),
        accumulator: accumulatorProof(liveView, facts),
      },
    ];
  });
}

function accumulatorProof(view: NodeView, facts: Facts): AccumulatorProof | null {
  if (opOf(view.node).accumulator === undefined) return null;
  const bounds = facts.accumulator(view);
  const stage = stageOfNode(view as NodeView<object> as NodeView<AccumulationAttrs>, bounds);
  const tieFree = [...bounds.min.keys()].filter((channel) =>
    isTieFree(stage, channel, ...rangeAt(bounds, channel)),
  );
  const [low, high] = hullOf(bounds);
  // Two's complement: −2^n needs no more bits than 2^n − 1.
  const magnitude = Math.max(high, -low - 1);
  return { bits: Math.ceil(Math.log2(magnitude + 1)) + 1, tieFreeChannels: tieFree.length };
}

function stageOfNode(view: NodeView<AccumulationAttrs>, { min }: ChannelBounds): OutputStage {
  if (view.node.op === 'fully_connected') return rowStage(view);
  return outputStage(view, min.length, 'per-channel');
}
