/** Windows as a file says them, and what the desktop's runtimes make of them. */
import { expect } from 'chai';
import { importModel } from '../../src/compiler/formats/index.js';
import { writeTflite } from '../../src/compiler/formats/tflite/write.js';
import { type Attrs, mainGraph } from '../../src/compiler/ir/graph.js';
import { roundings } from '../../src/compiler/ir/rounding.js';
import { GraphBuilder, perTensorQuant, Random } from '../support/module.js';

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
