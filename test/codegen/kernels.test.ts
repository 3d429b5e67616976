import { expect } from 'chai';
import { packageTemplates } from '../../src/boards/project/templates.js';
import { emitProgram } from '../../src/compiler/codegen/program.js';
import type { Module } from '../../src/compiler/ir/graph.js';
import { GraphBuilder, perTensorQuant } from '../support/module.js';
import { expectSameBits } from '../support/native.js';
import { NetworkBuilder } from '../support/networks.js';
import { simplePlan } from '../support/plan.js';

/** Three additions: two of one shape, one of another. */
function additions(): Module {
  const b = new GraphBuilder();
  const x = b.input([1, 4]);
  const y = b.node('add', [x, x], { activation: 'none' }, { quant: perTensorQuant(1, 3) });
  const z = b.node('add', [x, y], { activation: 'relu' }, { quant: perTensorQuant(2, 3) });
  const wide = b.input([1, 300]);
  const w = b.node('add', [wide, wide], { activation: 'none' });
  return b.module([z, w], 'sums');
}

function functionsOf(source: string): string[] {
  return [...source.matchAll(/^static void (\w+)\(const int8_t/gm)].map(
    ([, name]) => name as string,
  );
}

describe('kernel functions', () => {
  const emitted = (optimize: 'balanced' | 'size' | 'speed', module = additions()) =>
    emitProgram(module, simplePlan(module, { optimize }), packageTemplates());

  for (const optimize of ['balanced', 'size'] as const) {
    it(`${optimize}: one function, what differs in a descriptor of narrow fields`, () => {
      const { source } = emitted(optimize);
      expect(functionsOf(source)).to.deep.equal(['add_s8']);
      expect(source).to.match(/struct add_s8_args \{[^}]*\buint16_t count;[^}]*\}/);
      expect(source).to.match(
        /const struct add_s8_args sums_add_2_args BONSAI_FLASH = \{[^}]*\.count = 300\b/,
      );
      expect(source).to.include(
        'add_s8(arena + 0x0000, arena + 0x0000, arena + 0x0130, &sums_add_0_args);',
      );
    });
  }

  it('speed: a function for each shape, its numbers constant in it', () => {
    const { source } = emitted('speed');
    expect(functionsOf(source)).to.deep.equal(['add_s8_0', 'add_s8_1', 'add_s8_2']);
    expect(source).to.not.include('_args');
    expect(source).to.include('i < 300;');
  });

  it('both give the same bits', async () => {
    await expectSameBits([additions()], { optimize: 'balanced' });
    await expectSameBits([additions()], { optimize: 'speed' });
  });

  it('a helper comes after those that it calls, whatever its comments name', async () => {
    const b = new NetworkBuilder();
    const x = b.input([1, 8, 8, 8]);
    const quant = perTensorQuant(0.5, -128);
    const y = b.depthwise(x, { stride: 2, pad: 1, activation: 'relu', quant });
    await expectSameBits([b.module([y])], { kernel: 'dsp/depthwise_conv2d' });
  });

  it('equal tables are one array, and a table of a single call stands in the text by name', () => {
    const lookups = (name: string, scales: readonly number[]) => {
      const b = new GraphBuilder();
      const ids = scales.map((scale) => {
        const x = b.input([8], perTensorQuant(scale, 0));
        const quant = perTensorQuant(1 / 256, -128);
        return b.node('logistic', [x], { algorithm: 'fixed' }, { quant });
      });
      return emitted('balanced', b.module(ids, name));
    };
    const twice = lookups('same', [0.5, 0.5]);
    expect(twice.tables).to.deep.equal([
      { symbol: 'same_logistic_0_table', role: 'table', bytes: 256, region: 'flash', step: 0 },
    ]);
    expect(twice.source).to.not.include('args->');
    const thrice = lookups('all', [0.5, 0.5, 0.1]);
    expect(thrice.tables.map(({ symbol }) => symbol)).to.deep.equal([
      'all_logistic_0_table',
      'all_logistic_2_table',
    ]);
    expect(thrice.source).to.include('args->table');
  });

  it('flags that tell two functions of a template apart stand in their names', () => {
    const b = new GraphBuilder();
    const x = b.input([1, 4]);
    const y = b.node('sub', [x, x], { activation: 'none' });
    const module = b.module([b.node('add', [y, x], { activation: 'none' })]);
    expect(functionsOf(emitted('balanced', module).source)).to.deep.equal([
      'add_s8_subtract',
      'add_s8',
    ]);
  });

  it('a layer name cannot break out of its comment', async () => {
    const b = new GraphBuilder();
    const name = 'x */ int broken; /* ??/';
    const y = b.node(
      'logistic',
      [b.input([4])],
      { algorithm: 'fixed' },
      {
        name,
        quant: perTensorQuant(1 / 256, -128),
      },
    );
    await expectSameBits([b.module([y])]);
  });

  it('a model without steps copies nothing: its output is its input', async () => {
    const b = new GraphBuilder();
    await expectSameBits([b.module([b.input([5])])]);
  });
});
