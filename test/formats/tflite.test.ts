/** What the importer makes of good files: rows name what each has that others have not. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { importModel } from '../../src/compiler/formats/index.js';
import { builtinCode } from '../../src/compiler/formats/tflite/builtins.js';
import { type DType, type Module, mainGraph, tensorOf } from '../../src/compiler/ir/graph.js';
import { printModule } from '../../src/compiler/ir/print.js';
import type { RuntimeRounding } from '../../src/compiler/ir/rounding.js';
import { BonsaiError, refusalOf } from '../../src/errors.js';
import { skip } from '../support/skip.js';
import {
  addConstant,
  at,
  changed,
  conv,
  encodeModel,
  operatorOf,
  type RawSubgraph,
  reshape,
  smallModel,
  tensor,
  typeCode,
  withDataOutside,
} from './fixture.js';

const options = { name: 'small', where: 'small.tflite', rounding: 'tflm' } as const;

function load(bytes: Uint8Array, rounding: RuntimeRounding = 'tflm', name = 'small'): Module {
  return importModel(bytes, { ...options, name, rounding });
}

const quantOf = (main: RawSubgraph, index: number) => at(main.tensors, index).quantization ?? {};

/** The listing without what a test is not about. */
const listing = (bytes: Uint8Array) => printModule(load(bytes));

describe('import: TFLite', () => {
  const reference = listing(encodeModel(smallModel()));

  it('gives the listing that --dump shows', () => {
    expect(reference.split('\n')).to.deep.equal([
      'module small',
      'graph "main"',
      '  %0 = input "input"  int8[1, 4, 4, 2] q(0.5, 0)',
      '  %1 = const "conv/weights"  int8[3, 3, 3, 2] q(3 along 0) #85099b6e',
      '  %2 = const "conv/bias"  int32[3] q(3 along 0) #2cdbb476',
      '  %5 = const "dense/weights"  int8[5, 48] q(0.0199999996, 0) #d4780dcd',
      '  %6 = const "dense/bias"  int32[5] q(0.00999999978, 0) #17db1404',
      '  %3 = conv2d(%0, %1, %2) {strideH 1, strideW 1, dilationH 1, dilationW 1, padTop 1, ' +
        'padBottom 1, padLeft 1, padRight 1, activation relu, rounding double}  ' +
        'int8[1, 4, 4, 3] q(0.5, 0)  ; 0 "conv/Relu"',
      '  %4 = reshape(%3) {shape [1, 48]}  int8[1, 48] q(0.5, 0)  ; 1 "flat"',
      '  %7 = fully_connected(%4, %5, %6) {activation none, keepDims false, rounding double}  ' +
        'int8[1, 5] q(0.5, 0)  ; 2 "dense"',
      '  %8 = softmax(%7) {beta 1, algorithm fixed}  int8[1, 5] q(0.00390625, -128)  ; 3 "output"',
      '  return %8',
      '',
    ]);
  });

  const same: readonly (readonly [edge: string, bytes: () => Uint8Array])[] = [
    ['data of buffers after the flatbuffer', () => withDataOutside(smallModel())],
    [
      'operator codes only in the old 8-bit field',
      () =>
        changed((model) => {
          for (const code of model.operatorCodes) delete code.builtinCode;
        }),
    ],
    [
      'operator codes only in the new field',
      () =>
        changed((model) => {
          for (const code of model.operatorCodes) delete code.deprecatedBuiltinCode;
        }),
    ],
    [
      'a second subgraph that nothing calls, with an operator that nobody knows',
      () =>
        changed((model) => {
          model.operatorCodes.push({ builtinCode: builtinCode('WHILE') });
          model.subgraphs.push({
            name: 'body',
            tensors: [tensor('x', 'string', [-1])],
            inputs: [0],
            outputs: [0],
            operators: [{ opcodeIndex: 4, inputs: [0], outputs: [0] }],
          });
        }),
    ],
    [
      'a batch of unknown size in the signature of the shape',
      () =>
        changed((_, main) => Object.assign(at(main.tensors, 0), { shapeSignature: [-1, 4, 4, 2] })),
    ],
    [
      'one zero point for all channels',
      () =>
        changed((_, main) =>
          Object.assign(at(main.tensors, 1).quantization ?? {}, { zeroPoint: [0] }),
        ),
    ],
    [
      'a tensor that no operator uses, of a type that nobody reads',
      () => changed((_, main) => main.tensors.push(tensor('unused', 'string', [0]))),
    ],
    [
      'the new shape computed from the input, as converters do for an unknown batch',
      () =>
        changed((model, main) => {
          model.operatorCodes.push({ builtinCode: builtinCode('SHAPE') });
          main.tensors.push(tensor('computed', 'int32', [2]));
          at(main.operators, reshape).inputs = [3, 10];
          main.operators.push({ opcodeIndex: 4, inputs: [3], outputs: [10] });
        }),
    ],
    [
      'constants at odd addresses',
      () => {
        const file = encodeModel(smallModel());
        const shifted = new Uint8Array(file.length + 1).subarray(1);
        shifted.set(file);
        return shifted;
      },
    ],
  ];
  for (const [edge, bytes] of same) {
    it(`the same module: ${edge}`, () => expect(listing(bytes())).to.equal(reference));
  }

  it('SHAPE, RANK and ZEROS_LIKE of any tensor are constants', () => {
    const rows = [
      ['SHAPE', [4], [1, 4, 4, 2]],
      ['RANK', [], [4]],
      ['ZEROS_LIKE', [1, 4, 4, 2], new Array(32).fill(0)],
    ] as const;
    for (const [name, shape, elements] of rows) {
      const module = load(
        changed((model, main) => {
          model.operatorCodes.push({ builtinCode: builtinCode(name) });
          main.tensors.push(tensor('made', 'int32', [...shape]));
          main.operators.push({ opcodeIndex: 4, inputs: [0], outputs: [10] });
          main.outputs.push(10);
        }),
      );
      const made = mainGraph(module).tensors.find((one) => one.name === 'made');
      expect(Array.from(made?.data ?? [], Number), name).to.deep.equal(elements);
    }
  });

  /** An operator on constants, whose result is an output of the model. */
  const computing = (name: string, type: DType, inputs: (readonly number[])[], shape: number[]) =>
    changed((model, main) => {
      model.operatorCodes.push({ builtinCode: builtinCode(name) });
      const Elements = type === 'float32' ? Float32Array : Int32Array;
      const places = inputs.map((values) => {
        const data = new Uint8Array(Elements.from(values).buffer);
        const buffer = values.length === 0 ? 0 : model.buffers.push({ data }) - 1;
        const extents = name === 'RANGE' ? [] : [Math.max(1, values.length)];
        return main.tensors.push(tensor('given', type, extents, buffer)) - 1;
      });
      const made = main.tensors.push(tensor('made', type, shape)) - 1;
      main.operators.push({ opcodeIndex: 4, inputs: places, outputs: [made] });
      main.outputs.push(made);
    });

  const constants = [
    [
      'BROADCAST_ARGS',
      'int32',
      [
        [4, 1, 3],
        [2, 1],
      ],
      [4, 2, 3],
    ],
    ['BROADCAST_ARGS', 'int32', [[2], [5, 1]], [5, 2]],
    ['RANGE', 'int32', [[3], [18], [5]], [3, 8, 13]],
    ['RANGE', 'int32', [[3], [-3], [-3]], [3, 0]],
    ['RANGE', 'float32', [[0], [0.5], [0.1]], [0, 0.1, 0.2, 0.3, 0.4].map(Math.fround)],
  ] as const;
  for (const [name, type, inputs, elements] of constants) {
    it(`${name} of the constants ${inputs.join(' and ')} is a constant`, () => {
      const bytes = computing(name, type, [...inputs], [elements.length]);
      const made = mainGraph(load(bytes)).tensors.find((one) => one.name === 'made');
      const near = Array.from(made?.data ?? [], Number).map((x) => Number(x.toPrecision(6)));
      expect(near).to.deep.equal(elements.map((x) => Number(x.toPrecision(6))));
      expect(made?.shape).to.deep.equal([elements.length]);
    });
  }

  it('RANGE up to a constant that is made itself', () => {
    const bytes = changed((model, main) => {
      const constant = (name: string, value: number) => addConstant(model, main, name, [], [value]);
      const [start, step] = [constant('start', 1), constant('step', 1)];
      const rank = main.tensors.push(tensor('rank', 'int32', [])) - 1;
      const made = main.tensors.push(tensor('made', 'int32', [3])) - 1;
      main.operators.push(
        { ...operatorOf(model, 'RANK'), inputs: [0], outputs: [rank] },
        { ...operatorOf(model, 'RANGE'), inputs: [start, rank, step], outputs: [made] },
      );
      main.outputs.push(made);
    });
    const { data } = mainGraph(load(bytes)).tensors.find(({ name }) => name === 'made') ?? {};
    expect(Array.from(data ?? [], Number)).to.deep.equal([1, 2, 3]);
  });

  const refusals = [
    ['BROADCAST_ARGS', [[4], [3]], /shapes \[4\] and \[3\] do not broadcast/],
    ['BROADCAST_ARGS', [[4], []], /its second shape must be a constant/],
    ['RANGE', [[1], [5], [0]], /counts from 1 to 5 in steps of 0/],
    ['RANGE', [[1], [5], [-1]], /counts from 1 to 5 in steps of -1/],
    ['RANGE', [[1], [], [1]], /its limit must be a constant/],
    ['RANGE', [[1], [Number.NaN], [1]], /counts from 1 to NaN/],
    ['RANGE', [[0], [Number.POSITIVE_INFINITY], [1]], /describes far more/],
    ['RANGE', [[0], [2 ** 30], [1]], /describes far more/],
  ] as const;
  const typeOf = (inputs: readonly (readonly number[])[]) =>
    inputs.flat().every(Number.isFinite) ? 'int32' : 'float32';
  for (const [name, inputs, message] of refusals) {
    it(`${name} of ${inputs.map((one) => `[${one}]`).join(' and ')} is refused`, () => {
      const error = refusalOf(() => load(computing(name, typeOf(inputs), [...inputs], [3])));
      expect(error?.message).to.match(message);
      expect(error?.exitStatus).to.equal(2);
      expect(error?.hint).not.to.equal('');
    });
  }

  it('constants are views of the file where its alignment allows', () => {
    const file = encodeModel(smallModel());
    const { tensors } = mainGraph(load(file));
    const constants = tensors.filter(({ data }) => data !== null);
    expect(constants).to.have.length(4);
    for (const { data } of constants) expect(data?.buffer).to.equal(file.buffer);
  });

  it('constants where it does not are copied, of a Buffer too, whose slice() is no copy', () => {
    const file = encodeModel(smallModel());
    const shifted = Buffer.alloc(file.length + 1).subarray(1);
    shifted.set(file);
    expect(listing(shifted)).to.equal(reference);
  });

  /** Files as they are in the wild: TFLM computes the same as for the small model. */
  const tolerated: readonly (readonly [edge: string, says: RegExp, bytes: () => Uint8Array])[] = [
    [
      'a bias quantized along a dimension that it has not, as in person_detect',
      /^tensor 2 "conv\/bias" has 3 scales along dimension 3 of \[3\]$/,
      () => changed((_, main) => Object.assign(quantOf(main, 2), { quantizedDimension: 3 })),
    ],
    [
      'more data than the shape takes',
      /^tensor 6 .* has 243 bytes of data; int8\[5, 48\] takes 240$/,
      () =>
        changed((model) => {
          const { data = new Uint8Array() } = at(model.buffers, 4);
          Object.assign(at(model.buffers, 4), { data: Uint8Array.of(...data, 1, 2, 3) });
        }),
    ],
    [
      'weights of a convolution with zero points, which no kernel reads',
      /^tensor 1 .* zero points/,
      () => changed((_, main) => Object.assign(quantOf(main, 1), { zeroPoint: [1, 2, 3] })),
    ],
    [
      'a signature with dynamic extents that the shape has fixed',
      /^input tensor 0 .* dynamic shape \[1, -1, -1, 2\]$/,
      () =>
        changed((_, main) =>
          Object.assign(at(main.tensors, 0), { shapeSignature: [1, -1, -1, 2] }),
        ),
    ],
  ];
  for (const [edge, says, bytes] of tolerated) {
    it(`what TFLM ignores is ignored, and refused when that is asked for: ${edge}`, () => {
      const { ignored = [], ...module } = load(bytes());
      expect(printModule(module)).to.equal(reference);
      expect(ignored).to.have.length(1);
      expect(ignored[0]).to.match(says);
      const strict = () => importModel(bytes(), { ...options, strict: true });
      expect(strict).to.throw(BonsaiError).with.property('exitStatus', 2);
    });
  }

  it('a bias whose quantization means nothing has none', () => {
    for (const quantization of [
      { scale: [Infinity, 1, 1], zeroPoint: [0, 0, 0] },
      { scale: [1, 1], zeroPoint: [0, 0] },
      { scale: [1], zeroPoint: [7] },
    ]) {
      const { graphs } = load(
        changed((_, main) => Object.assign(at(main.tensors, 2), { quantization })),
      );
      expect(graphs[0]?.tensors.find(({ name }) => name === 'conv/bias')?.quant).to.equal(null);
    }
  });

  it('a bias may have any shape of so many elements', () => {
    const bytes = changed((_, main) => {
      Object.assign(at(main.tensors, 2), { shape: [1, 1, 1, 3] });
      Object.assign(quantOf(main, 2), { quantizedDimension: 3 });
    });
    expect(listing(bytes)).to.equal(reference);
  });

  it('names: C identifier, the signature of the main subgraph, else the tensors', () => {
    const names = ({ name, inputNames, outputNames }: Module) => [name, inputNames, outputNames];
    const signed = changed((model) => {
      const ports = (name: string, tensorIndex: number) => [{ name, tensorIndex }];
      model.signatureDefs = [
        { inputs: ports('no', 0), outputs: [], signatureKey: 'b', subgraphIndex: 1 },
        { inputs: ports('x', 0), outputs: ports('y', 9), signatureKey: 'a', subgraphIndex: 0 },
      ];
    });
    expect(names(load(signed, 'tflm', '5-my model.v2.tflite'))).to.deep.equal([
      'model_5_my_model_v2',
      ['x'],
      ['y'],
    ]);
    const plain = load(encodeModel(smallModel()), 'tflm', 'a__b');
    expect(names(plain)).to.deep.equal(['a_b', ['input'], ['output']]);
    const named = (file: string) => load(encodeModel(smallModel()), 'tflm', file).name;
    // Two names of the firmware, a header of C, and one of each kind that is free.
    const files = ['bonsai_crc32', 'Bonsai', 'string.tflite', 'bonsais', 'strings', '__proto__'];
    expect(files.map(named)).to.deep.equal([
      ...['model_bonsai_crc32', 'model_Bonsai', 'model_string', 'bonsais', 'strings', 'proto'],
    ]);
    const odd = changed((_, main) => Object.assign(at(main.tensors, 0), { name: 'a*/\n\u0000b' }));
    expect(load(odd).inputNames).to.deep.equal(['a*/??b']);
  });

  it('the rounding is resolved into attributes', () => {
    const attrs = (rounding: 'tflm' | 'tflite-portable') =>
      mainGraph(load(encodeModel(smallModel()), rounding)).nodes.map(
        ({ attrs: { rounding: of, algorithm } }) => of ?? algorithm,
      );
    expect(attrs('tflm')).to.deep.equal(['double', undefined, 'double', 'fixed']);
    expect(attrs('tflite-portable')).to.deep.equal(['single', undefined, 'single', 'table']);
  });

  it('integers without a scale are moved, and refused where a scale is read', () => {
    const bare = (name: string) =>
      changed((model, main) => {
        const x = main.tensors.push(tensor('x', 'int8', [1, 6], 0, [])) - 1;
        const y = main.tensors.push(tensor('y', 'int8', [1, 6], 0, [])) - 1;
        const only = { ...operatorOf(model, name), inputs: [x], outputs: [y] };
        main.operators.splice(0, main.operators.length, only);
        main.inputs = [x];
        main.outputs = [y];
      });
    const { tensors } = mainGraph(load(bare('CONCATENATION')));
    expect(tensors.map(({ quant }) => quant?.scales)).to.deep.equal([[1], [1]]);
    expect(() => load(bare('ABS'))).to.throw(/has no scale and zero point/);
  });

  it('desktop TFLite scales sums of int16 in 64 bits where the bias has them', () => {
    const scaleOf = (rounding: RuntimeRounding, bias: 'int32' | 'int64' | null) => {
      const bytes = changed((model, main) => {
        const wide = tensor('input', 'int16', [1, 48], 0, [0.5]);
        const own = tensor('y', 'int16', [1, 5], 0, [0.5]);
        main.tensors.push(wide, own, tensor('bias', bias ?? 'int32', [5], 6, [0.01]));
        model.buffers.push({ data: new Uint8Array(40).subarray(bias === 'int64' ? 0 : 20) });
        const layer = { inputs: [10, 6, ...(bias === null ? [] : [12])], outputs: [11] };
        main.operators.splice(0, 4, { ...at(main.operators, 2), ...layer });
        main.inputs = [10];
        main.outputs = [11];
      });
      const {
        wideScale,
        biasType,
        rounding: own,
      } = at(mainGraph(load(bytes, rounding)).nodes, 0).attrs;
      return wideScale ?? `${own} ${biasType}`;
    };
    expect(scaleOf('tflite-portable', 'int64')).to.equal('double');
    expect(scaleOf('tflite-portable', null)).to.equal('single int32');
    expect(scaleOf('xnnpack', null)).to.equal('upward int32');
    expect(scaleOf('tflite', 'int32')).to.equal('upward undefined');
    expect(scaleOf('tflite-portable', 'int32')).to.equal('single undefined');
    expect(scaleOf('tflm', 'int64')).to.equal('double undefined');
  });

  it('a bias may be absent, by −1 or by a shorter list', () => {
    for (const inputs of [
      [0, 1, -1],
      [0, 1],
    ]) {
      const bytes = changed((_, main) => Object.assign(at(main.operators, conv), { inputs }));
      expect(at(mainGraph(load(bytes)).nodes, 0).inputs).to.deep.equal([0, 1, null]);
    }
  });

  describe('conversions at the edge', () => {
    /** Input and output of `type`, converted by QUANTIZE in front and `last` at the end. */
    const wrapped = (type: 'float32' | 'uint8' | 'int8', last: string, shift = 128) =>
      changed((model, main) => {
        const outer = (name: string, of: number, zeroPoint: number) => {
          const inner = at(main.tensors, of);
          const scale = inner.quantization?.scale ?? [];
          const quantization = { scale, zeroPoint: [zeroPoint] };
          const plain = { name, shape: inner.shape, type: typeCode(type), buffer: 0 };
          main.tensors.push(type === 'float32' ? plain : { ...plain, quantization });
        };
        outer('pixels', 0, shift);
        outer('scores', 9, Math.max(0, shift - 128));
        model.operatorCodes.push(
          { builtinCode: builtinCode('QUANTIZE') },
          { builtinCode: builtinCode(last) },
        );
        main.operators.unshift({ opcodeIndex: 4, inputs: [10], outputs: [0] });
        main.operators.push({ opcodeIndex: 5, inputs: [9], outputs: [11] });
        main.inputs = [10];
        main.outputs = [11];
      });

    for (const [edge, bytes] of [
      ['float32', wrapped('float32', 'DEQUANTIZE')],
      ['uint8, shifted by 128', wrapped('uint8', 'QUANTIZE')],
    ] as const) {
      it(`${edge}: the ports are the int8 tensors, under the outer names`, () => {
        const module = load(bytes);
        const graph = mainGraph(module);
        expect(graph.nodes.map(({ ops }) => ops)).to.deep.equal([[1], [2], [3], [4]]);
        expect([module.inputNames, module.outputNames]).to.deep.equal([['pixels'], ['scores']]);
        const ports = [...graph.inputs, ...graph.outputs].map((id) => tensorOf(graph, id));
        expect(ports.map(({ name, dtype }) => [name, dtype])).to.deep.equal([
          ['input', 'int8'],
          ['output', 'int8'],
        ]);
      });
    }

    it('uint8 with another zero point stays, as a conversion in the network', () => {
      const graph = mainGraph(load(wrapped('uint8', 'QUANTIZE', 100)));
      expect(graph.nodes.map(({ ops }) => ops)).to.deep.equal([[0], [1], [2], [3], [4]]);
      const ports = [...graph.inputs, ...graph.outputs].map((id) => tensorOf(graph, id).dtype);
      expect(ports).to.deep.equal(['uint8', 'int8']);
    });

    it('int8 with a zero point 128 higher stays: half of the values are clamped', () => {
      const graph = mainGraph(load(wrapped('int8', 'QUANTIZE', 0)));
      expect(graph.nodes.map(({ ops }) => ops)).to.deep.equal([[0], [1], [2], [3], [4], [5]]);
    });
  });

  it('float16 weights become float32 where they are dequantized', () => {
    const bytes = changed((model, main) => {
      model.operatorCodes.push({ builtinCode: builtinCode('DEQUANTIZE') });
      for (const t of main.tensors) {
        if (t.type === typeCode('int8')) t.type = typeCode('float32');
        delete t.quantization;
      }
      const half = Uint16Array.from(
        { length: 240 },
        (_, i) => [0x3c00, 0xc000, 0x0001][i % 3] ?? 0,
      );
      Object.assign(at(model.buffers, 4), { data: new Uint8Array(half.buffer) });
      Object.assign(at(main.tensors, 6), { type: typeCode('float16') });
      main.tensors.push(tensor('wide', 'float32', [5, 48]), tensor('w', 'float32', [3, 3, 3, 2]));
      at(main.operators, 2).inputs = [5, 10];
      at(main.operators, conv).inputs = [0, 11];
      Object.assign(at(main.tensors, 11), { buffer: model.buffers.length });
      model.buffers.push({ data: new Uint8Array(54 * 4) });
      main.operators.unshift({ opcodeIndex: 4, inputs: [6], outputs: [10] });
    });
    const graph = mainGraph(load(bytes));
    const wide = graph.tensors.find(({ name }) => name === 'wide');
    expect(Array.from(wide?.data?.slice(0, 4) as Float32Array)).to.deep.equal([1, -2, 2 ** -24, 1]);
    expect(graph.nodes.map(({ op }) => op)).to.have.length(4);
  });

  const shared = fileURLToPath(new URL('../../../shared/models/', import.meta.url));
  const lists: Readonly<Record<string, string>> = {
    kws: 'conv2d (depthwise_conv2d conv2d)×4 average_pool2d reshape fully_connected softmax',
    vww: 'conv2d (depthwise_conv2d conv2d)×13 average_pool2d reshape fully_connected softmax',
    ic: 'conv2d×3 add conv2d×3 add conv2d×3 add average_pool2d reshape fully_connected softmax',
    ad: 'fully_connected×10',
  };
  for (const [name, list] of Object.entries(lists)) {
    it(`${name}: its operators`, function () {
      const file = `${shared}${name}.tflite`;
      if (!existsSync(file)) skip(this, 'the shared models are not here');
      const expected = list
        .replace(/\(([^)]*)\)×(\d+)|(\w+)×(\d+)/g, (_, group, times, one, count) =>
          Array(Number(times ?? count))
            .fill(group ?? one)
            .join(' '),
        )
        .split(' ');
      const { nodes } = mainGraph(load(readFileSync(file)));
      expect(nodes.map(({ op }) => op)).to.deep.equal(expected);
      expect(nodes.map(({ ops }) => ops)).to.deep.equal(nodes.map((_, index) => [index]));
    });
  }

  it('an operator without options takes their defaults', () => {
    const bytes = changed((model, main) => {
      model.operatorCodes.push({ builtinCode: builtinCode('ADD') });
      main.tensors.push(tensor('sum', 'int8', [1, 4, 4, 3]));
      main.operators.splice(1, 0, {
        opcodeIndex: 4,
        inputs: [3, 3],
        outputs: [10],
        builtinOptionsType: 11,
        builtinOptions: { fields: {}, values: {} },
      });
      at(main.operators, reshape + 1).inputs = [10, 4];
    });
    expect(at(mainGraph(load(bytes)).nodes, 1).attrs).to.deep.include({ activation: 'none' });
  });
});
