/** Positions and indices that files compute in int64. */
import { expect } from 'chai';
import { importModel } from '../../src/compiler/formats/index.js';
import { mainGraph } from '../../src/compiler/ir/graph.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { refusalOf } from '../../src/errors.js';
import { optionsOf } from '../support/options.js';
import {
  addConstant,
  changed,
  operatorOf,
  type RawModel,
  type RawSubgraph,
  tensor,
} from './fixture.js';

const options = { name: 'm', where: 'm', rounding: 'tflm' } as const;

/** The position of the largest of the small model's outputs, in int64; the file's output is `then`. */
const withPosition = (then: (model: RawModel, main: RawSubgraph, position: number) => number) =>
  changed((model, main) => {
    const axis = addConstant(model, main, 'axis', [], [1]);
    const position = main.tensors.push(tensor('position', 'int64', [1])) - 1;
    const [scores = -1] = main.outputs;
    const largest = { inputs: [scores, axis], outputs: [position] };
    main.operators.push({ ...operatorOf(model, 'ARG_MAX', 40, optionsOf('ARG_MAX')), ...largest });
    main.outputs = [then(model, main, position)];
  });

describe('positions of int64', () => {
  it('are int32 here where CAST reads them', () => {
    const file = withPosition((model, main, position) => {
      const cast = main.tensors.push(tensor('cast', 'float32', [1])) - 1;
      const ends = { inputs: [position], outputs: [cast] };
      main.operators.push({ ...operatorOf(model, 'CAST'), ...ends });
      return cast;
    });
    const graph = mainGraph(importModel(file, options));
    const plain = mainGraph(
      importModel(
        changed(() => {}),
        options,
      ),
    );
    const input = Int8Array.from({ length: 32 }, (_, i) => (i * 29) % 251);
    const scores = [...(evaluateGraph(plain, [input]).outputs[0] as Int8Array)];
    const [found] = evaluateGraph(graph, [input]).outputs;
    expect([...(found as Float32Array)]).to.deep.equal([scores.indexOf(Math.max(...scores))]);
  });

  it('are refused as outputs', () => {
    const file = withPosition((_model, _main, position) => position);
    expect(refusalOf(() => importModel(file, options))?.hint).to.match(/output_type=tf\.int32/);
  });
});
