/** Passes change graphs, never numbers. */
import { expect } from 'chai';
import fc from 'fast-check';
import { type Module, mainGraph } from '../../src/compiler/ir/graph.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { passes, runPasses } from '../../src/compiler/passes/index.js';
import { randomInputs } from '../support/module.js';
import { buildNetwork, networks } from '../support/networks.js';
import { runs } from '../support/runs.js';

/** The elements of every tensor, by name, constants too. */
function valuesOf(module: Module, seed: number): Map<string, readonly number[]> {
  const graph = mainGraph(module);
  const { tensors } = evaluateGraph(graph, randomInputs(module, seed));
  return new Map(
    graph.tensors.flatMap(({ name, data }, id) => {
      const value = tensors.get(id) ?? data;
      return value === null ? [] : [[name, Array.from(value, Number)]];
    }),
  );
}

/** A tensor that has lost channels has some of those that it had, in their order. */
function expectSomeChannels(
  module: Module,
  name: string,
  values: readonly number[],
  was: readonly number[],
): void {
  const shape = mainGraph(module).tensors.find((tensor) => tensor.name === name)?.shape ?? [];
  const left = shape.at(-1) ?? 1;
  const had = (was.length * left) / values.length;
  const column = (of: readonly number[], count: number, channel: number) =>
    of.filter((_, i) => i % count === channel).join();
  let next = 0;
  for (let channel = 0; channel < left; channel += 1) {
    const wanted = column(values, left, channel);
    while (next < had && column(was, had, next) !== wanted) next += 1;
    expect(next, `${name}: channel ${channel}`).to.be.lessThan(had);
    next += 1;
  }
}

/** A tensor between layers may have its channels in another order. */
function expectSameChannels(
  module: Module,
  name: string,
  values: readonly number[],
  was: readonly number[],
): void {
  const shape = mainGraph(module).tensors.find((tensor) => tensor.name === name)?.shape ?? [];
  const count = shape.at(-1) ?? 1;
  const columns = (of: readonly number[]) =>
    Array.from({ length: count }, (_, channel) =>
      of.filter((_value, i) => i % count === channel).join(),
    ).sort();
  expect(columns(values), name).to.deep.equal(columns(was));
}

describe('passes keep every bit', () => {
  it('of every activation that remains, after each pass', () => {
    fc.assert(
      fc.property(networks, ({ layers, seed }) => {
        const source = buildNetwork(layers, seed);
        const before = valuesOf(source, seed);
        const { tensors, outputs } = mainGraph(source);
        const ends = new Set(outputs.map((id) => tensors[id]?.name));
        // Weights lose and swap rows and columns, and biases take in what is folded: activations
        // show whether they do so together. One that becomes a constant is compared too.
        const constants = new Set(
          tensors.flatMap(({ name, data }) => (data === null ? [] : [name])),
        );
        let isOrdered = false;
        runPasses(source, { faithful: false }, (pass, module) => {
          isOrdered ||= pass === 'order-channels';
          for (const [name, value] of valuesOf(module, seed)) {
            if (constants.has(name)) continue;
            const tensor = mainGraph(module).tensors.find((tensor) => tensor.name === name);
            const was = before.get(name) ?? [];
            // A pass may make a constant, but no activation.
            if (tensor?.data !== null && !before.has(name)) continue;
            const isInside = isOrdered && !ends.has(name);
            if (value.length === was.length && isInside)
              expectSameChannels(module, name, value, was);
            else if (value.length === was.length)
              expect(value, `${pass}: ${name}`).to.deep.equal(was);
            else expectSomeChannels(module, name, value, was);
          }
        });
      }),
      // The rows of a square weight that order-channels has moved.
      {
        numRuns: runs(300),
        examples: [[{ layers: ['dense', 'dense', 'conv2d'], seed: 2147483639 }]],
      },
    );
  });

  it('and with faithful every operator, on the tensors that it had', () => {
    fc.assert(
      fc.property(networks, ({ layers, seed }) => {
        const source = buildNetwork(layers, seed);
        const module = runPasses(source, { faithful: true });
        const operators = (of: Module) =>
          mainGraph(of).nodes.map(({ name, ops, outputs }) => ({
            name,
            ops,
            outputs: outputs.map((id) => mainGraph(of).tensors[id]?.name),
          }));
        expect(operators(module)).to.deep.equal(operators(source));
        const before = valuesOf(source, seed);
        for (const { outputs } of operators(module)) {
          const [name = ''] = outputs;
          expect(valuesOf(module, seed).get(name), name).to.deep.equal(before.get(name));
        }
      }),
      { numRuns: runs(50) },
    );
  });
});

describe('the list of passes', () => {
  it('has distinct names, and reasons', () => {
    expect(new Set(passes.map(({ name }) => name)).size).to.equal(passes.length);
    for (const { name, why } of passes) expect(why, name).to.have.length.above(20);
  });
});
