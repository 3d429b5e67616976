import { crc32 } from 'node:zlib';
import { expect } from 'chai';
import { seededVectors } from '../../src/boards/profile/seeded-vectors.js';
import { openSession } from '../../src/boards/profile/session.js';
import type { LayerChecksum, VectorPair } from '../../src/boards/profile/vectors.js';
import { verifyOnDevice } from '../../src/boards/profile/verify.js';
import { mainGraph, type TensorId } from '../../src/compiler/ir/graph.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { chainModule, FakeBoard, type FakeOptions, manifestOf } from '../support/fake-board.js';
import { GraphBuilder, perTensorQuant } from '../support/module.js';

const module = chainModule(16);
const manifest = manifestOf(module, { faithful: true });
const graph = mainGraph(module);
const vectors = seededVectors(manifest.plan, module);
const [first, second, third] = graph.nodes.map((node) => node.outputs[0] as TensorId);

async function verify(options: FakeOptions, pairs: readonly VectorPair[] = vectors) {
  const session = await openSession(new FakeBoard(module, manifest, options), manifest);
  return verifyOnDevice(session, manifest, module, pairs);
}

/** Golden checksums of every layer. */
function withLayers(pair: VectorPair, change: (layer: LayerChecksum) => LayerChecksum = (l) => l) {
  const { tensors } = evaluateGraph(graph, pair.inputs);
  const layers = graph.nodes.map((node, op) => {
    const tensor = node.outputs[0] as TensorId;
    const data = tensors.get(tensor) as Int8Array;
    return change({ op, tensor, bytes: data.length, crc32: crc32(data) });
  });
  return { ...pair, layers };
}

describe('profile/verify', () => {
  const still = { stepCount: () => 0 };
  const standing: [edge: string, options: FakeOptions, refused: RegExp | null][] = [
    ['all counts zero', { counts: [0], ...still }, /counts no cycles for a run of the model/],
    ['a run of zero cycles', { counts: [9, 9, 9, 9, 0, 9] }, /counts no cycles for a run/],
    ['a run of one cycle', { counts: [1] }, null],
    ['steps alone zero', { counts: [9], ...still }, /counts no cycles for the last 3 steps/],
    [
      'steps and their run zero',
      { counts: [9, 9, 0, 9], ...still },
      /counts no cycles for the last 3 steps/,
    ],
    ['instructions', { counts: [0], unit: 1 }, /counts no instructions for a run of the model/],
    ['a clock that stands still', { counts: [0], unit: 2 }, /counts no nanoseconds for a run/],
    ['a clock that stood still for a run', { counts: [9, 9, 9, 0, 9, 0], unit: 2 }, null],
  ];
  for (const [edge, options, refused] of standing) {
    it(`counters: ${edge}`, async () => {
      const outcome = await verify(options).catch((error: unknown) => error);
      if (refused === null) expect(outcome).not.to.be.instanceOf(Error);
      else expect(outcome).to.include({ exitStatus: 5, where: 'fake' });
      if (refused !== null) expect((outcome as Error).message).to.match(refused);
    });
  }

  it('measures: counts of every vector, their median, steps, checksums, memory', async () => {
    // Runs: vector 0 infers, takes checksums and profiles; the others infer only.
    const result = await verify({ counts: [70, 0, 0, 50, 60, 90], clockHz: 1000 });
    expect(result.verify).to.deep.equal({
      vectors: 4,
      mismatches: 0,
      firstDivergingLayer: null,
      layersChecked: 0,
    });
    expect(result.counts).to.deep.equal([70, 50, 60, 90]);
    expect(result.latency).to.deep.equal({
      unit: 'cycles',
      count: 60,
      min: 50,
      max: 90,
      runs: 4,
      clockHz: 1000,
      ms: 60,
    });
    expect(result.layerCounts).to.deep.equal([100, 101, 102]);
    const { tensors } = evaluateGraph(graph, vectors[0]?.inputs ?? []);
    expect(result.layerCrc32).to.deep.equal(
      [first, second, third].map((id) => crc32(tensors.get(id as TensorId) as Int8Array)),
    );
    expect(result.stackBytes).to.equal(512);
    expect(result.staticRamBytes).to.equal(2000);
  });

  const broken: [edge: string, options: FakeOptions, mismatches: number, name: string][] = [
    ['the first step is wrong', { tamper: { tensor: first as number } }, 4, 'first'],
    ['a step within is wrong', { tamper: { tensor: second as number } }, 4, 'second'],
    ['the last step is wrong', { tamper: { tensor: third as number } }, 4, 'third'],
    ['only later vectors go wrong', { tamper: { tensor: second as number, from: 4 } }, 2, 'second'],
  ];
  for (const [edge, options, mismatches, name] of broken) {
    it(`names the layer: ${edge}`, async () => {
      const { verify: found } = await verify(options);
      expect(found.mismatches).to.equal(mismatches);
      expect(found.firstDivergingLayer).to.include({ name });
      expect(found.firstDivergingLayer?.index).to.equal(['first', 'second', 'third'].indexOf(name));
    });
  }

  it('names no layer when the expected outputs are wrong', async () => {
    const doubtful = vectors.map((pair) => ({ ...pair, outputs: pair.inputs }));
    const { verify: found } = await verify({}, doubtful);
    expect(found).to.include({ mismatches: 4, firstDivergingLayer: null });
  });

  it('checks every layer of every vector that brings checksums', async () => {
    const { verify: found } = await verify(
      {},
      vectors.map((pair) => withLayers(pair)),
    );
    expect(found).to.include({ mismatches: 0, layersChecked: 12 });
  });

  it('names the layer whose given checksum differs, though the outputs agree', async () => {
    const spoilt = vectors.map((pair, index) =>
      index === 2
        ? withLayers(pair, (l) => (l.tensor === second ? { ...l, crc32: l.crc32 ^ 1 } : l))
        : withLayers(pair),
    );
    const { verify: found } = await verify({}, spoilt);
    expect(found.mismatches).to.equal(1);
    expect(found.firstDivergingLayer).to.include({ name: 'second', index: 1 });
  });

  it('refuses layers of another model: a tensor of another size', async () => {
    const wrong = vectors.map((pair) =>
      withLayers(pair, (l) => (l.tensor === second ? { ...l, bytes: l.bytes + 1 } : l)),
    );
    const error = await verify({}, wrong).catch((caught: unknown) => caught);
    expect(error).to.include({ name: 'BonsaiError', code: 'bad-vectors' });
  });

  it('does not look at layers of a plan that is not faithful', async () => {
    const fused = manifestOf(module, { faithful: false });
    const session = await openSession(new FakeBoard(module, fused), fused);
    const pairs = vectors.map((pair) => withLayers(pair, (l) => ({ ...l, crc32: 0 })));
    const { verify: found } = await verifyOnDevice(session, fused, module, pairs);
    expect(found).to.include({ mismatches: 0, layersChecked: 0 });
  });

  it('reports progress', async () => {
    const session = await openSession(new FakeBoard(module, manifest), manifest);
    const seen: string[] = [];
    await verifyOnDevice(session, manifest, module, vectors, (done, total) => {
      seen.push(`${done}/${total}`);
    });
    expect(seen).to.deep.equal(['1/4', '2/4', '3/4', '4/4']);
  });
});

/** Adds each input to the sum of those before it. */
function summing() {
  const b = new GraphBuilder();
  const x = b.input([1, 4], perTensorQuant(0.5, 0));
  const state = b.state(Int8Array.of(1, 2, 3, 4), [1, 4], perTensorQuant(0.5, 0));
  const sum = b.node('add', [state, x], { activation: 'none' });
  const next = b.changes(state, b.node('assign', [state, sum]));
  return { module: b.module([b.node('relu', [next], {}, { name: 'last' })]), sum };
}

describe('profile/verify, with states', () => {
  const { module: stateful, sum } = summing();
  const its = manifestOf(stateful, { faithful: true });
  const pairs = seededVectors(its.plan, stateful);
  const check = async (options: FakeOptions, vectors: readonly VectorPair[]) => {
    const session = await openSession(new FakeBoard(stateful, its, options), its);
    return verifyOnDevice(session, its, stateful, vectors);
  };

  it('seeded vectors are sequences, whose outputs depend on what came before', async () => {
    expect(pairs.filter(({ continues }) => continues !== true)).to.have.length(2);
    const { verify: found } = await check({}, pairs);
    expect(found).to.include({ vectors: 16, mismatches: 0, firstDivergingLayer: null });
    // Without a reset between them the second sequence would begin with the end of the first.
    const joined = pairs.map((pair, i) => ({ ...pair, continues: i > 0 }));
    expect((await check({}, joined)).verify.mismatches).to.be.above(0);
  });

  it('resets before each pair that is no part of a sequence', async () => {
    const apart = [pairs[0], pairs[0], pairs[0]].filter((pair) => pair !== undefined);
    expect((await check({}, apart)).verify.mismatches).to.equal(0);
  });

  it('names the layer that differs within a sequence, after the same inputs', async () => {
    // Vector 0 infers, takes checksums and profiles; the next four infer.
    const { verify: found } = await check({ tamper: { tensor: sum, from: 7 } }, pairs);
    expect(found.mismatches).to.be.above(0);
    expect(found.firstDivergingLayer).to.include({ index: 0 });
  });

  it('names no layer when an expected output is wrong in a sequence', async () => {
    const wrong = pairs.map((pair, i) =>
      i === 5 ? { ...pair, outputs: [Int8Array.of(9, 9, 9, 9)] } : pair,
    );
    const { verify: found } = await check({}, wrong);
    expect(found).to.include({ mismatches: 1, firstDivergingLayer: null });
  });
});
