/**
 * What computes a step: a kernel for all of it, or for two halves that run at the same time.
 *
 * Halves run on two cores in any order and interleaving, so neither may write what the other reads
 * or writes, scratch included. `conflictOf` checks a placement for that.
 */

import { byteCount, type NodeView, type Tensor } from '../../ir/graph.js';
import type { ChannelBounds, Facts } from '../../ir/op.js';
import { halvesOfNode } from '../../kernels/halves.js';
import type {
  Half,
  KernelContext,
  MatchedKernel,
  Overlap,
  VariantTraits,
} from '../../kernels/variant.js';
import { aligned } from '../arena/arena.js';
import { type KernelMemory, kernelMemory } from '../arena/lifetimes.js';

/** A step, or half of it. */
export interface Portion extends Omit<Half, 'firstChannel'> {
  /** The facts and options that kernels are given. */
  readonly context: KernelContext;
}

/** A portion and the kernel that computes it. */
export interface Part extends Portion {
  readonly kernel: MatchedKernel;
}

/** A kernel that computes all parts of a step. */
export interface Implementation {
  readonly variant: VariantTraits;
  /** One for the whole step, or two halves. */
  readonly parts: readonly Part[];
}

/** The whole step. */
export function wholeOf(view: NodeView, context: KernelContext): Portion {
  return { view, context, inputBytes: view.inputs.map(() => 0), outputBytes: 0 };
}

/** The halves of a step; null if its operator has none. */
export function halvesOf(view: NodeView, context: KernelContext): readonly Portion[] | null {
  const halves = halvesOfNode(view);
  if (halves === null) return null;
  return halves.map(({ firstChannel, ...half }) => {
    const facts = factsOf(half.view, view, firstChannel, context.facts);
    return { ...half, context: { ...context, facts } };
  });
}

/** What is proved for all elements of a node holds for some of them. */
function factsOf(half: NodeView, whole: NodeView, firstChannel: number, facts: Facts): Facts {
  const slice = ({ min, max }: ChannelBounds, channels: number): ChannelBounds => {
    if (min.length === channels) return { min, max };
    const end = firstChannel + channels;
    return { min: min.slice(firstChannel, end), max: max.slice(firstChannel, end) };
  };
  const originals = new Map<Tensor | null, Tensor | null>([
    ...half.inputs.map((tensor, i) => [tensor, whole.inputs[i] ?? null] as const),
    ...half.outputs.map((tensor, i) => [tensor, whole.outputs[i] ?? null] as const),
  ]);
  return {
    range: (tensor) =>
      slice(facts.range(originals.get(tensor) ?? tensor), tensor.shape.at(-1) ?? 1),
    accumulator: (view) =>
      view.node === half.node
        ? slice(facts.accumulator(whole), half.outputs[0]?.shape.at(-1) ?? 1)
        : facts.accumulator(view),
  };
}

/** What all parts together do to memory. Their scratch areas lie one after the other. */
export function memoryOf({ parts }: Implementation): KernelMemory {
  const memories = parts.map(({ view, kernel }) => kernelMemory(view, kernel));
  const [first, second] = memories;
  if (first === undefined || second === undefined) return first ?? nothing;
  return {
    scratchBytes: first.scratchBytes + second.scratchBytes,
    overlaps: overlapsOf(parts, memories),
  };
}

const nothing: KernelMemory = { scratchBytes: 0, overlaps: [] };

/**
 * Where the output of two halves may lie on an input. Let it begin `lead` bytes before the input.
 * The second half, whose output begins at w2 and input at r2, must not write what the first one
 * reads, up to e1: lead + e1 ≤ w2. The first half writes up to w2, which must lie before what the
 * second reads: w2 ≤ lead + r2. So a lead exists only if the halves' inputs have nothing in common;
 * all possible leads are equally good, so the highest is used. It must suit each half's kernel.
 */
function overlapsOf(parts: readonly Part[], memories: readonly KernelMemory[]): readonly Overlap[] {
  const [first, second] = parts;
  if (first === undefined || second === undefined) return [];
  return (memories[0]?.overlaps ?? []).flatMap(({ input }) => {
    const end = first.view.inputs[input] ?? null;
    const lead = second.outputBytes - (end === null ? 0 : byteCount(end));
    const isApart = second.outputBytes <= lead + (second.inputBytes[input] ?? 0);
    const suits = parts.every((part, i) => {
      const own = lead + (part.inputBytes[input] ?? 0) - part.outputBytes;
      const overlap = memories[i]?.overlaps.find((other) => other.input === input);
      return overlap !== undefined && (overlap.exact ? own === overlap.lead : own >= overlap.lead);
    });
    return isApart && suits ? [{ input, lead, exact: true }] : [];
  });
}

/** Bytes of the arena, from `begin` to before `end`. */
export interface ByteRange {
  readonly begin: number;
  readonly end: number;
}

/** The bytes of the arena that a part touches while it runs. */
export interface Accesses {
  readonly reads: readonly ByteRange[];
  /** Its output, and its scratch, which it also reads. */
  readonly writes: readonly ByteRange[];
}

/** The places of a step's tensors and scratch. */
export interface StepPlaces {
  /** Offset of each input in the arena; null for constants and absent inputs. */
  readonly inputs: readonly (number | null)[];
  readonly output: number;
  readonly scratch: number;
}

/** The accesses of each part of an implementation. */
export function accessesOf({ parts }: Implementation, places: StepPlaces): readonly Accesses[] {
  const scratches = scratchOffsets(parts);
  return parts.map(({ view, kernel, inputBytes, outputBytes }, i) => {
    const bytesFrom = (begin: number, bytes: number) => ({ begin, end: begin + bytes });
    const reads = view.inputs.flatMap((tensor, input) => {
      const place = places.inputs[input] ?? null;
      return tensor === null || place === null
        ? []
        : [bytesFrom(place + (inputBytes[input] ?? 0), byteCount(tensor))];
    });
    const output = byteCount(view.outputs[0] as Tensor);
    const scratch = scratches[i] ?? null;
    return {
      reads,
      writes: [
        bytesFrom(places.output + outputBytes, output),
        ...(scratch === null ? [] : [bytesFrom(places.scratch + scratch, kernel.scratchBytes)]),
      ],
    };
  });
}

/** Where each part's scratch begins in the step's scratch; null if the part has none. */
export function scratchOffsets(parts: readonly Part[]): readonly (number | null)[] {
  let end = 0;
  return parts.map(({ kernel: { scratchBytes } }) => {
    if (scratchBytes === 0) return null;
    const begin = end;
    end += aligned(scratchBytes);
    return begin;
  });
}

/** Bytes that one part writes and the other reads or writes; null if there are none. */
export function conflictOf(a: Accesses, b: Accesses): ByteRange | null {
  const common = (one: readonly ByteRange[], other: readonly ByteRange[]) =>
    one.flatMap((x) =>
      other.flatMap((y) => {
        const shared = { begin: Math.max(x.begin, y.begin), end: Math.min(x.end, y.end) };
        return shared.begin < shared.end ? [shared] : [];
      }),
    );
  const all = [...common(a.writes, [...b.reads, ...b.writes]), ...common(b.writes, a.reads)];
  return all[0] ?? null;
}
