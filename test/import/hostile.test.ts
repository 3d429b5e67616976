/** Files that would build far more than they hold: refused, or compiled without it. */
import { expect } from 'chai';
import { refusalOf } from '../../src/errors.js';
import { importModel } from '../../src/import/index.js';
import { gatherOptions, transposeConvOptions } from '../../src/import/tflite/schema.js';
import { mainGraph } from '../../src/ir/graph.js';
import { runPasses } from '../../src/passes/index.js';
import { addConstant, changed, operatorOf, tensor } from './fixture.js';

const options = { name: 'm', where: 'm', rounding: 'tflm' } as const;

/** The small model's convolution replaced by a transposed one of these strides, to this size. */
function transposed([strideH, strideW]: readonly [number, number], size: readonly number[]) {
  return changed((model, main) => {
    const [input = 0] = main.inputs;
    const [, height = 1, width = 1, depth = 1] = main.tensors[input]?.shape ?? [];
    const quantization = { scale: [0.5], zeroPoint: [0] };
    const buffer = model.buffers.push({ data: new Uint8Array(9 * depth).fill(1) }) - 1;
    const weights = { ...tensor('weights', 'int8', [1, 3, 3, depth], buffer), quantization };
    const filters = main.tensors.push(weights) - 1;
    const shape = [1, size[0] ?? height, size[1] ?? width, 1];
    const output = main.tensors.push({ ...tensor('out', 'int8', shape), quantization }) - 1;
    const values = { padding: 0, strideH, strideW };
    const extents = addConstant(model, main, 'size', [4], shape);
    main.operators = [
      {
        ...operatorOf(model, 'TRANSPOSE_CONV', 49, transposeConvOptions, values),
        ...{ inputs: [extents, filters, input], outputs: [output] },
      },
    ];
    main.outputs = [output];
  });
}

const imported = (strides: readonly [number, number], size: readonly number[]) =>
  importModel(transposed(strides, size), options);

describe('files that would build far more than they hold', () => {
  it('a transposed convolution of 4 194 305 phases, most without outputs, stays one', () => {
    const passed = mainGraph(runPasses(imported([4_194_305, 1], [6, 6]), { faithful: false }));
    expect(passed.nodes.map(({ op }) => op)).to.deep.equal(['transpose_conv']);
  });

  it('a stride with few zeros becomes convolutions', () => {
    const passed = mainGraph(runPasses(imported([8, 8], [48, 48]), { faithful: false }));
    expect(passed.nodes.map(({ op }) => op)).to.include('conv2d');
  });

  for (const [strides, size, code] of [
    [[64, 64], [384, 384], undefined],
    [[65, 64], [390, 384], 'too-large'],
    [[4096, 4096], [4096, 4096], 'too-large'],
  ] as const) {
    it(`strides [${strides}]: ${code ?? 'compiled'}`, () => {
      const fault = refusalOf(() => imported(strides, size));
      expect(fault?.code).to.equal(code);
      if (code !== undefined) expect(fault?.message).to.match(/has the strides \d+ and \d+/);
    });
  }

  it('indices that are floats', () => {
    const file = changed((model, main) => {
      const [from = 0] = main.outputs;
      const data = new Uint8Array(Float32Array.of(1e-43, 0).buffer);
      const indices = main.tensors.push(
        tensor('indices', 'float32', [2], model.buffers.push({ data }) - 1),
      );
      const { shape, quantization } = main.tensors[from] as (typeof main.tensors)[number];
      const made = { ...tensor('rows', 'int8', [...shape.slice(0, -1), 2]), quantization };
      const output = main.tensors.push(made as typeof made & { quantization: object }) - 1;
      const values = { axis: shape.length - 1 };
      main.operators.push({
        ...operatorOf(model, 'GATHER', 23, gatherOptions, values),
        ...{ inputs: [from, indices - 1], outputs: [output] },
      });
      main.outputs = [output];
    });
    const fault = refusalOf(() => importModel(file, options));
    expect([fault?.code, fault?.message]).to.deep.equal([
      'unsupported-type',
      'its indices "indices" are float32, must be int32',
    ]);
  });
});
