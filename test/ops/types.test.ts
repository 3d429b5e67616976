/** Operators that move elements, of every type that the arena holds: C against `evaluate`. */
import { expect } from 'chai';
import { arenaTypes } from '../../src/compiler/ir/dtypes.js';
import type { Attrs, DType, Module, Shape } from '../../src/compiler/ir/graph.js';
import { BonsaiError } from '../../src/errors.js';
import { GraphBuilder, perTensorQuant, Random } from '../support/module.js';
import { expectSameBits } from '../support/native.js';

/** Each row: what its moves do to runs of elements of one, two and four bytes. */
const rows: readonly {
  readonly edge: string;
  readonly op: string;
  readonly shapes: readonly Shape[];
  readonly attrs: Attrs;
}[] = [
  { edge: 'the same elements', op: 'reshape', shapes: [[3, 5]], attrs: { shape: [15] } },
  { edge: 'single elements', op: 'transpose', shapes: [[3, 5]], attrs: { perm: [1, 0] } },
  { edge: 'pairs', op: 'transpose', shapes: [[3, 5, 2]], attrs: { perm: [1, 0, 2] } },
  { edge: 'runs', op: 'transpose', shapes: [[3, 2, 17]], attrs: { perm: [1, 0, 2] } },
  {
    edge: 'six dimensions, none merged',
    op: 'transpose',
    shapes: [[2, 3, 2, 2, 3, 2]],
    attrs: { perm: [5, 4, 3, 2, 1, 0] },
  },
  { edge: 'odd borders', op: 'pad', shapes: [[3, 5]], attrs: { pads: [1, 0, 3, 2] } },
  {
    edge: 'borders of a value with two different bytes',
    op: 'pad',
    shapes: [[3, 5]],
    attrs: { pads: [1, 0, 3, 2], value: 1 },
  },
  {
    edge: 'odd runs',
    op: 'concatenation',
    shapes: [
      [3, 1],
      [3, 4],
    ],
    attrs: { axis: 1, activation: 'none' },
  },
];

function moduleOf(dtype: DType, row: (typeof rows)[number]): Module {
  const builder = new GraphBuilder();
  const quant = ['int32', 'bool', 'float32'].includes(dtype) ? null : perTensorQuant(0.5, 3);
  const inputs = row.shapes.map((shape) => builder.input(shape, quant, undefined, dtype));
  const name = `${dtype}: ${row.edge}`;
  return builder.module([builder.node(row.op, inputs, row.attrs, { name })]);
}

describe('elements of every type, moved', () => {
  for (const dtype of arenaTypes) {
    const modules = () => rows.map((row) => moduleOf(dtype, row));
    it(`${dtype} in C gives the bits of evaluate`, () => expectSameBits(modules()));
    it(`${dtype} for speed`, () => expectSameBits(modules(), { optimize: 'speed' }));
  }

  it('constants, which begin anywhere', () => {
    const random = new Random(1);
    const modules = (['int8', 'int16', 'int32'] as const).map((dtype) => {
      const builder = new GraphBuilder();
      const quant = dtype === 'int32' ? null : perTensorQuant(0.5, 3);
      const x = builder.input([3, 2], quant, undefined, dtype);
      const constant = builder.constant(random.elements(dtype, 9), [3, 3], quant, dtype);
      const attrs = { axis: 1, activation: 'none' };
      return builder.module([builder.node('concatenation', [x, constant], attrs)]);
    });
    return expectSameBits(modules);
  });

  it('refuses operands of two types', () => {
    const builder = new GraphBuilder();
    const quant = perTensorQuant(0.5, 3);
    const x = builder.input([4], quant);
    const y = builder.input([4], quant, undefined, 'int16');
    const joined = builder.node('concatenation', [x, y], { axis: 0, activation: 'none' });
    expect(() => builder.module([joined]))
      .to.throw(BonsaiError, /"input_1" is int16, .* is int8/)
      .with.property('code', 'unsupported-type');
  });
});
