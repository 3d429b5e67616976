/** Windows as a file says them, and what the desktop's runtimes make of them. */
import { expect } from 'chai';
import { importModel } from '../../src/compiler/formats/index.js';
import { writeTflite } from '../../src/compiler/formats/tflite/write.js';
import { type Attrs, mainGraph } from '../../src/compiler/ir/graph.js';
import { type RuntimeRounding, roundings } from '../../src/compiler/ir/rounding.js';
import { GraphBuilder, perTensorQuant, Random } from '../support/module.js';
import { at, changed } from './fixture.js';

const plain = { activation: 'none', rounding: 'double' };
const quant = perTensorQuant(0.02, 0);

/** A transposed convolution of one channel, as a file. */
function transposed(kernel: number, attrs: Attrs): Uint8Array {
  const b = new GraphBuilder();
  const x = b.input([1, 4, 4, 1]);
  const weights = b.constant(new Random(1).int8(kernel * kernel), [1, kernel, kernel, 1], quant);
  return writeTflite(b.module([b.node('transpose_conv', [x, weights], { ...plain, ...attrs })]));
}

const stride2 = { strideH: 2, strideW: 2, padTop: 0, padLeft: 0 };

describe('windows of transposed convolutions', () => {
  for (const [edge, kernel, attrs, isTaken] of [
    ['VALID: all that the windows cover', 3, { ...stride2, size: [9, 9] }, true],
    [
      'SAME with padding before: rows times the stride',
      4,
      { ...stride2, padTop: 1, padLeft: 1, size: [8, 8] },
      true,
    ],
    ['SAME with padding behind alone', 3, { ...stride2, size: [8, 8] }, true],
    ['VALID with gaps, as Keras has it', 1, { ...stride2, size: [8, 8] }, true],
    ['a column less than the windows cover', 3, { ...stride2, size: [9, 6] }, false],
    ['a row more than a stride behind them', 3, { ...stride2, size: [12, 9] }, false],
  ] as const) {
    it(`${edge}: ${isTaken ? 'every rounding takes it' : 'the desktop reads other elements'}`, () => {
      const file = transposed(kernel, attrs);
      for (const rounding of roundings) {
        const read = () => importModel(file, { name: 'm', where: 'm', rounding });
        if (isTaken || rounding === 'tflm') {
          const [node] = mainGraph(read()).nodes;
          expect(node?.attrs).to.include({ padTop: attrs.padTop, padLeft: attrs.padLeft });
        } else expect(read, rounding).to.throw(/which desktop TFLite then reads/);
      }
    });
  }
});

describe('windows of convolutions over 4 × 4, as XNNPACK pads them', () => {
  for (const [edge, [h, w], padding, isTaken] of [
    ['SAME leaves a column out', [2, 1], 0, false],
    ['SAME leaves a row out', [1, 2], 0, false],
    ['SAME leaves out, but pads nothing: 1 × 1', [1, 1], 0, true],
    ['SAME leaves nothing out', [2, 2], 0, true],
    ['SAME pads', [3, 3], 0, true],
    ['VALID leaves a column out', [2, 1], 1, true],
  ] as const) {
    it(`${edge}: ${isTaken ? 'taken' : 'refused, since it reads no input'}`, () => {
      const bytes = changed((model, main) => {
        const operator = at(main.operators, 0);
        const window = { padding, strideH: 2, strideW: 2 };
        Object.assign(operator.builtinOptions?.values ?? {}, window);
        main.operators.splice(1);
        main.outputs = [3];
        at(main.tensors, 1).shape = [3, h, w, 2];
        at(main.tensors, 3).shape = [1, 2, 2, 3];
        model.buffers[1] = { data: new Uint8Array(3 * h * w * 2).fill(5) };
      });
      const read = (rounding: RuntimeRounding) => () =>
        importModel(bytes, { name: 'm', where: 'm', rounding });
      for (const rounding of roundings) {
        if (isTaken || rounding !== 'xnnpack') expect(read(rounding), rounding).not.to.throw();
        else expect(read(rounding)).to.throw(/XNNPACK then reads no input/);
      }
    });
  }
});
