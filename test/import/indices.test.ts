/** Positions and indices that files compute in int64. */
import { expect } from 'chai';
import { refusalOf } from '../../src/errors.js';
import { importModel } from '../../src/import/index.js';
import { builtinCode } from '../../src/import/tflite/builtins.js';
import { argOptions, noOptions } from '../../src/import/tflite/schema.js';
import { mainGraph } from '../../src/ir/graph.js';
import { evaluateGraph } from '../../src/ops/evaluate.js';
import { changed, type RawModel, type RawSubgraph, tensor } from './fixture.js';

const options = { name: 'm', where: 'm', rounding: 'tflm' } as const;

function add(model: RawModel, name: string, type: number, fields: object): object {
  const code = builtinCode(name);
  model.operatorCodes.push({ builtinCode: code, deprecatedBuiltinCode: code });
  return {
    opcodeIndex: model.operatorCodes.length - 1,
    ...{ builtinOptionsType: type, builtinOptions: { fields, values: {} } as never },
  };
}

/** The position of the largest of the small model's outputs, in int64; the file's output is `then`. */
const withPosition = (then: (model: RawModel, main: RawSubgraph, position: number) => number) =>
  changed((model, main) => {
    const buffer = model.buffers.push({ data: new Uint8Array(Int32Array.of(1).buffer) }) - 1;
    const axis = main.tensors.push(tensor('axis', 'int32', [], buffer)) - 1;
    const position = main.tensors.push(tensor('position', 'int64', [1])) - 1;
    const [scores = -1] = main.outputs;
    const largest = { inputs: [scores, axis], outputs: [position] };
    main.operators.push({ ...add(model, 'ARG_MAX', 40, argOptions), ...largest } as never);
    main.outputs = [then(model, main, position)];
  });

describe('positions of int64', () => {
  it('are int32 here where CAST reads them', () => {
    const file = withPosition((model, main, position) => {
      const cast = main.tensors.push(tensor('cast', 'float32', [1])) - 1;
      const ends = { inputs: [position], outputs: [cast] };
      main.operators.push({ ...add(model, 'CAST', 37, noOptions), ...ends } as never);
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
