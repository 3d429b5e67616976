/** The types of a model's inputs and outputs in its C interface. */
import { quantizedTypes, rangeOfType } from '../ir/dtypes.js';
import type { IoTensor, Plan } from '../plan/types.js';
import { float, inC, integer } from './c.js';
import type { Context } from './templates.js';

/** For the templates: how C sees the elements of all inputs, or of all outputs. */
export function elementsContext(plan: Pick<Plan, 'inputs' | 'outputs'>): Context {
  const { inputs, outputs } = plan;
  const all = [...inputs, ...outputs];
  const isInt8 = all.every(({ dtype }) => dtype === 'int8');
  const types = [...new Set(all.map(({ dtype }) => dtype))];
  return {
    is_int8: isInt8,
    kind: isInt8 ? 'an int8' : 'a',
    element_types: types.length === 1 ? `, ${types[0]}` : '',
    quantized: all.some(isQuantized),
    all_quantized: inputs.every(isQuantized),
    input_type: commonType(inputs) ?? 'void',
    output_type: commonType(outputs) ?? 'void',
    first_input_type: inC(inputs[0]?.dtype ?? 'int8'),
    first_output_type: inC(outputs[0]?.dtype ?? 'int8'),
    // The glue of the firmware, which knows int8_t * alone.
    adapts_input: commonType(inputs) !== 'int8_t',
    adapts_output: commonType(outputs) !== 'int8_t',
    quantizes: inputs.some(isQuantized),
    dequantizes: outputs.some(isQuantized),
    first_is_quantized: inputs.slice(0, 1).some(isQuantized),
    ...quantizationContext(inputs.filter(isQuantized)),
    dequantized_type: commonType(outputs.filter(isQuantized)) ?? 'int32_t',
  };
}

/** Bounds of what `quantize` returns: text, or arrays where the inputs differ. */
function quantizationContext(inputs: readonly IoTensor[]): Context {
  const types = new Set(inputs.map(({ dtype }) => dtype));
  const [only] = types.size === 1 ? types : [];
  if (only === undefined) {
    const mixed = { low: 'low', high: 'high', least: 'the least', limit: 'limit' };
    return { ...mixed, quantized_type: 'int32_t', quantized_alike: false };
  }
  const [low, high] = rangeOfType(only);
  return {
    ...{ quantized_type: inC(only), quantized_alike: true },
    ...{ low: integer(low), high: integer(high), least: integer(low) },
    // Twice as many as there are integers: with any zero point, more steps saturate.
    limit: float(2 * (high - low + 1)),
  };
}

/** Of one input: the bounds between which `quantize` saturates; none for other types. */
export function boundsContext(tensor: IoTensor): Context {
  const [low, high] = isQuantized(tensor) ? rangeOfType(tensor.dtype) : [0, 0];
  return { least: integer(low), greatest: integer(high) };
}

/** Whether integers stand for real values, by a scale and a zero point. */
function isQuantized({ dtype }: IoTensor): boolean {
  return quantizedTypes.includes(dtype);
}

/** The C type of all elements; null where they differ. */
function commonType(tensors: readonly IoTensor[]): string | null {
  const types = new Set(tensors.map(({ dtype }) => inC(dtype)));
  return types.size === 1 ? ([...types][0] as string) : null;
}
