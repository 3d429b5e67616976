/**
 * Vectors in the model's own types. Where an input is only quantized, or an output only dequantized,
 * the operator is left to the caller, and the compiled model has integers there. An interpreter on
 * the desktop prints what lies outside: floats, or uint8. Each of these is one of the integers.
 */

import { rangeOfType } from '../../compiler/ir/dtypes.js';
import type { EdgeType } from '../../compiler/ir/graph.js';
import type { RuntimeRounding } from '../../compiler/ir/rounding.js';
import {
  clamp,
  roundHalfAwayFromZero,
  roundHalfToEven,
} from '../../compiler/ops/arithmetic/quant.js';
import type { IoTensor } from '../../compiler/plan/types.js';
import { BonsaiError } from '../../errors.js';
import { didYouMean } from '../../nearest.js';

/** An input or output, and its type in the file of the model where that is another one. */
export interface Port {
  readonly tensor: IoTensor;
  readonly own: EdgeType | null;
  readonly side: 'input' | 'output';
}

/** What an element should be, where it is not that. */
export interface Fault {
  readonly expected: string;
  readonly hint: string;
}

/** `"type"` of a file: the model's own types, those of the compiled model, or one of them by name. */
const wholeTypes = ['model', 'compiled'] as const;

/**
 * Whether the values of a file are in the model's own types. Without `"type"` the values tell: a
 * fraction is no integer, a negative number no uint8. Where they can be both, they are the
 * integers of the compiled model.
 *
 * @param type   `"type"` of the file
 * @param values of each port, all that the file has
 * @throws BonsaiError 'bad-vectors' for a type that a port does not have, and for values that
 *   contradict each other
 */
export function isOwnTyped(
  type: unknown,
  ports: readonly Port[],
  values: readonly Iterable<unknown>[],
  where: string,
): readonly boolean[] {
  if (type !== undefined) return ports.map((port) => isNamed(type, port, ports, where));
  if (ports.every(({ own }) => own === null)) return ports.map(() => false);
  const told = ports.map((port, i) => toldBy(port, values[i] ?? []));
  const [own, compiled] = [told.indexOf('own'), told.indexOf('compiled')];
  if (own >= 0 && compiled >= 0) {
    const [one, other] = [ports[own], ports[compiled]].map((port) => `"${port?.tensor.name}"`);
    const message = `${one} has ${ports[own]?.own} values, ${other} has integers that are no ${ports[compiled]?.own}`;
    throw new BonsaiError('bad-vectors', where, message, mixedHint);
  }
  return ports.map((port) => own >= 0 && port.own !== null);
}

const mixedHint =
  'give all in the types of the model file, as an interpreter prints them, or all as the integers ' +
  'of the compiled model';

function isNamed(type: unknown, { tensor, own }: Port, ports: readonly Port[], where: string) {
  if (type === 'model') return own !== null;
  if (type === 'compiled' || type === tensor.dtype) return false;
  if (type === own) return true;
  const types = [...new Set(ports.flatMap((port) => [port.own ?? [], port.tensor.dtype].flat()))];
  const names = [...wholeTypes, ...types];
  const text = JSON.stringify(type);
  const isElsewhere = types.some((one) => one === type);
  const message = isElsewhere
    ? `"type" is ${text}, "${tensor.name}" has ${[own ?? [], tensor.dtype].flat().join(' or ')}`
    : `"type" is ${text}, not one of ${names.join(', ')}${didYouMean(String(type), names)}`;
  const hint =
    '"model": the types of the model file; "compiled": the integers of the compiled model';
  throw new BonsaiError('bad-vectors', where, message, hint);
}

function toldBy({ tensor, own }: Port, values: Iterable<unknown>): 'own' | 'compiled' | null {
  if (own === null) return null;
  const [least, greatest] = rangeOfType(tensor.dtype);
  for (const value of values) {
    if (typeof value !== 'number') continue;
    if (own === 'uint8' && value < 0) return 'compiled';
    if (!Number.isInteger(value) || value < least || value > greatest) return 'own';
  }
  return null;
}

/**
 * The integer of the compiled model for a value in the model's own type. Of an input it is what the
 * operator that was left out computes. Of an output it is the one that this operator maps to the
 * value.
 */
export function fromOwn(
  { tensor, own, side }: Port,
  rounding: RuntimeRounding,
): (value: unknown) => number | Fault {
  if (own === 'uint8') return shifted;
  return side === 'input' ? quantized(tensor, rounding) : level(tensor);
}

function shifted(value: unknown): number | Fault {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 255) {
    return value - 128;
  }
  return { expected: 'an integer from 0 to 255', hint: 'the tensor is uint8 in the model' };
}

const noNumber: Fault = { expected: 'a number', hint: 'the tensor is float32 in the model' };

/** QUANTIZE of float32. */
function quantized(
  { dtype, scale, zeroPoint }: IoTensor,
  rounding: RuntimeRounding,
): (value: unknown) => number | Fault {
  const [least, greatest] = rangeOfType(dtype);
  const step = Math.fround(scale);
  const inverse = Math.fround(1 / step);
  // With x86's vectors desktop TFLite and XNNPACK multiply by the inverse and round halves to even;
  // reference kernels divide and round them away from zero.
  const isVector = rounding === 'xnnpack' || rounding === 'tflite';
  const steps = (x: number) =>
    isVector
      ? roundHalfToEven(Math.fround(x * inverse))
      : roundHalfAwayFromZero(Math.fround(x / step));
  return (value) => {
    if (typeof value !== 'number') return noNumber;
    return clamp(steps(Math.fround(value)) + zeroPoint, least, greatest);
  };
}

/** Printed decimals, and kernels that multiply out scale · (q − zeroPoint), are this close. */
const closeSteps = 1 / 256;

/** The integer that DEQUANTIZE maps to a value. */
function level({ dtype, scale, zeroPoint }: IoTensor): (value: unknown) => number | Fault {
  const [least, greatest] = rangeOfType(dtype);
  const step = Math.fround(scale);
  return (value) => {
    if (typeof value !== 'number') return noNumber;
    const steps = value / step;
    const integer = clamp(Math.round(steps) + zeroPoint, least, greatest);
    if (Math.abs(steps - (integer - zeroPoint)) <= closeSteps) return integer;
    const nearest = Math.fround((integer - zeroPoint) * step);
    return {
      expected: `a value that the model can give: the nearest is ${nearest}`,
      hint: 'give the outputs of this quantized model; those of its float original differ',
    };
  };
}
