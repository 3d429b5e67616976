/** Weights coded in pairs: what is written is read, and the kernel computes with it. */

import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import { qemuCommand } from '../../../src/boards/device/qemu.js';
import { type Module, mainGraph, type Node, viewOf } from '../../../src/compiler/ir/graph.js';
import { pairCodes, pairTable } from '../../../src/compiler/kernels/encoding/pair-code.js';
import {
  decodePairs,
  encodePairs,
  pairChoice,
} from '../../../src/compiler/kernels/encoding/pairs.js';
import type { WeightRows } from '../../../src/compiler/kernels/encoding/positions.js';
import { matchesOf } from '../../../src/compiler/kernels/index.js';
import { expectSameBitsOnBoard } from '../../support/board.js';
import { GraphBuilder, perTensorQuant, Random } from '../../support/module.js';
import { expectSameBits } from '../../support/native.js';
import { contextOf, defaults, simplePlan } from '../../support/plan.js';
import { runs } from '../../support/runs.js';
import { needs } from '../../support/skip.js';

const kernel = 'portable/fully_connected_coded';

/** Weights of one row, by what is unlike a bell about them. */
const draws: Readonly<Record<string, (random: Random) => number>> = {
  'one value': () => -128,
  'all of int8, alike': (random) => random.integer(-128, 127),
  'a narrow bell': (random) => random.integer(-1, 1) + random.integer(-1, 1),
  'a wide bell': (random) => [0, 0, 0, 0].reduce((sum) => sum + random.integer(-16, 15), 0),
  'mostly zero': (random) => (random.integer(0, 20) > 0 ? 0 : random.integer(-128, 127)),
  'small, but for a few': (random) =>
    random.integer(0, 200) > 0 ? random.integer(-3, 3) : random.pick([-128, 127]),
  'ends of int8': (random) => random.pick([-128, 127]),
};
const drawNames = Object.keys(draws);

/** Rows of any kinds side by side. */
function layerOf(random: Random, channels: number, depth: number): WeightRows {
  const data = new Int8Array(channels * depth);
  for (let channel = 0; channel < channels; channel += 1) {
    const draw = draws[random.pick(drawNames)] as (random: Random) => number;
    for (let tap = 0; tap < depth; tap += 1) data[channel * depth + tap] = draw(random);
  }
  return { data, channels, depth };
}

/** Encodes, decodes, and compares sizes too. */
function expectKept(layer: WeightRows, what: string): void {
  const form = pairChoice(layer);
  const encoded = encodePairs(layer, form);
  expect(decodePairs(encoded, layer), what).to.deep.equal(layer.data);
  const { heads, codes, lows } = encoded;
  expect(form.bytes, `${what}: bytes`).to.equal(
    heads.byteLength + codes.byteLength + lows.byteLength,
  );
  expect(form.words, `${what}: words`).to.equal(lows.length);
}

describe('a code of pairs', () => {
  it('has a table that tells every pair, whatever follows it', () => {
    const table = pairTable();
    expect(pairCodes).to.have.length(64);
    for (const { pair, code, bits } of pairCodes) {
      for (let behind = 0; behind < 1 << (8 - bits); behind += 1) {
        const entry = table[code | (behind << bits)] as number;
        expect(entry & 255).to.equal(bits);
        expect([(entry << 16) >> 29, entry >> 29]).to.deep.equal(pair);
      }
    }
  });

  it('is the one that kernels have', () => {
    const text = readFileSync('templates/kernels/portable/support/coded_pairs.hbs', 'utf8');
    const words = [...text.matchAll(/0x[0-9a-f]{8}u,/g)].map(([word]) => Number.parseInt(word, 16));
    expect(words).to.deep.equal([...pairTable()]);
  });
});

describe('weights in pairs', () => {
  it('are read as they were written, whatever their distribution', () => {
    const shapes = fc.record({
      seed: fc.integer({ min: 1 }),
      channels: fc.integer({ min: 1, max: 12 }),
      depth: fc.integer({ min: 1, max: 300 }),
    });
    fc.assert(
      fc.property(shapes, ({ seed, channels, depth }) => {
        expectKept(layerOf(new Random(seed), channels, depth), `seed ${seed}`);
      }),
      { numRuns: runs(150) },
    );
  });

  const rows = [
    { edge: 'of no value but 0', channels: 6, depth: 100, weight: () => 0 },
    { edge: 'of one row', channels: 1, depth: 77, weight: (i: number) => (i % 7) - 3 },
    { edge: 'of one input', channels: 9, depth: 1, weight: (i: number) => i },
    { edge: 'of 256 values, each as often', channels: 16, depth: 256, weight: (i: number) => i },
    {
      edge: 'of as many inputs as there may be, with an exception in the last',
      channels: 2,
      depth: 32_768,
      weight: (i: number) => (i % 32_768 === 32_767 ? -100 : 0),
    },
    {
      edge: 'of just as many exceptions as two channels may have',
      channels: 2,
      depth: 1000,
      weight: (i: number) => (i < 31 ? 127 : 0),
    },
    {
      edge: 'of one more',
      channels: 2,
      depth: 1000,
      weight: (i: number) => (i < 32 ? 127 : 0),
    },
    { edge: 'of half a million', channels: 512, depth: 1024, weight: (i: number) => (i * i) >> 9 },
  ];
  for (const { edge, channels, depth, weight } of rows) {
    it(edge, () => {
      const data = Int8Array.from({ length: channels * depth }, (_, i) => weight(i));
      expectKept({ data, channels, depth }, edge);
    });
  }

  it('take about as many bytes as their entropy: a bell whose width differs by row', () => {
    const random = new Random(5);
    const [channels, depth] = [64, 256];
    const widths = [3, 6, 12, 24, 31];
    let bits = 0;
    const data = new Int8Array(channels * depth);
    for (let channel = 0; channel < channels; channel += 2) {
      const width = random.pick(widths);
      const counts = new Map<number, number>();
      for (let i = channel * depth; i < (channel + 2) * depth; i += 1) {
        const value = [0, 0, 0, 0].reduce((sum) => sum + random.integer(-width, width), 0);
        data[i] = Math.round(value / 2);
        counts.set(data[i] as number, (counts.get(data[i] as number) ?? 0) + 1);
      }
      for (const count of counts.values()) bits -= count * Math.log2(count / (2 * depth));
    }
    expect((8 * pairChoice({ data, channels, depth }).bytes) / bits).to.be.below(1.11);
  });
});

/** A layer of rows whose weights are of any kind; every third has its own scale for each channel. */
function denseLayer(seed: number): Module {
  const random = new Random(seed);
  const b = new GraphBuilder();
  const [rows, channels, depth] = [
    random.pick([1, 1, 1, 3]),
    random.integer(1, 40),
    random.integer(1, 200),
  ];
  const { data } = layerOf(random, channels, depth);
  const scales = Array.from({ length: channels }, (_, i) => Math.fround(0.004 + 0.001 * (i % 5)));
  const quant =
    seed % 3 === 0
      ? { scales, zeroPoints: scales.map(() => 0), axis: 0 }
      : perTensorQuant(0.004, 0);
  const biases = Int32Array.from({ length: channels }, () => random.integer(-9000, 9000));
  const operands = [
    b.input([rows, depth]),
    b.constant(data, [channels, depth], quant),
    b.constant(biases, [channels]),
  ];
  const rounding = seed % 2 === 0 ? 'single' : 'double';
  return b.module([b.node('fully_connected', operands, { activation: 'none', rounding })]);
}

describe(`kernel ${kernel}`, () => {
  const modules = Array.from({ length: 120 }, (_, seed) => denseLayer(seed + 1)).filter(
    (module) => simplePlan(module, { kernel }).plan.steps[0]?.kernel === kernel,
  );
  const part = modules.filter((_, i) => i % 4 === 0);

  it('has a multiplier and a shift once where all channels have the same', () => {
    const seen = new Set<boolean>();
    for (const seed of Array.from({ length: 40 }, (_, i) => i + 1)) {
      const graph = mainGraph(denseLayer(seed));
      const [node] = graph.nodes as readonly [Node];
      const context = contextOf({ target: 'host', options: defaults });
      const [match] = matchesOf(viewOf(graph, node), context, (each) => each.template === kernel);
      const [call] = match?.kernel.calls() ?? [];
      const { channels = 1, multiplier } = call?.numbers ?? {};
      if (channels === 1) continue;
      const isShared = seed % 3 !== 0;
      seen.add(isShared);
      expect(multiplier !== undefined, `seed ${seed}`).to.equal(isShared);
      const { biases, stage } = call?.tables ?? {};
      expect((biases ?? stage)?.data).to.have.length(isShared ? channels : 3 * channels);
    }
    expect([...seen]).to.have.length(2);
  });
  it('gives the bits of evaluate in C', () => {
    expect(modules.length).to.be.greaterThan(35);
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
  for (const optimize of ['size', 'speed'] as const) {
    it(`does so on the simulated RP2040, compiled for ${optimize}`, () =>
      expectSameBitsOnBoard(part, 'rp2040', { kernel, optimize }));
    it(`does so on a simulated Cortex-M4, compiled for ${optimize}`, function () {
      needs(this, qemuCommand);
      return expectSameBitsOnBoard(part, 'stm32f405', { kernel, optimize });
    });
  }
});
