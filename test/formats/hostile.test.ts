/** Files that would build far more than they hold: refused, or compiled without it. */
import { expect } from 'chai';
import { importModel } from '../../src/compiler/formats/index.js';
import { mainGraph } from '../../src/compiler/ir/graph.js';
import { concatenation } from '../../src/compiler/ops/concatenation.js';
import { runPasses } from '../../src/compiler/passes/index.js';
import { acceptGraph } from '../../src/compiler/plan/choose/accept.js';
import { refusalOf } from '../../src/errors.js';
import { perTensorQuant } from '../support/module.js';
import { NetworkBuilder } from '../support/networks.js';
import { optionsOf } from '../support/options.js';
import { addConstant, changed, operatorOf, tensor } from './fixture.js';

const options = { name: 'm', where: 'm', rounding: 'tflm' } as const;

/** The small model's convolution replaced by a transposed one of these strides, to this size. */
function transposed(
  [strideH, strideW]: readonly [number, number],
  size: readonly number[],
  channels: number,
) {
  return changed((model, main) => {
    const [input = 0] = main.inputs;
    const [, height = 1, width = 1, depth = 1] = main.tensors[input]?.shape ?? [];
    const quantization = { scale: [0.5], zeroPoint: [0] };
    const buffer = model.buffers.push({ data: new Uint8Array(9 * depth * channels).fill(1) }) - 1;
    const weights = { ...tensor('weights', 'int8', [channels, 3, 3, depth], buffer), quantization };
    const filters = main.tensors.push(weights) - 1;
    const shape = [1, size[0] ?? height, size[1] ?? width, channels];
    const output = main.tensors.push({ ...tensor('out', 'int8', shape), quantization }) - 1;
    const values = { padding: 0, strideH, strideW };
    const extents = addConstant(model, main, 'size', [4], shape);
    main.operators = [
      {
        ...operatorOf(model, 'TRANSPOSE_CONV', 49, optionsOf('TRANSPOSE_CONV'), values),
        ...{ inputs: [extents, filters, input], outputs: [output] },
      },
    ];
    main.outputs = [output];
  });
}

const imported = (strides: readonly [number, number], size: readonly number[], channels = 1) =>
  importModel(transposed(strides, size, channels), options);

describe('files that would build far more than they hold', () => {
  it('a transposed convolution of 32 767 phases, most without outputs, stays one', () => {
    const passed = mainGraph(runPasses(imported([32_767, 1], [6, 6]), { faithful: false }));
    expect(passed.nodes.map(({ op }) => op)).to.deep.equal(['transpose_conv']);
  });

  it('a transposed convolution whose phases are cut off but for a few rows stays one', () => {
    const passed = mainGraph(runPasses(imported([1000, 1], [6, 6]), { faithful: false }));
    expect(passed.nodes.map(({ op }) => op)).to.deep.equal(['transpose_conv']);
  });

  it('a stride with few zeros becomes convolutions', () => {
    const passed = mainGraph(runPasses(imported([8, 8], [48, 48]), { faithful: false }));
    expect(passed.nodes.map(({ op }) => op)).to.include('conv2d');
  });

  for (const [edge, strides, size, channels, isReplaced] of [
    ['outputs that are cut off, beside few', [176, 1], [6, 6], 1, true],
    ['one more', [177, 1], [6, 6], 1, false],
    ['outputs that are cut off, beside many', [69, 1], [48, 48], 1, true],
    ['one more', [70, 1], [48, 48], 1, false],
    ['weights of zeros, beside those of the file', [64, 64], [384, 384], 9, true],
    ['one channel more', [64, 64], [384, 384], 10, false],
  ] as const) {
    const what = isReplaced ? 'is replaced by convolutions' : 'stays';
    it(`a transposed convolution ${what}: ${edge}, strides [${strides}]`, () => {
      const passed = mainGraph(runPasses(imported(strides, size, channels), { faithful: false }));
      expect(passed.nodes.some(({ op }) => op === 'conv2d')).to.equal(isReplaced);
    });
  }

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

  for (const [strides, code] of [
    [[32_767, 1], undefined],
    [[32_768, 1], 'unsupported-attribute'],
    [[1, 2 ** 31 - 1], 'unsupported-attribute'],
  ] as const) {
    it(`strides [${strides}], which TFLite keeps in 16 bits: ${code ?? 'compiled'}`, () => {
      expect(refusalOf(() => imported(strides, [6, 6]))?.code).to.equal(code);
    });
  }

  for (const [dilation, padding, code] of [
    [32_767, 0, undefined],
    [32_768, 0, 'unsupported-attribute'],
    [2 ** 29, 1, 'unsupported-attribute'],
  ] as const) {
    it(`a dilation of ${dilation}, padding ${padding}: ${code ?? 'compiled'}`, () => {
      const file = changed((model, main) => {
        const [code = 0] = [model.operatorCodes.findIndex(({ builtinCode }) => builtinCode === 3)];
        const layer = main.operators.find(({ opcodeIndex }) => opcodeIndex === code);
        Object.assign(layer?.builtinOptions?.values ?? {}, { dilationH: dilation, padding });
      });
      expect(refusalOf(() => importModel(file, options))?.code).to.equal(code);
    });
  }

  it('a tensor beyond all boards has one range for all channels, of what moves and fills', () => {
    const rows = 2 ** 18;
    const ends = (min: number[], max: number[]) => ({
      min: Int32Array.from(min),
      max: Int32Array.from(max),
    });
    const operand = (extent: number) => ({
      name: 't',
      shape: [extent, 2],
      dtype: 'int8',
      data: null,
    });
    const rangesOf = (extent: number) =>
      concatenation.range?.(
        {
          node: {
            op: 'concatenation',
            name: 'c',
            attrs: { axis: 0 },
            inputs: [0, 1],
            outputs: [2],
            ops: [0],
          },
          attrs: { axis: 0 },
          inputs: [operand(extent), operand(extent)],
          outputs: [operand(2 * extent)],
        } as never,
        [ends([-1, -9], [1, 2]), ends([0, -3], [5, 3])],
      );
    expect(rangesOf(rows)).to.deep.equal([ends([-1, -9], [5, 3])]);
    expect(rangesOf(rows + 1)).to.deep.equal([ends([-9, -9], [5, 5])]);
  });

  for (const [elements, own, code] of [
    [2 ** 22, 1, undefined],
    [2 ** 22 + 2 ** 20, 1, 'too-large'],
    [2 ** 24, 2 ** 15, 'too-large'],
    [2 ** 24, 2 ** 16, undefined],
  ] as const) {
    it(`a constant of ${elements} elements computed of ${own}: ${code ?? 'compiled'}`, () => {
      const file = changed((model, main) => {
        const quantization = { scale: [0.5], zeroPoint: [0] };
        const buffer = model.buffers.push({ data: new Uint8Array(own).fill(1) }) - 1;
        const given = { ...tensor('one', 'int8', [1, own], buffer), quantization };
        const one = main.tensors.push(given) - 1;
        const shape = [elements / own, own];
        const extents = addConstant(model, main, 'shape', [2], shape);
        const wide = main.tensors.push({ ...tensor('wide', 'int8', shape), quantization }) - 1;
        const ends = { inputs: [one, extents], outputs: [wide] };
        main.operators.push({ ...operatorOf(model, 'BROADCAST_TO'), ...ends });
      });
      const module = importModel(file, options);
      expect(refusalOf(() => runPasses(module, { faithful: false }))?.code).to.equal(code);
    });
  }

  for (const [bytes, code] of [
    [2 ** 26, undefined],
    [2 ** 26 + 4, 'too-large'],
  ] as const) {
    it(`${bytes} bytes of constants: ${code ?? 'taken'}`, () => {
      const builder = new NetworkBuilder();
      const quant = perTensorQuant(0.1, 0);
      const x = builder.input([1, 4]);
      const rows = builder.module([
        builder.add(builder.reshape(x, [1, 4]), builder.values([1, 4], quant)),
      ]);
      const graph = mainGraph(rows);
      const tensors = graph.tensors.map((tensor) =>
        tensor.data === null
          ? tensor
          : { ...tensor, shape: [bytes / 4, 4], data: new Int8Array(tensor.shape.length) },
      );
      expect(refusalOf(() => acceptGraph({ ...graph, tensors }))?.code).to.equal(code);
    });
  }

  /** A chain of NEG over tensors of a shape, behind the small model. */
  const chain = (shape: number[], length: number) =>
    changed((model, main) => {
      const quantization = { scale: [0.5], zeroPoint: [0] };
      const { opcodeIndex } = operatorOf(model, 'NEG');
      const add = () => main.tensors.push({ ...tensor('wide', 'int8', shape), quantization }) - 1;
      const ids = Array.from({ length: length + 1 }, add);
      main.inputs = ids.slice(0, 1);
      main.outputs = ids.slice(-1);
      main.operators = ids
        .slice(1)
        .map((id, i) => ({ opcodeIndex, inputs: [ids[i] ?? 0], outputs: [id] }));
    });
  for (const [shape, length, says] of [
    [[1, 2 ** 20], 3, undefined],
    [[1, 2 ** 20], 6, /such a file may have together: \d+ channels/],
    [[2 ** 26, 1], 2, undefined],
    [[2 ** 26, 1], 6, /such a file may have together: \d+ bytes/],
  ] as const) {
    it(`${length} nodes over [${shape}]: ${says === undefined ? 'taken' : 'refused'}`, () => {
      const fault = refusalOf(() => importModel(chain([...shape], length), options));
      if (says === undefined) expect(fault).to.equal(null);
      else expect([fault?.code, fault?.message]).to.satisfy(() => says.test(fault?.message ?? ''));
    });
  }

  for (const length of [1024, 1025, 10_000_000]) {
    it(`a name of ${length} characters has 1024 at most`, () => {
      const file = changed((_, main) => {
        for (const each of main.tensors) each.name = 'n'.repeat(length);
      });
      const { graphs, inputNames } = importModel(file, options);
      const { tensors, nodes } = graphs[0] as (typeof graphs)[number];
      const names = [...[...tensors, ...nodes].map(({ name }) => name), ...inputNames];
      expect(Math.max(...names.map((name) => name.length))).to.equal(1024);
      expect(tensors[0]?.name.endsWith('…')).to.equal(length > 1024);
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
        ...operatorOf(model, 'GATHER', 23, optionsOf('GATHER'), values),
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
