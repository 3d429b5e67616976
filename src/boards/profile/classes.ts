/** The class that a vector is put into, for outputs whose classes have names (--labels). */
import { isLabelled } from '../../compiler/codegen/labels.js';
import type { TensorData } from '../../compiler/ir/graph.js';
import type { IoTensor } from '../../compiler/plan/types.js';

export interface NamedClass {
  /** Index of the vector. */
  readonly vector: number;
  /** Name of the output. */
  readonly output: string;
  readonly class: string;
  /** The output's real value for this class. */
  readonly score: number;
}

/** The class with the greatest value, for each output that the names fit; of equals the first. */
export function classesOf(
  vector: number,
  outputs: readonly TensorData[],
  tensors: readonly IoTensor[],
  names: readonly string[],
): readonly NamedClass[] {
  return tensors.flatMap((tensor, i) => {
    const values = outputs[i];
    if (values === undefined || !isLabelled(tensor, names)) return [];
    // Of an output of several rows, such as frames, the last one is the newest.
    const first = values.length - names.length;
    let best = 0;
    for (let at = 1; at < names.length; at++) {
      if (Number(values[first + at]) > Number(values[first + best])) best = at;
    }
    const score = tensor.scale * (Number(values[first + best]) - tensor.zeroPoint);
    return [{ vector, output: tensor.name, class: names[best] ?? '', score }];
  });
}
