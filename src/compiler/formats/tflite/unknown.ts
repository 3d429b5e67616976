/** Hints for operators that bonsaic does not support. */
import { BonsaiError } from '../../../errors.js';

const lists = "'bonsaic operators' lists what is supported";
const replaceLayer = `replace the layer: ${lists}`;
const recurrence =
  'use keras.layers.LSTM, or GRU and SimpleRNN with unroll=True, and convert with TensorFlow 2: a ' +
  'bidirectional layer becomes two UNIDIRECTIONAL_SEQUENCE_LSTM';
const inApplication = 'compute features in the application: the network is what comes after it';

/** Hints by operator, or by the name of a custom operator. */
const advice: ReadonlyMap<string, string> = new Map([
  ['BIDIRECTIONAL_SEQUENCE_LSTM', recurrence],
  ['BIDIRECTIONAL_SEQUENCE_RNN', recurrence],
  ['LSTM', recurrence],
  ['RNN', recurrence],
  ['UNIDIRECTIONAL_SEQUENCE_RNN', recurrence],
  ['DELEGATE', 'give the file that was there before a delegate was applied'],
  [
    'edgetpu-custom-op',
    'it is compiled for the Edge TPU: give the file from before edgetpu_compiler',
  ],
  ['ethos-u', 'it is compiled for an Ethos-U: give the file from before Vela'],
  [
    'TFLite_Detection_PostProcess',
    'end the network before it, and choose among the boxes in the application',
  ],
]);

/** @param isFloat whether an output is float32, so that the model is not int8 to begin with */
export function unknownOperator(name: string, where: string, isFloat: boolean): BonsaiError {
  const message = `${name} is not supported`;
  return new BonsaiError('unsupported-operator', where, message, adviceOn(name, isFloat));
}

function adviceOn(name: string, isFloat: boolean): string {
  const custom = /^CUSTOM "(.*)"$/.exec(name)?.[1];
  const known = advice.get(custom ?? name);
  if (known !== undefined) return known;
  if (custom?.startsWith('Signal')) return inApplication;
  if (custom !== undefined) return 'replace the layer: custom operators have no kernels here';
  return isFloat ? `quantize the model fully to int8, without ${name}: ${lists}` : replaceLayer;
}
