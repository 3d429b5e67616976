/** The way round that an error names is one for this model. */
import { expect } from 'chai';
import { importModel } from '../../src/compiler/formats/index.js';
import { mainGraph } from '../../src/compiler/ir/graph.js';
import { acceptGraph } from '../../src/compiler/plan/choose/accept.js';
import { type BonsaiError, refusalOf } from '../../src/errors.js';
import { optionsOf } from '../support/options.js';
import {
  at,
  bytesOf,
  changed,
  codeOf,
  dense,
  type RawModel,
  type RawSubgraph,
  reshape,
  softmax,
  tensor,
  typeCode,
  withLogical,
} from './fixture.js';

function refusal(bytes: Uint8Array): BonsaiError | null {
  return refusalOf(() => {
    const options = { name: 'm', where: 'm.tflite', rounding: 'tflm' } as const;
    acceptGraph(mainGraph(importModel(bytes, options)));
  });
}

type Change = (model: RawModel, main: RawSubgraph) => void;

/** The last operator becomes `name`, of inputs of these types. */
const last =
  (
    name: string,
    inputs: readonly Parameters<typeof tensor>[1][],
    { type = 0, fields = {} as object, values = {}, output = inputs[0] ?? 'int8' } = {},
  ): Change =>
  (model, main) => {
    Object.assign(at(model.operatorCodes, softmax), codeOf(name));
    const ids = inputs.map((dtype, i) => {
      main.inputs.push(main.tensors.length);
      return main.tensors.push(tensor(`given_${i}`, dtype, [1, 5])) - 1;
    });
    const quantization = output === 'int8' ? at(main.tensors, 9).quantization : {};
    Object.assign(at(main.tensors, 9), { type: typeCode(output), quantization });
    const builtinOptions = { fields, values };
    const options = type === 0 ? {} : { builtinOptionsType: type, builtinOptions };
    Object.assign(at(main.operators, softmax), { inputs: ids, ...options });
  };

type HintRow = readonly [edge: string, says: RegExp, hint: RegExp, change: Change];

const rows: readonly HintRow[] = [
  [
    'int32 arithmetic is no matter of quantization',
    /int32/,
    /in the application: .*int32/,
    last('LOGISTIC', ['int32'], { output: 'int32' }),
  ],
  [
    'an operator without int16, in a program that has kernels of int16',
    /int16/,
    /the operator has no kernel of int16/,
    (model, main) => {
      last('ELU', ['int16'], { output: 'int16' })(model, main);
      for (const id of [9, 10]) {
        at(main.tensors, id).quantization = { scale: [0.5], zeroPoint: [0] };
      }
    },
  ],
  [
    'a layer of int8 and int16',
    /int16/,
    /throughout/,
    (model, main) => {
      last('MAXIMUM', ['int8', 'int16'], { type: 39 })(model, main);
      at(main.tensors, 11).quantization = { scale: [0.5], zeroPoint: [0] };
    },
  ],
  [
    'axes that are computed, in a model of fixed shapes',
    /its permutation must be a constant/,
    /make its permutation a constant/,
    last('TRANSPOSE', ['int8', 'int32'], { type: 26 }),
  ],
  [
    'an operator of which no runtime has a kernel of int8',
    /is int8; float32, uint8, int16 and int32 are supported/,
    /keep the layer in float32/,
    (model, main) => {
      last('REVERSE_SEQUENCE', ['int8', 'int32'], {
        type: 87,
        fields: optionsOf('REVERSE_SEQUENCE'),
      })(model, main);
      at(main.tensors, 11).shape = [5];
      Object.assign(at(main.operators, softmax).builtinOptions ?? {}, { values: { batch: 1 } });
    },
  ],
  [
    'vectors whose value has another type',
    /its value at the index is int32, its output int8/,
    /convert the model again/,
    (model, main) => {
      const options = { type: 61, fields: optionsOf('ONE_HOT'), output: 'int8' as const };
      last('ONE_HOT', ['int32', 'int32', 'int32', 'int8'], options)(model, main);
      for (const id of [11, 12]) {
        main.inputs.splice(main.inputs.indexOf(id), 1);
        const buffer = model.buffers.push({ data: bytesOf([5]) }) - 1;
        Object.assign(at(main.tensors, id), { shape: [], buffer });
      }
    },
  ],
  [
    'computed indices of a type that no runtime takes',
    /its indices "given_1" are int8, must be int32/,
    /cast them to int32/,
    (model, main) => {
      last('GATHER', ['int8', 'int8'], { type: 23, fields: optionsOf('GATHER') })(model, main);
      at(main.tensors, 9).shape = [1, 5, 5];
    },
  ],
  [
    'the greatest along an axis that is computed',
    /its axis must be a constant/,
    /make its axis a constant/,
    last('ARG_MAX', ['int8', 'int32'], { type: 40, fields: optionsOf('ARG_MAX'), output: 'int32' }),
  ],
  ...(
    [
      ['beyond the dimensions', [5], /axis 5 is outside its 2 dimensions/, 'int32'],
      ['before the first dimension', [-3], /axis -3 is outside/, 'int32'],
      ['of two dimensions', [0, 1], /has 2 axes, must have one/, 'int32'],
      ['as int64', [1], /is int64, must be int32/, 'int64'],
    ] as const
  ).map(
    ([edge, axes, says, output]): HintRow => [
      `the least along an axis: ${edge}`,
      says,
      edge === 'as int64' ? /output_type=tf\.int32/ : /./,
      (model, main) => {
        last('ARG_MIN', ['int8', 'int32'], { type: 57, fields: optionsOf('ARG_MIN'), output })(
          model,
          main,
        );
        const buffer = model.buffers.push({ data: bytesOf(axes) }) - 1;
        Object.assign(at(main.tensors, 11), { shape: [axes.length], buffer });
        at(main.tensors, 9).shape = [1];
        main.inputs.pop();
      },
    ],
  ),
  [
    'a normalization with an activation',
    /fused "relu"/,
    /behind it/,
    last('L2_NORMALIZATION', ['int8'], {
      ...{ type: 12, fields: optionsOf('L2_NORMALIZATION'), values: { activation: 1 } },
    }),
  ],
  [
    'an old file of uint8: the same converter would write it again',
    /scale and zero point/,
    /TensorFlow 2, from the float model/,
    (model, main) => {
      const options = { type: 10, fields: optionsOf('CONCATENATION'), output: 'uint8' as const };
      last('CONCATENATION', ['uint8', 'uint8'], options)(model, main);
      at(main.tensors, 9).shape = [2, 5];
      for (const [i, id] of [9, 10, 11].entries()) {
        at(main.tensors, id).quantization = { scale: [0.5 + i], zeroPoint: [0] };
      }
    },
  ],
  [
    'a float model',
    /is float32; it computes with/,
    /bonsaic quantize/,
    (model, main) => {
      for (const one of main.tensors) {
        if (![typeCode('int8'), typeCode('int32')].includes(one.type as number)) continue;
        Object.assign(one, { type: 0, quantization: {} });
        const buffer = model.buffers[one.buffer as number] as { data?: Uint8Array };
        const count = (one.shape as number[]).reduce((product, extent) => product * extent, 1);
        if ((one.buffer as number) > 0 && buffer.data) buffer.data = new Uint8Array(4 * count);
      }
      withLogical(model, main);
      main.operators.splice(reshape, 2);
      main.operators.splice(0, 1);
      main.inputs.splice(0, 1, 8);
    },
  ],
  [
    'one float layer in a quantized model',
    /is float32; it computes with/,
    /TFLite leaves a layer in float32/,
    (model, main) => {
      main.inputs.push(main.tensors.length);
      main.tensors.push(tensor('real', 'float32', [1, 5]));
      Object.assign(at(main.tensors, 9), { type: typeCode('float32'), quantization: {} });
      at(main.operators, softmax).inputs.splice(0, 1, 10);
      withLogical(model, main);
      main.outputs.push(8);
      expect(at(main.operators, dense).outputs).to.deep.equal([8]);
    },
  ],
];

describe('hints', () => {
  for (const [edge, says, hint, change] of rows) {
    it(edge, () => {
      const error = refusal(changed(change));
      expect(error?.exitStatus, error?.message).to.equal(2);
      expect(error?.message).to.match(says);
      expect(error?.hint).to.match(hint);
      expect(error?.where).not.to.equal('');
    });
  }

  const files: readonly (readonly [edge: string, start: string, hint: RegExp])[] = [
    ['a Git LFS pointer', 'version https://git-lfs.github.com/spec/v1\n', /git lfs pull/],
    ['an empty file', '', /copy the file again/],
    ['a Keras file', '\x89HDF\r\n\x1a\n\0 model_config', /from_keras_model/],
  ];
  for (const [edge, start, hint] of files) {
    it(edge, () => {
      expect(refusal(Buffer.from(start, 'latin1'))?.hint).to.match(hint);
    });
  }
});
