/** Positions and indices that files compute in int64. */
import { expect } from 'chai';
import { refusalOf } from '../../src/errors.js';
import { importModel } from '../../src/import/index.js';
import { readModel } from '../../src/import/tflite/read.js';
import { tensorTypes } from '../../src/import/tflite/schema.js';
import { mainGraph } from '../../src/ir/graph.js';
import { evaluateGraph } from '../../src/ops/evaluate.js';
import { writeTflite } from '../../src/write/tflite.js';
import { GraphBuilder, randomInputs } from '../support/module.js';
import { encodeModel } from './fixture.js';

const options = { name: 'm', where: 'm', rounding: 'tflm' } as const;

/** The greatest element's position, as `then` uses it; in the file it is int64. */
function fileWith(then: (b: GraphBuilder, position: number) => number) {
  const b = new GraphBuilder();
  const wanted = { quant: null, dtype: 'int32' } as const;
  const position = b.node('arg_extreme', [b.input([2, 9])], { axis: 1, function: 'max' }, wanted);
  const module = b.module([then(b, position)]);
  const raw = readModel(writeTflite(module), 'm', (error) => {
    throw error;
  });
  const { name } = mainGraph(module).tensors[position] ?? {};
  const int64 = [...tensorTypes].indexOf('int64');
  const subgraphs = raw.subgraphs.map((subgraph) => ({
    ...subgraph,
    tensors: subgraph.tensors.map((tensor) =>
      tensor.name === name ? { ...tensor, type: int64 } : tensor,
    ),
  }));
  return { module, file: encodeModel({ ...raw, subgraphs } as never) };
}

describe('positions of int64', () => {
  const rows: readonly (readonly [edge: string, then: Parameters<typeof fileWith>[0]])[] = [
    ['cast to float32', (b, x) => b.node('cast', [x], {}, { quant: null, dtype: 'float32' })],
    [
      'indices of a table',
      (b, x) => {
        const table = b.constant(
          Float32Array.from({ length: 9 }, (_, i) => i / 3),
          [9],
        );
        return b.node('take', [table, x], { axis: 0, batchDims: 0 }, { quant: null });
      },
    ],
  ];
  for (const [edge, then] of rows) {
    it(`are int32 here: ${edge}`, () => {
      const { module, file } = fileWith(then);
      const graph = mainGraph(importModel(file, options));
      const inputs = randomInputs(module, 3);
      const [wanted, got] = [mainGraph(module), graph].map(
        (of) => evaluateGraph(of, inputs).outputs,
      );
      expect(got).to.deep.equal(wanted);
    });
  }

  it('are refused as outputs', () => {
    const { file } = fileWith((_, position) => position);
    expect(refusalOf(() => importModel(file, options))?.hint).to.match(/output_type=tf\.int32/);
  });
});
