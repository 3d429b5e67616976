/** Weights as positions and values: what is written is read, and kernels compute with it. */

import { expect } from 'chai';
import { type Module, mainGraph, viewOf } from '../../../src/compiler/ir/graph.js';
import { decode, encode, type PackedChoice } from '../../../src/compiler/kernels/encoding/index.js';
import { packedChoices } from '../../../src/compiler/kernels/encoding/packed.js';
import type { WeightRows } from '../../../src/compiler/kernels/encoding/positions.js';
import { matchesOf } from '../../../src/compiler/kernels/index.js';
import { expectSameBitsOnBoard } from '../../support/board.js';
import { Random } from '../../support/module.js';
import { expectSameBits } from '../../support/native.js';
import { contextOf, defaults } from '../../support/plan.js';
import { prunedLayer, prunedModule, prunedWeights } from '../../support/pruned.js';
import { fused, isFused, randomSum } from '../../support/residual.js';

/** What becomes of the weights that are kept. */
const valueKinds: Readonly<Record<string, (random: Random, weight: number) => number>> = {
  'all of int8': (_random, weight) => weight,
  'four bits': (random) => random.integer(-8, 7) || 1,
  'four values far apart': (random) => random.pick([-128, -3, 40, 127]),
  'one value': () => -128,
  'mostly small': (random) =>
    random.integer(0, 5) > 0 ? random.pick([-1, 1]) : random.integer(-128, 127) || 1,
};
const valueNames = Object.keys(valueKinds);

function withValues(data: Int8Array, random: Random, kind: string): Int8Array {
  return data.map((weight) => (weight === 0 ? 0 : (valueKinds[kind]?.(random, weight) ?? weight)));
}

function nameOf({ positions, values }: PackedChoice): string {
  const every = positions.kind === 'groups' && positions.size === 1;
  return `${every ? 'every' : positions.kind} ${values.kind}`;
}

/** A layer of every pattern and density in turn, its weights of one kind. */
function layerOf(op: 'conv2d' | 'fully_connected', seed: number): Module {
  const module = prunedLayer(op, seed);
  const graph = mainGraph(module);
  const weights = graph.nodes[0]?.inputs[1] ?? -1;
  const random = new Random(seed);
  const kind = valueNames[seed % valueNames.length] as string;
  const tensors = graph.tensors.map((tensor, id) =>
    id === weights
      ? { ...tensor, data: withValues(tensor.data as Int8Array, random, kind) }
      : tensor,
  );
  return { ...module, graphs: [{ ...graph, tensors }] };
}

function isComputedBy(module: Module, kernel: string): boolean {
  const graph = mainGraph(module);
  const [node] = graph.nodes;
  if (node === undefined) return false;
  const context = contextOf({ target: 'host', options: defaults });
  return matchesOf(viewOf(graph, node), context, (each) => each.template === kernel).length > 0;
}

const seeds = Array.from({ length: 280 }, (_, i) => i + 1);

describe('packed weights', () => {
  it('are read as they were written, in every form', () => {
    const met = new Set<string>();
    for (const seed of seeds) {
      const random = new Random(seed);
      const [channels, depth] = [random.integer(1, 20), random.integer(1, 40) * 4];
      const all = prunedWeights(random, [channels, 1, 1, depth], seed);
      const kind = random.pick(valueNames);
      const layer: WeightRows = { data: withValues(all, random, kind), channels, depth };
      for (const form of packedChoices(layer, true)) {
        const name = nameOf(form);
        met.add(name);
        const encoded = encode(layer, form);
        expect(decode(encoded, form, layer), `seed ${seed}, ${name}`).to.deep.equal(layer.data);
        const { positions, values } = form;
        const tables = [
          positions.kind === 'blocks' ? positions.starts.byteLength : 0,
          values.kind === 'palette' ? values.entries.length : 0,
          values.kind === 'coded' ? values.code.classes.length + values.code.values.length : 0,
          encoded.fields.byteLength + encoded.values.byteLength,
        ];
        const bytes = tables.reduce((sum, each) => sum + each, 0);
        expect(form.bytes, `seed ${seed}, ${name}: bytes`).to.equal(bytes);
      }
    }
    const kinds = ['every', 'gaps', 'blocks', 'groups'].flatMap((positions) =>
      ['bytes', 'range', 'palette', 'coded'].map((values) => `${positions} ${values}`),
    );
    expect([...met].sort()).to.deep.equal(kinds.sort());
  });

  const rows = [
    { edge: 'none at all', data: new Int8Array(600) },
    { edge: 'one, the last', data: Int8Array.from({ length: 600 }, (_, i) => (i === 599 ? 7 : 0)) },
    { edge: 'one, the first', data: Int8Array.from({ length: 600 }, (_, i) => (i === 0 ? -1 : 0)) },
    { edge: 'no zeros', data: new Int8Array(600).fill(-128) },
    { edge: 'gaps of just what a field holds', data: everyNth(600, 8) },
    { edge: 'gaps of one more', data: everyNth(600, 9) },
    { edge: 'more taps than 16 bits count', data: everyNth(6 * 65_540, 10) },
  ];
  for (const { edge, data } of rows) {
    it(`of a layer: ${edge}`, () => {
      const layer = { data, channels: 6, depth: data.length / 6 };
      for (const form of packedChoices(layer, true)) {
        expect(decode(encode(layer, form), form, layer), nameOf(form)).to.deep.equal(data);
      }
    });
  }
});

function everyNth(length: number, n: number): Int8Array {
  return Int8Array.from({ length }, (_, i) => (i % n === n - 1 ? 5 : 0));
}

for (const kernel of ['portable/conv2d_packed', 'portable/conv2d_coded']) {
  describe(`kernel ${kernel}`, () => {
    const modules = (['conv2d', 'fully_connected'] as const).flatMap((op) =>
      seeds
        .filter((seed) => seed % 3 === 0)
        .map((seed) => layerOf(op, seed))
        .filter((module) => isComputedBy(module, kernel)),
    );
    const part = modules.filter((_, i) => i % 5 === 0);

    it('gives the bits of evaluate in C', () => {
      expect(modules.length).to.be.greaterThan(20);
      return expectSameBits(modules, { kernel });
    });
    it('does so in the memory of the input, with a function for each shape', () =>
      expectSameBits(part, { kernel, overlap: true, optimize: 'speed' }));
    it('needs the lead that it names', async () => {
      let error: unknown;
      await expectSameBits(modules, { kernel, overlap: 'too near' }).catch((thrown) => {
        error = thrown;
      });
      expect(String(error)).to.match(/in C, .* by evaluate/);
    });
    it('does so on the simulated RP2040', () =>
      expectSameBitsOnBoard(part, 'rp2040', { kernel, optimize: 'size' }));
  });
}

it('packed kernels add residuals', () => {
  const sums = seeds.slice(0, 90).flatMap((seed) => {
    const module = fused(randomSum(new Random(seed), 'conv2d', [1, 5, 4, 8]));
    return isFused(module) ? [prunedModule(module, seed)] : [];
  });
  const kernel = 'portable/conv2d_packed';
  const mine = sums.filter((module) => isComputedBy(module, kernel));
  expect(mine.length).to.be.greaterThan(20);
  return expectSameBits(mine, { kernel, overlap: true });
});
